//! How a list of imtag's own is known: it holds lines of one form, to the byte as imtag writes them, and nothing else.

use std::io::{self, BufRead, BufReader, Read};

/// The longest line of any list.
const LINE_AT_MOST: u64 = 1 << 20;

/// The form of a list's lines, each a JSON object.
pub(crate) struct LineForm {
    /// How each starts.
    pub(crate) start: &'static [u8],
    /// True for a line, with its end.
    pub(crate) is_line: fn(&[u8]) -> bool,
    /// What is wrong with the object of a line.
    pub(crate) problem: fn(&[u8]) -> Option<serde_json::Error>,
}

impl LineForm {
    /// Whether a file holds such lines and nothing else. The last may be cut short, as a crash leaves it, but not the
    /// first: it comes to the file's path whole.
    pub(crate) fn fits(&self, from: impl Read, mut after_lines: bool) -> io::Result<bool> {
        let mut from = BufReader::with_capacity(256 * 1024, from);
        let mut text = Vec::new();
        loop {
            text.clear();
            let mut line = from.by_ref().take(LINE_AT_MOST);
            line.read_until(b'\n', &mut text)?;
            if text.is_empty() {
                return Ok(true);
            }
            if !text.ends_with(b"\n") {
                let is_last = from.fill_buf()?.is_empty();
                return Ok(is_last && self.is_cut_short(&text, after_lines));
            }
            if !(self.is_line)(&text) {
                return Ok(false);
            }
            after_lines = true;
        }
    }

    /// What a crash or a power cut leaves of a line: its start, or zeros.
    fn is_cut_short(&self, text: &[u8], after_lines: bool) -> bool {
        if (self.is_line)(&[text, b"\n"].concat()) {
            return true;
        }
        let is_start = || {
            text.starts_with(self.start) && (self.problem)(text).is_some_and(|error| error.is_eof())
        };
        let is_zeros = || text.iter().all(|byte| *byte == 0);
        after_lines && (self.start.starts_with(text) || is_zeros() || is_start())
    }
}
