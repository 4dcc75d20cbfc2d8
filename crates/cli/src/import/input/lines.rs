//! The text of a file, a buffer at a time, and its lines as an editor counts them, whichever line end it has: LF, CRLF,
//! or CR by itself.
//!
//! ```text
//! file ──► buffer of whole characters, checked ──► ahead ── pass ──► behind
//!          the rest of a cut one waits for the next
//! ```
//!
//! A file has one encoding. Each buffer is checked once, when it is taken in, so that rows are text already. The first
//! byte that is not UTF-8 ends the import: other rows of such a file may pass by chance, and would tag what nobody
//! wrote. So does a zero byte: no text has one, C cuts text off at it, and UTF-16 and binary files are known by it.

use std::io::{ErrorKind, Read};
use std::mem;

use memchr::memchr;

use super::encoding::{Encoding, WINDOW};
use super::file::FileProblem;
use super::odd;

/// Bytes that are taken in at once, at most.
const BUFFER: usize = 128 * 1024;

/// Bytes of a row, at most. A row of a thousand tags takes a twentieth of them.
pub(crate) const ROW_BYTES: usize = 1024 * 1024;

/// A file that is read buffer by buffer, and the line that it is at.
pub(crate) struct Lines {
    from: Box<dyn Read>,
    /// The buffer.
    text: String,
    /// How many of its bytes were passed.
    start: usize,
    /// The first bytes of a character that the end of the last buffer cut.
    cut: Vec<u8>,
    /// True at the end of the file. A terminal would go on after it.
    finished: bool,
    line: u64,
    /// True if the last byte that was passed is a CR: an LF after it belongs to the same line end.
    after_cr: bool,
    has_odd: bool,
}

impl Lines {
    pub(crate) fn new(from: Box<dyn Read>) -> Lines {
        Lines {
            from,
            text: String::new(),
            start: 0,
            cut: Vec::new(),
            finished: false,
            line: 1,
            after_cr: false,
            has_odd: false,
        }
    }

    /// The line that the next byte stands in, counted from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// True once an [odd] character has been taken in. Names need not be searched for one before.
    pub(crate) fn has_odd(&self) -> bool {
        self.has_odd
    }

    /// The text that is taken in and not passed; empty at the end of the file.
    pub(crate) fn ahead(&mut self) -> Result<&str, FileProblem> {
        if self.start == self.text.len() && !self.finished {
            self.take_in()?;
        }
        Ok(&self.text[self.start..])
    }

    /// The last so many bytes that were passed, all of them from one `ahead`.
    pub(crate) fn behind(&self, bytes: usize) -> &str {
        &self.text[self.start - bytes..self.start]
    }

    #[cold]
    fn take_in(&mut self) -> Result<(), FileProblem> {
        let mut bytes = mem::take(&mut self.text).into_bytes();
        self.start = 0;
        bytes.clear();
        while bytes.is_empty() && !self.finished {
            bytes.append(&mut self.cut);
            self.read_on(&mut bytes)?;
            if !self.finished {
                self.cut = bytes.split_off(whole_characters(&bytes));
            }
        }
        if memchr(0, &bytes).is_some() {
            return Err(self.no_text(&bytes, bytes.len()));
        }
        self.text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            self.no_text(error.as_bytes(), valid)
        })?;
        self.has_odd = self.has_odd || odd::is_in(&self.text);
        Ok(())
    }

    /// Reads once, into what is left of a buffer.
    fn read_on(&mut self, bytes: &mut Vec<u8>) -> Result<(), FileProblem> {
        let held = bytes.len();
        bytes.resize(BUFFER, 0);
        let read = loop {
            match self.from.read(&mut bytes[held..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read.map_err(FileProblem::Unreadable)?,
            }
        };
        self.finished = read == 0;
        bytes.truncate(held + read);
        Ok(())
    }

    /// What is wrong with bytes of which the first `valid` are UTF-8.
    fn no_text(&mut self, bytes: &[u8], valid: usize) -> FileProblem {
        let zero = memchr(0, bytes);
        for byte in &bytes[..zero.unwrap_or(valid)] {
            self.passed(*byte);
        }
        let line = self.line;
        if zero.is_some() {
            return FileProblem::ZeroByte { line };
        }
        let window = valid.saturating_sub(WINDOW / 2)..bytes.len().min(valid + WINDOW / 2);
        FileProblem::NotUtf8 {
            line,
            encoding: Encoding::guess(&bytes[window]),
        }
    }

    /// Passes so many of the bytes ahead. Only the last of them may end a line.
    pub(crate) fn pass(&mut self, bytes: usize) {
        self.start += bytes;
        if bytes > 0 {
            self.passed(self.text.as_bytes()[self.start - 1]);
        }
    }

    /// As `pass`, for bytes of which any may end a line.
    pub(crate) fn pass_any(&mut self, bytes: usize) {
        for at in self.start..self.start + bytes {
            self.passed(self.text.as_bytes()[at]);
        }
        self.start += bytes;
    }

    /// Passes line ends, and so empty lines; false at the end of the file.
    pub(crate) fn pass_line_ends(&mut self) -> Result<bool, FileProblem> {
        loop {
            match self.ahead()?.as_bytes().first() {
                Some(b'\n' | b'\r') => self.pass(1),
                Some(_) => return Ok(true),
                None => return Ok(false),
            }
        }
    }

    #[inline]
    fn passed(&mut self, byte: u8) {
        let ends = matches!(byte, b'\n' | b'\r');
        let is_of_the_cr_before = byte == b'\n' && self.after_cr;
        self.line += u64::from(ends && !is_of_the_cr_before);
        self.after_cr = byte == b'\r';
    }
}

