//! Line numbers. The CSV reader's own are those of where it stood before it passed the LF of a CRLF, and blank lines,
//! that stand before a record; a complaint needs the line that an editor shows. So the ends of lines are noted on
//! their way to the reader, and looked up by the reader's byte positions.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::rc::Rc;

/// The ends of lines from a byte position on. It holds those that the reader has taken in and not yet passed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    ahead: VecDeque<LineEnd>,
    /// Ends of lines that have been passed.
    passed: u64,
    /// Ends of lines that have been taken in.
    ends: u64,
    /// Whether a line has begun that has not ended.
    begun: bool,
}

#[derive(Debug)]
struct LineEnd {
    at: u64,
    is_crlf: bool,
}

/// Bytes on their way to the reader.
pub(crate) struct Noted<R> {
    from: R,
    lines: Lines,
    taken: u64,
    last: u8,
}

impl Lines {
    pub(crate) fn note<R: Read>(&self, from: R) -> Noted<R> {
        Noted {
            from,
            lines: self.clone(),
            taken: 0,
            last: 0,
        }
    }

    /// How many lines have been taken in, the last perhaps without its end.
    pub(crate) fn seen(&self) -> u64 {
        let state = self.0.borrow();
        state.ends + u64::from(state.begun)
    }

    /// The line, counted from 1, of a record that the reader began to look for at this byte: the first line from
    /// there on that is not blank. Positions must not go back.
    pub(crate) fn line_of(&self, byte: u64) -> u64 {
        let mut state = self.0.borrow_mut();
        let mut start = byte;
        while let Some(end) = state.ahead.front() {
            let blank = start + u64::from(end.is_crlf);
            if end.at > blank {
                break;
            }
            start = start.max(end.at + 1);
            state.ahead.pop_front();
            state.passed += 1;
        }
        state.passed + 1
    }
}

impl<R: Read> Read for Noted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        let mut state = self.lines.0.borrow_mut();
        for byte in &into[..read] {
            state.begun = *byte != b'\n';
            if *byte == b'\n' {
                state.ends += 1;
                state.ahead.push_back(LineEnd {
                    at: self.taken,
                    is_crlf: self.last == b'\r',
                });
            }
            self.taken += 1;
            self.last = *byte;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(text: &str, positions: &[u64]) -> Vec<u64> {
        let lines = Lines::default();
        lines
            .note(text.as_bytes())
            .read_to_end(&mut Vec::new())
            .unwrap();
        positions.iter().map(|at| lines.line_of(*at)).collect()
    }

    #[test]
    fn a_line_begins_after_the_end_of_the_one_before() {
        assert_eq!(lines_of("ab\ncd\ne", &[0, 3, 6]), [1, 2, 3]);
        // with CRLF the reader stands on the LF when it begins to look for the next record
        assert_eq!(lines_of("ab\r\ncd\r\ne", &[0, 3, 7]), [1, 2, 3]);
    }

    #[test]
    fn blank_lines_are_passed_over_and_counted() {
        assert_eq!(lines_of("\n\nab\n\ncd", &[0, 5]), [3, 5]);
        assert_eq!(lines_of("ab\r\n\r\n\r\ncd", &[0, 3]), [1, 4]);
    }

    #[test]
    fn a_line_of_one_character_is_not_blank() {
        assert_eq!(lines_of("a\nb\n", &[0, 2]), [1, 2]);
    }
}
