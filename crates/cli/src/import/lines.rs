//! Lines as an editor counts them, whichever line end a file has: LF, CRLF, or CR by itself. And the bytes of a file
//! as they are taken in, a buffer at a time, since both formats read them so.

use std::io::{self, ErrorKind, Read};

/// Bytes that are taken in at once.
const BUFFER: usize = 128 * 1024;

/// Bytes of a row at most. A row of a thousand tags has a twentieth of it.
pub(crate) const ROW_BYTES: usize = 1024 * 1024;

/// A file that is taken in piece by piece, and the line that it is at.
pub(crate) struct Lines {
    from: Box<dyn Read>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Whether the file is at its end. A terminal would go on after it.
    finished: bool,
    line: u64,
    /// Whether the last byte that was passed is a CR: an LF after it is of the same line end.
    after_cr: bool,
    /// Whether the last byte that was passed ended a line.
    at_line_start: bool,
}

impl Lines {
    pub(crate) fn of(from: Box<dyn Read>) -> Lines {
        Lines {
            from,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            finished: false,
            line: 1,
            after_cr: false,
            at_line_start: true,
        }
    }

    /// The line that the next byte stands in, counted from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// The last line that has been passed in part or whole.
    pub(crate) fn last_line(&self) -> u64 {
        self.line - u64::from(self.at_line_start)
    }

    /// Bytes that have been taken in and not passed; none at the end of the file.
    pub(crate) fn ahead(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end && !self.finished {
            self.take_in()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    #[cold]
    fn take_in(&mut self) -> io::Result<()> {
        self.start = 0;
        self.end = loop {
            match self.from.read(&mut self.buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.finished = self.end == 0;
        Ok(())
    }

    /// Passes so many of the bytes ahead, of which none but the last may end a line.
    pub(crate) fn pass(&mut self, bytes: usize) {
        self.start += bytes;
        if let Some(last) = bytes.checked_sub(1).map(|_| self.buffer[self.start - 1]) {
            self.passed(last);
        }
    }

    /// Passes so many of the bytes ahead, whatever they are.
    pub(crate) fn pass_any(&mut self, bytes: usize) {
        for at in self.start..self.start + bytes {
            self.passed(self.buffer[at]);
        }
        self.start += bytes;
    }

    /// Passes ends of lines, and so blank lines; false at the end of the file.
    pub(crate) fn pass_line_ends(&mut self) -> io::Result<bool> {
        loop {
            match self.ahead()?.first() {
                Some(b'\n' | b'\r') => self.pass(1),
                Some(_) => return Ok(true),
                None => return Ok(false),
            }
        }
    }

    #[inline]
    fn passed(&mut self, byte: u8) {
        let ends = matches!(byte, b'\n' | b'\r');
        let of_the_one_before = byte == b'\n' && self.after_cr;
        self.line += u64::from(ends && !of_the_one_before);
        self.after_cr = byte == b'\r';
        self.at_line_start = ends;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line of each byte that ends none.
    fn lines_of(text: &'static str) -> Vec<u64> {
        let mut lines = Lines::of(Box::new(text.as_bytes()));
        let mut found = Vec::new();
        while lines.pass_line_ends().unwrap() {
            found.push(lines.line());
            lines.pass(1);
        }
        found
    }

    #[test]
    fn a_line_ends_with_lf_or_crlf_or_cr() {
        assert_eq!(lines_of("a\nb\nc"), [1, 2, 3]);
        assert_eq!(lines_of("a\r\nb\r\nc"), [1, 2, 3]);
        assert_eq!(lines_of("a\rb\rc"), [1, 2, 3]);
    }

    #[test]
    fn blank_lines_are_passed_over_and_counted() {
        assert_eq!(lines_of("\n\na\n\nb"), [3, 5]);
        assert_eq!(lines_of("a\r\n\r\n\r\nb"), [1, 4]);
        assert_eq!(lines_of("a\r\rb"), [1, 3]);
    }

    #[test]
    fn a_line_end_that_two_buffers_share_is_one() {
        let text = b"a\r".as_slice().chain(b"\nb".as_slice());
        let mut lines = Lines::of(Box::new(text));
        lines.pass_any(0);
        assert_eq!(lines.ahead().unwrap(), b"a\r");
        lines.pass_any(2);
        assert!(lines.pass_line_ends().unwrap());
        assert_eq!(lines.line(), 2);
    }

    #[test]
    fn the_last_line_may_lack_its_end() {
        for text in ["a\nb", "a\nb\n"] {
            let mut lines = Lines::of(Box::new(text.as_bytes()));
            let bytes = lines.ahead().unwrap().len();
            lines.pass_any(bytes);
            assert_eq!(lines.last_line(), 2, "{text:?}");
        }
    }
}