/// The length of bytes without a character that their end cuts.
fn whole_characters(bytes: &[u8]) -> usize {
    let is_first = |byte: &u8| *byte & 0xc0 != 0x80;
    let last = bytes.iter().rposition(is_first).unwrap_or(0);
    match std::str::from_utf8(&bytes[last..]) {
        Err(error) if error.error_len().is_none() => last,
        _ => bytes.len(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// Brings each piece by itself.
    struct Pieces(VecDeque<Vec<u8>>);

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let mut piece = self.0.pop_front().unwrap_or_default();
            let rest = piece.split_off(piece.len().min(into.len()));
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
            into[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    fn lines(pieces: &[&[u8]]) -> Lines {
        let pieces = pieces.iter().map(|piece| piece.to_vec());
        Lines::new(Box::new(Pieces(pieces.collect())))
    }

    /// The lines of a text that is read in pieces of so many bytes.
    pub(crate) fn lines_by(bytes: usize, text: &str) -> Lines {
        lines(&text.as_bytes().chunks(bytes).collect::<Vec<_>>())
    }

    /// The line of each byte that ends none.
    fn lines_of(text: &str) -> Vec<u64> {
        let mut lines = lines(&[text.as_bytes()]);
        let mut found = Vec::new();
        while lines.pass_line_ends().unwrap() {
            found.push(lines.line());
            lines.pass(1);
        }
        found
    }

    /// All that is taken in, or what is wrong with it.
    fn taken_in(pieces: &[&[u8]]) -> Result<String, String> {
        let mut lines = lines(pieces);
        let mut all = String::new();
        loop {
            let ahead = lines.ahead().map_err(|problem| problem.to_string())?;
            if ahead.is_empty() {
                return Ok(all);
            }
            all.push_str(ahead);
            let bytes = ahead.len();
            lines.pass_any(bytes);
        }
    }

    #[test]
    fn a_line_ends_with_lf_or_crlf_or_cr_and_blank_lines_are_passed_over_and_counted() {
        for (text, lines) in [
            ("a\nb\nc", [1, 2, 3]),
            ("a\r\nb\r\nc", [1, 2, 3]),
            ("a\rb\rc", [1, 2, 3]),
            ("\n\na\n\nb\nc", [3, 5, 6]),
            ("a\r\n\r\n\r\nb\nc", [1, 4, 5]),
            ("a\r\rb\n\rc", [1, 3, 5]),
        ] {
            assert_eq!(lines_of(text), lines, "{text:?}");
        }
    }

    #[test]
    fn a_line_end_that_two_buffers_share_is_one() {
        let mut lines = lines(&[b"a\r", b"\nb"]);
        assert_eq!(lines.ahead().unwrap(), "a\r");
        lines.pass_any(2);
        assert!(lines.pass_line_ends().unwrap());
        assert_eq!(lines.line(), 2);
    }

    #[test]
    fn a_character_that_reads_share_is_whole() {
        let text = "a北京🎉\n";
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(taken_in(&bytes).unwrap(), text);
    }

    #[test]
    fn the_first_byte_that_is_not_utf8_is_named_by_its_line_wherever_reads_end() {
        for pieces in [
            &[b"a\r\nb\n\rc\xb1\xb1\nd".as_slice()][..],
            &[b"a\r", b"\nb\n", b"\rc\xb1", b"\xb1\nd"],
            &[b"a\r\nb\n\rc", b"\xb1\xb1"],
        ] {
            let problem = taken_in(pieces).unwrap_err();
            assert!(
                problem.starts_with("is not UTF-8 in line 4"),
                "{pieces:?}: {problem}"
            );
        }
        let cut = taken_in(&[b"a\nb\xe5\x8c"]).unwrap_err();
        assert!(cut.starts_with("is not UTF-8 in line 2"), "{cut}");
    }

    #[test]
    fn a_zero_byte_is_named_by_its_line() {
        for pieces in [
            &[b"a\nb\nc\0d\n".as_slice()][..],
            &[b"a\nb\n", b"c", b"\0"],
            &[b"a\nb\n\xb1\0"],
        ] {
            let problem = taken_in(pieces).unwrap_err();
            assert!(
                problem.starts_with("is not a text file: line 3 holds a zero byte"),
                "{problem}"
            );
        }
    }

    #[test]
    fn odd_characters_are_seen_also_where_reads_share_them() {
        for (pieces, odd) in [
            (&["a\u{feff}b".as_bytes()][..], true),
            (&[b"a\xef\xbf", b"\xbdb"], true),
            (&["a，北\u{ffe5}\t\r\n".as_bytes()], false),
            (&["a\u{200b}b".as_bytes()], true),
            (&[b"a\x1a"], true),
        ] {
            let mut lines = lines(pieces);
            while !lines.ahead().unwrap().is_empty() {
                let bytes = lines.ahead().unwrap().len();
                lines.pass(bytes);
            }
            assert_eq!(lines.has_odd(), odd, "{pieces:?}");
        }
    }
}
