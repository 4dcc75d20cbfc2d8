//! The records of a CSV file, read strictly as RFC 4180 has them: a quote opens a field only at its start, two quotes
//! stand for one in it, and after the quote that closes it comes a comma or the end of the line. A record that breaks
//! this keeps its first fault, and only that record is lost: lenient readers (`"abc"def` as `abcdef`) tag what nobody
//! wrote.
//!
//! ```text
//!         ┌───────────────── , ────────────────┐
//!         ▼       "               "            │
//!       Start ────────▶ Quoted ────────▶ Closed
//!        │ ▲               ▲              │  │
//!  other │ │ ,             └────── " ─────┘  │ other: text after the closing quote, a fault
//!        ▼ │             a quote as text     │
//!       Plain ◀──────────────────────────────┘
//!         a quote here is a fault
//! ```
//!
//! A line end ends the record in all states but Quoted.
//!
//! Nearly all records are a line in which quotes stand only around whole fields. These are found in place, without a
//! copy; the states above read the others byte by byte.
//!
//! A record has a bound; what is longer is read past and reported as too long. So a forgotten quote takes no memory,
//! however much of the file it swallows. A quote that is still open at the end of the file ends the import, as nobody
//! knows which of the lines it swallowed are rows.

use std::mem;

use memchr::memchr2;

use super::file::FileProblem;
use super::lines::{Lines, ROW_BYTES};

/// Fields whose places are kept: more than any header has columns. Fields beyond them are only counted.
const FIELDS: usize = 8;

/// Where a field starts and ends in the text of its record.
type Span = (usize, usize);

/// The records of a file.
pub(crate) struct Records {
    lines: Lines,
    /// A record that is not read in place: one with a quote inside a field, or in two buffers.
    text: String,
    spans: [Span; FIELDS],
}

/// What breaks the form of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The field that it stands in, counted from 0.
    pub(crate) field: usize,
    /// What it is, and what to do.
    pub(crate) what: &'static str,
}

const QUOTE_INSIDE: &str = "a quote inside a field that has none around it (put the field in quotes, and double those in it)";
const BLANK_BEFORE_QUOTE: &str = "a blank before its quote (leave it out; or put it in quotes too, and double those in the field)";
const TEXT_AFTER_QUOTE: &str =
    "text after its closing quote (put the whole field in quotes, and double those in it)";

/// A record that has been read.
pub(crate) struct Record<'r> {
    /// The line that it starts on.
    pub(crate) line: u64,
    /// How many fields it has.
    pub(crate) fields: usize,
    /// The line that it ends on, if a field holds a line end.
    pub(crate) last_line: Option<u64>,
    /// True if it is over the bound. Its fields are lost then.
    pub(crate) too_long: bool,
    /// The first of them.
    pub(crate) fault: Option<Fault>,
    /// True if it may hold an odd character: see [`Lines::has_odd`].
    pub(crate) may_be_odd: bool,
    /// True if its fields hold only white space, as the rows of commas that spreadsheets leave: it counts as a blank
    /// line.
    pub(crate) is_blank: bool,
    text: &'r str,
    spans: &'r [Span; FIELDS],
}

impl<'r> Record<'r> {
    /// A field; empty if there is none.
    pub(crate) fn field(&self, at: usize) -> &'r str {
        if at >= self.fields.min(FIELDS) {
            return "";
        }
        let (start, end) = self.spans[at];
        self.text.get(start..end).unwrap_or_default()
    }

    /// The fields, as far as they are kept.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'r str> + '_ {
        (0..self.fields.min(FIELDS)).map(|at| self.field(at))
    }
}

/// What the next byte of a record continues.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Plain,
    Quoted,
    Closed,
}

/// A record that is read byte by byte.
#[derive(Default)]
struct Assembly {
    state: State,
    text: Vec<u8>,
    spans: [Span; FIELDS],
    fields: usize,
    /// True if a field holds more than white space.
    is_filled: bool,
    field_start: usize,
    fault: Option<Fault>,
    too_long: bool,
    /// The line of the next byte, and that of the last opening quote.
    line: u64,
    quote_line: u64,
    after_cr: bool,
}

impl Records {
    pub(crate) fn new(lines: Lines) -> Records {
        Records {
            lines,
            text: String::new(),
            spans: [(0, 0); FIELDS],
        }
    }

    /// The next record; `None` at the end of the file.
    ///
    /// # Errors
    /// If the file cannot be read on, is no text, or ends within quotes.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>, FileProblem> {
        if !self.lines.pass_line_ends()? {
            return Ok(None);
        }
        let ahead = self.lines.ahead()?.as_bytes();
        let Some(length) = memchr2(b'\n', b'\r', ahead) else {
            return self.assemble().map(Some);
        };
        let Some((fields, is_blank)) = in_place(&ahead[..length], &mut self.spans) else {
            return self.assemble().map(Some);
        };
        let line = self.lines.line();
        self.lines.pass(length);
        Ok(Some(Record {
            line,
            fields,
            last_line: None,
            too_long: false,
            fault: None,
            may_be_odd: self.lines.has_odd(),
            is_blank,
            text: self.lines.behind(length),
            spans: &self.spans,
        }))
    }

    fn assemble(&mut self) -> Result<Record<'_>, FileProblem> {
        let first = self.lines.line();
        let mut text = mem::take(&mut self.text).into_bytes();
        text.clear();
        let mut assembly = Assembly {
            text,
            line: first,
            ..Assembly::default()
        };
        loop {
            let ahead = self.lines.ahead()?.as_bytes();
            let end = assembly.take(ahead);
            let at_end = ahead.is_empty();
            let passed = end.unwrap_or(ahead.len());
            if assembly.line == first {
                self.lines.pass(passed);
            } else {
                self.lines.pass_any(passed);
            }
            if at_end && assembly.state == State::Quoted {
                let line = assembly.quote_line;
                return Err(FileProblem::OpenQuote { line });
            }
            if at_end || end.is_some() {
                break;
            }
        }
        assembly.end_field();
        // one over the bound may end within a character, and is not looked at
        self.text = String::from_utf8(assembly.text).unwrap_or_default();
        self.spans = assembly.spans;
        let Assembly {
            line,
            fault,
            too_long,
            ..
        } = assembly;
        Ok(Record {
            line: first,
            fields: assembly.fields,
            last_line: (line > first).then_some(line),
            too_long,
            fault,
            may_be_odd: self.lines.has_odd(),
            is_blank: !assembly.is_filled && !too_long && fault.is_none(),
            text: &self.text,
            spans: &self.spans,
        })
    }
}

