//! The text of a file by its lines, as an editor counts them, whichever line end it has: LF, CRLF, or CR by itself.
//!
//! ```text
//! file ──► buffer of whole characters, checked ──► a line: in the buffer, or joined of several
//!          the rest of a cut one waits for the next
//! ```
//!
//! A file has one encoding. Each buffer is checked once, when it is taken in, so that rows are text already. The first
//! byte that is not UTF-8 ends the import: other rows of such a file may pass by chance, and would tag what nobody
//! wrote. So does a zero byte: no text has one, C cuts text off at it, and UTF-16 and binary files are known by it.

use std::io::{ErrorKind, Read};
use std::mem;
use std::ops::Range;

use imtag_rows::{ROW_BYTES, odd};
use memchr::{memchr, memchr2};

use super::kind::{Encoding, WINDOW};
use super::problem::{FileError, FileProblem};

/// Bytes that are taken in at once, at most.
const BUFFER: usize = 128 * 1024;

/// A file that is read line by line, and the line that it is at.
pub(crate) struct Lines {
    /// What the file is called in messages.
    pub(crate) name: String,
    from: Box<dyn Read>,
    buffer: String,
    /// The line in the buffer. What stands after it comes next.
    at: Range<usize>,
    /// The line, if it does not lie in one buffer.
    joined: Option<String>,
    /// The first bytes of a character that the end of the last buffer cut.
    cut_character: Vec<u8>,
    /// True at the end of the file. A terminal would go on after it.
    finished: bool,
    /// The number of the line, counted from 1.
    pub(super) number: u64,
    /// True if the line is longer than a row may be: the next one is more of it.
    pub(super) is_cut: bool,
    /// True if the last byte that was passed is a CR: an LF after it belongs to the same line end.
    after_cr: bool,
    /// True once an [odd] character has been taken in. Names need not be searched for one before.
    pub(super) may_be_odd: bool,
}

impl Lines {
    pub(crate) fn new(name: String, from: Box<dyn Read>) -> Lines {
        Lines {
            name,
            from,
            buffer: String::new(),
            at: 0..0,
            joined: None,
            cut_character: Vec::new(),
            finished: false,
            number: 1,
            is_cut: false,
            after_cr: false,
            may_be_odd: false,
        }
    }

    /// Goes to the next line that is not empty; false at the end of the file.
    pub(super) fn next(&mut self) -> Result<bool, FileError> {
        self.joined = None;
        self.is_cut = false;
        let mut start = self.at.end;
        loop {
            match self.buffer.as_bytes().get(start).copied() {
                Some(end @ (b'\n' | b'\r')) => {
                    self.pass_line_end(end);
                    start += 1;
                }
                Some(_) => break,
                None if self.take_in()? => start = 0,
                None => return Ok(false),
            }
        }
        self.after_cr = false;
        match memchr2(b'\n', b'\r', &self.buffer.as_bytes()[start..]) {
            Some(length) => self.at = start..start + length,
            None => self.join(start)?,
        }
        Ok(true)
    }

    #[inline]
    pub(super) fn text(&self) -> &str {
        match &self.joined {
            None => &self.buffer[self.at.clone()],
            Some(joined) => joined,
        }
    }

    pub(super) fn refused(&self, problem: FileProblem) -> FileError {
        let name = self.name.clone();
        FileError { name, problem }
    }

    /// Puts a line together that begins in this buffer and does not end in it, unless the file does.
    #[cold]
    fn join(&mut self, mut start: usize) -> Result<(), FileError> {
        let mut joined = String::new();
        loop {
            let rest = &self.buffer[start..];
            let end = memchr2(b'\n', b'\r', rest.as_bytes());
            let part = &rest[..end.unwrap_or(rest.len())];
            self.is_cut = joined.len() + part.len() > ROW_BYTES;
            if !self.is_cut {
                joined.push_str(part);
                start += part.len();
            }
            if self.is_cut || end.is_some() || !self.take_in()? {
                self.at = start..start;
                self.joined = Some(joined);
                return Ok(());
            }
            start = 0;
        }
    }

