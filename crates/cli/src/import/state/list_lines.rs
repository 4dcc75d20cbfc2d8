//! The lists that imtag writes: a JSON object a line. A file is known as such a list by its lines: it holds nothing else,
//! and each line is, to the byte, as imtag writes it.

use std::io::{self, BufRead, BufReader, Read};

use imtag_rows::write_line;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest line of any list.
const LINE_AT_MOST: u64 = 1 << 20;

/// True if a file holds lines of `T`, which begin with `start`, and nothing else. Its last line may be cut short, as a
/// crash leaves a file that is written in place. Its first may not: else any file with these few bytes were one.
pub(crate) fn holds_lines<T: Serialize + DeserializeOwned>(
    start: &str,
    from: impl Read,
) -> io::Result<bool> {
    let mut after_lines = false;
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
            return Ok(is_last && is_cut_short::<T>(start.as_bytes(), &text, after_lines));
        }
        if parse_line::<T>(&text).is_none() {
            return Ok(false);
        }
        after_lines = true;
    }
}

/// The object of a line that is, to the byte, as imtag writes it.
pub(super) fn parse_line<T: Serialize + DeserializeOwned>(text: &[u8]) -> Option<T> {
    let object = serde_json::from_slice(text).ok()?;
    let mut written = Vec::with_capacity(text.len());
    write_line(&object, &mut written);
    (written == text).then_some(object)
}

/// True for what a crash or a power cut leaves of a line: a line without its end or, after other lines, a part of one or
/// zeros.
fn is_cut_short<T: Serialize + DeserializeOwned>(
    start: &[u8],
    text: &[u8],
    after_lines: bool,
) -> bool {
    if parse_line::<T>(&[text, b"\n"].concat()).is_some() {
        return true;
    }
    let is_part = || {
        let parsed = serde_json::from_slice::<T>(text);
        text.starts_with(start) && parsed.is_err_and(|error| error.is_eof())
    };
    let is_zeros = || text.iter().all(|byte| *byte == 0);
    after_lines && (start.starts_with(text) || is_zeros() || is_part())
}