impl Assembly {
    /// Takes the bytes of the record. Returns where it ends, if it ends in them.
    fn take(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            at += self.take_plain(&bytes[at..]);
            match bytes.get(at) {
                Some(byte) if self.ends_with(*byte) => return Some(at),
                _ => at += 1,
            }
        }
        None
    }

    /// Takes the bytes up to the next that may change the state. Returns how many.
    fn take_plain(&mut self, bytes: &[u8]) -> usize {
        let is_text = |byte: &u8| match self.state {
            State::Quoted => !matches!(byte, b'"' | b'\n' | b'\r'),
            State::Plain => !matches!(byte, b'"' | b'\n' | b'\r' | b','),
            State::Start | State::Closed => false,
        };
        let length = bytes.iter().take_while(|byte| is_text(byte)).count();
        if length > 0 {
            self.after_cr = false;
            self.push(&bytes[..length]);
        }
        length
    }

    /// Takes the next byte; true if it is the line end after the record.
    fn ends_with(&mut self, byte: u8) -> bool {
        use State::{Closed, Plain, Quoted, Start};
        match (self.state, byte) {
            (Quoted, b'"') => self.state = Closed,
            (Quoted, _) => {
                let ends_line = matches!(byte, b'\n' | b'\r') && !(byte == b'\n' && self.after_cr);
                self.line += u64::from(ends_line);
                self.after_cr = byte == b'\r';
                self.push(&[byte]);
            }
            (_, b'\n' | b'\r') => return true,
            (_, b',') => {
                self.end_field();
                self.state = Start;
            }
            (Start, b'"') => {
                self.state = Quoted;
                self.quote_line = self.line;
                self.after_cr = false;
            }
            (Closed, b'"') => {
                self.state = Quoted;
                self.after_cr = false;
                self.push(b"\"");
            }
            (Closed, _) => {
                self.found(TEXT_AFTER_QUOTE);
                self.state = Plain;
                self.push(&[byte]);
            }
            (Plain, b'"') => {
                let before = self.text.get(self.field_start..).unwrap_or_default();
                self.found(if before.trim_ascii().is_empty() {
                    BLANK_BEFORE_QUOTE
                } else {
                    QUOTE_INSIDE
                });
                self.push(b"\"");
            }
            (Start | Plain, _) => {
                self.state = Plain;
                self.push(&[byte]);
            }
        }
        false
    }

    fn found(&mut self, what: &'static str) {
        let field = self.fields;
        self.fault = self.fault.or(Some(Fault { field, what }));
    }

    fn push(&mut self, bytes: &[u8]) {
        let free = ROW_BYTES - self.text.len();
        self.too_long |= bytes.len() > free;
        self.text.extend_from_slice(&bytes[..bytes.len().min(free)]);
    }

    fn end_field(&mut self) {
        let end = self.text.len();
        if let Some(span) = self.spans.get_mut(self.fields) {
            *span = (self.field_start, end);
        }
        self.is_filled = self.is_filled || !is_blank(&self.text[self.field_start..]);
        self.fields += 1;
        self.field_start = end;
    }
}

/// True if a field holds only white space. Nearly all are told by their first byte.
fn is_blank(field: &[u8]) -> bool {
    match field.first() {
        None => true,
        Some(first) if first.is_ascii_graphic() => false,
        Some(_) => std::str::from_utf8(field).is_ok_and(|field| field.trim().is_empty()),
    }
}

/// Finds the fields of a line: how many, and whether all are blank. `None` if a quote stands elsewhere than around a
/// whole field.
fn in_place(line: &[u8], spans: &mut [Span; FIELDS]) -> Option<(usize, bool)> {
    let (mut fields, mut is_blank, mut at) = (0, true, 0);
    loop {
        let rest = &line[at..];
        let (start, end, next) = match rest.strip_prefix(b"\"") {
            Some(inner) => {
                let length = inner.iter().position(|byte| *byte == b'"')?;
                (at + 1, at + 1 + length, at + length + 2)
            }
            None => {
                let ends = |byte: &u8| matches!(byte, b',' | b'"');
                let length = rest.iter().position(ends).unwrap_or(rest.len());
                (at, at + length, at + length)
            }
        };
        if let Some(span) = spans.get_mut(fields) {
            *span = (start, end);
        }
        is_blank = is_blank && self::is_blank(&line[start..end]);
        fields += 1;
        match line.get(next) {
            None => return Some((fields, is_blank)),
            Some(b',') => at = next + 1,
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