    /// Fills the buffer; false at the end of the file, and the buffer stays as it is then.
    #[cold]
    fn take_in(&mut self) -> Result<bool, FileError> {
        let mut bytes = mem::take(&mut self.buffer).into_bytes();
        bytes.clear();
        while bytes.is_empty() && !self.finished {
            bytes.append(&mut self.cut_character);
            self.read_on(&mut bytes)?;
            if !self.finished {
                self.cut_character = bytes.split_off(whole_characters(&bytes));
            }
        }
        self.at = 0..0;
        if memchr(0, &bytes).is_some() {
            return Err(self.no_text(&bytes, bytes.len()));
        }
        self.buffer = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            self.no_text(error.as_bytes(), valid)
        })?;
        self.may_be_odd = self.may_be_odd || odd::is_in(&self.buffer);
        Ok(!self.buffer.is_empty())
    }

    /// Reads once, into what is left of a buffer.
    fn read_on(&mut self, bytes: &mut Vec<u8>) -> Result<(), FileError> {
        let held = bytes.len();
        bytes.resize(BUFFER, 0);
        let read = loop {
            match self.from.read(&mut bytes[held..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.refused(FileProblem::Unreadable(error))),
                Ok(read) => break read,
            }
        };
        self.finished = read == 0;
        bytes.truncate(held + read);
        Ok(())
    }

    /// What is wrong with bytes of which the first `valid` are UTF-8.
    fn no_text(&mut self, bytes: &[u8], valid: usize) -> FileError {
        let zero = memchr(0, bytes);
        for byte in &bytes[..zero.unwrap_or(valid)] {
            match byte {
                b'\n' | b'\r' => self.pass_line_end(*byte),
                _ => self.after_cr = false,
            }
        }
        let line = self.number;
        if zero.is_some() {
            return self.refused(FileProblem::ZeroByte { line });
        }
        let window = valid.saturating_sub(WINDOW / 2)..bytes.len().min(valid + WINDOW / 2);
        let encoding = Encoding::guess(&bytes[window]);
        self.refused(FileProblem::NotUtf8 { line, encoding })
    }

    fn pass_line_end(&mut self, end: u8) {
        let is_of_the_cr_before = end == b'\n' && self.after_cr;
        self.number += u64::from(!is_of_the_cr_before);
        self.after_cr = end == b'\r';
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

    /// The lines of a file that is read in pieces of so many bytes.
    pub(crate) fn lines_by(bytes: usize, file: &[u8]) -> Lines {
        let pieces = file.chunks(bytes).map(<[u8]>::to_vec);
        Lines::new("f".to_owned(), Box::new(Pieces(pieces.collect())))
    }

    /// Each line as `2:text`, or what is wrong with the file; the same wherever reads end.
    fn read(file: &[u8]) -> String {
        let by = |bytes: usize| {
            let mut lines = lines_by(bytes, file);
            let mut read = Vec::new();
            loop {
                match lines.next() {
                    Ok(true) => read.push(format!("{}:{}", lines.number, lines.text())),
                    Ok(false) => return read.join(" "),
                    // the encoding is guessed by what is there at once
                    Err(error) => return error.to_string().split(',').next().unwrap().to_owned(),
                }
            }
        };
        for bytes in 1..8 {
            assert_eq!(by(bytes), by(usize::MAX), "{file:?} by {bytes}");
        }
        by(usize::MAX)
    }

    #[test]
    fn a_line_ends_with_lf_or_crlf_or_cr_and_empty_ones_are_counted() {
        for (file, lines) in [
            ("", ""),
            ("a\nb\nc", "1:a 2:b 3:c"),
            ("a\r\nb\r\nc\r\n", "1:a 2:b 3:c"),
            ("a\rb\rc\r", "1:a 2:b 3:c"),
            ("\n\na\n\nb\nc", "3:a 5:b 6:c"),
            ("a\r\n\r\n\r\nb\nc", "1:a 4:b 5:c"),
            ("a\r\rb\n\rc", "1:a 3:b 5:c"),
            ("a北京🎉\n🎉", "1:a北京🎉 2:🎉"),
        ] {
            assert_eq!(read(file.as_bytes()), lines, "{file:?}");
        }
    }

    #[test]
    fn the_first_byte_that_is_no_text_is_named_by_its_line() {
        for (file, says) in [
            (
                b"a\r\nb\n\rc\xb1\xb1\nd".as_slice(),
                "f is not UTF-8 in line 4",
            ),
            (b"a\nb\xe5\x8c", "f is not UTF-8 in line 2"),
            (
                b"a\nb\nc\0d\n",
                "f is not a text file: line 3 holds a zero byte",
            ),
            (
                b"a\nb\n\0",
                "f is not a text file: line 3 holds a zero byte",
            ),
        ] {
            assert!(read(file).starts_with(says), "{file:?}");
        }
        // the next bytes may still be text, and one that is not is looked for first
        let mut lines = lines_by(usize::MAX, b"a\n\xb1\0");
        assert!(
            lines
                .next()
                .unwrap_err()
                .to_string()
                .contains("line 2 holds a zero byte")
        );
    }

    #[test]
    fn a_line_that_is_longer_than_a_row_may_be_comes_in_parts() {
        let (row, more) = ("x".repeat(ROW_BYTES), "y".repeat(ROW_BYTES));
        for (file, expected) in [
            (
                format!("{row}\nz"),
                vec![(1, false, ROW_BYTES), (2, false, 1)],
            ),
            (
                format!("{row}y\r\nz"),
                vec![(1, true, ROW_BYTES), (1, false, 1), (2, false, 1)],
            ),
            (
                format!("{row}{more}"),
                vec![(1, true, ROW_BYTES), (1, false, ROW_BYTES)],
            ),
        ] {
            let mut lines = lines_by(BUFFER, file.as_bytes());
            for (number, is_cut, bytes) in expected {
                assert!(lines.next().unwrap());
                let found = (lines.number, lines.is_cut, lines.text().len());
                assert_eq!(found, (number, is_cut, bytes));
            }
            assert!(!lines.next().unwrap());
        }
    }

    #[test]
    fn odd_characters_are_seen_also_where_reads_share_them() {
        for (file, is_odd) in [
            ("a\u{feff}b", true),
            ("a\u{fffd}b", true),
            ("a，北\u{ffe5}\t\r\n", false),
            ("a\u{200b}b", true),
            ("a\x1a", true),
        ] {
            let mut lines = lines_by(2, file.as_bytes());
            while lines.next().unwrap() {}
            assert_eq!(lines.may_be_odd, is_odd, "{file:?}");
        }
    }
}
