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
//! copy; the states above read the others.
//!
//! A record has a bound; what is longer is read past and reported as too long. So a forgotten quote takes no memory,
//! however much of the file it swallows. A quote that is still open at the end of the file ends the import, as nobody
//! knows which of the lines it swallowed are rows.

use imtag_rows::ROW_BYTES;

use super::lines::Lines;
use super::problem::{FileError, FileProblem};

/// Fields whose places are kept: more than any header has columns. Fields beyond them are only counted.
const FIELDS: usize = 8;

/// The records of a file, and the one that it is at.
pub(crate) struct Records {
    pub(super) lines: Lines,
    /// The line that the record starts on.
    pub(super) line: u64,
    /// The line that it ends on, if a field holds a line end.
    pub(super) last_line: Option<u64>,
    pub(super) form: Form,
}

/// How the fields of a record lie in its text.
#[derive(Default)]
pub(crate) struct Form {
    /// How many there are.
    pub(super) fields: usize,
    /// The first of them.
    pub(super) fault: Option<Fault>,
    /// True if the record is over the bound. Its fields are lost then.
    pub(super) too_long: bool,
    /// Where each starts and ends.
    spans: [(usize, usize); FIELDS],
    /// True if the text is that of the line.
    is_in_place: bool,
    text: String,
    /// What the next character continues, and where its field starts.
    state: State,
    field_start: usize,
    /// The line of the last quote that opened.
    quote_line: u64,
    /// True if a field holds more than white space.
    is_filled: bool,
}

/// What breaks the form of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The field that it stands in, counted from 0.
    pub(super) field: usize,
    /// What it is, and what to do.
    pub(super) what: &'static str,
}

const QUOTE_INSIDE: &str = "a quote inside a field that has none around it (put the field in quotes, and double those in it)";
const BLANK_BEFORE_QUOTE: &str = "a blank before its quote (leave it out; or put it in quotes too, and double those in the field)";
const TEXT_AFTER_QUOTE: &str =
    "text after its closing quote (put the whole field in quotes, and double those in it)";

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Plain,
    Quoted,
    Closed,
}

impl Records {
    pub(crate) fn new(lines: Lines) -> Records {
        Records {
            lines,
            line: 0,
            last_line: None,
            form: Form::default(),
        }
    }

    /// Goes to the next record; false at the end of the file. Records whose fields hold only white space, as the rows of
    /// commas that spreadsheets leave, count as blank lines, and are passed over.
    ///
    /// # Errors
    /// If the file cannot be read on, is no text, or ends within quotes.
    pub(crate) fn next(&mut self) -> Result<bool, FileError> {
        while self.lines.next()? {
            self.line = self.lines.number;
            self.last_line = None;
            let is_found = !self.lines.is_cut && self.form.find(self.lines.text().as_bytes());
            if !is_found {
                self.put_together()?;
            }
            if self.form.is_filled || self.form.too_long || self.form.fault.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A field; empty if there is none.
    #[inline]
    pub(crate) fn field(&self, at: usize) -> &str {
        let form = &self.form;
        if at >= form.fields.min(FIELDS) {
            return "";
        }
        let text = if form.is_in_place {
            self.lines.text()
        } else {
            &form.text
        };
        let (start, end) = form.spans[at];
        text.get(start..end).unwrap_or_default()
    }

    /// The fields, as far as they are kept.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.form.fields.min(FIELDS)).map(|at| self.field(at))
    }

    /// Reads a record by its states, over as many lines as its quotes hold.
    #[cold]
    fn put_together(&mut self) -> Result<(), FileError> {
        let text = std::mem::take(&mut self.form.text);
        self.form = Form::default();
        self.form.text = text;
        self.form.text.clear();
        loop {
            self.form.take(self.lines.text(), self.lines.number);
            if self.lines.is_cut {
                self.form.too_long = true;
            } else if self.form.state == State::Quoted {
                self.form.push('\n');
            } else {
                break;
            }
            if !self.lines.next()? {
                let line = self.form.quote_line;
                return Err(self.lines.refused(FileProblem::OpenQuote { line }));
            }
        }
        self.form.end_field();
        let last = self.lines.number;
        self.last_line = (last > self.line).then_some(last);
        Ok(())
    }
}

impl Form {
    /// Finds the fields of a line where they lie; false if a quote stands elsewhere than around a whole field.
    fn find(&mut self, line: &[u8]) -> bool {
        let (mut fields, mut is_filled, mut at) = (0, false, 0);
        loop {
            let rest = &line[at..];
            let (start, end, next) = match rest.strip_prefix(b"\"") {
                Some(inner) => match inner.iter().position(|byte| *byte == b'"') {
                    Some(length) => (at + 1, at + 1 + length, at + length + 2),
                    None => return false,
                },
                None => {
                    let ends = |byte: &u8| matches!(byte, b',' | b'"');
                    let length = rest.iter().position(ends).unwrap_or(rest.len());
                    (at, at + length, at + length)
                }
            };
            if let Some(span) = self.spans.get_mut(fields) {
                *span = (start, end);
            }
            is_filled = is_filled || !is_blank(&line[start..end]);
            fields += 1;
            match line.get(next) {
                None => break,
                Some(b',') => at = next + 1,
                Some(_) => return false,
            }
        }
        (self.fields, self.is_filled, self.is_in_place) = (fields, is_filled, true);
        (self.fault, self.too_long) = (None, false);
        true
    }

    /// Takes text of the record, which stands in this line.
    fn take(&mut self, text: &str, line: u64) {
        use State::{Closed, Plain, Quoted, Start};
        for c in text.chars() {
            match (self.state, c) {
                (Quoted, '"') => self.state = Closed,
                (Quoted, _) => self.push(c),
                (_, ',') => {
                    self.end_field();
                    self.state = Start;
                }
                (Start, '"') => (self.state, self.quote_line) = (Quoted, line),
                (Closed, '"') => {
                    self.state = Quoted;
                    self.push(c);
                }
                (Closed, _) => {
                    self.found(TEXT_AFTER_QUOTE);
                    self.state = Plain;
                    self.push(c);
                }
                (Plain, '"') => {
                    let before = self.text.get(self.field_start..).unwrap_or_default();
                    self.found(if before.trim_ascii().is_empty() {
                        BLANK_BEFORE_QUOTE
                    } else {
                        QUOTE_INSIDE
                    });
                    self.push(c);
                }
                (Start | Plain, _) => {
                    self.state = Plain;
                    self.push(c);
                }
            }
        }
    }

    fn found(&mut self, what: &'static str) {
        let field = self.fields;
        self.fault = self.fault.or(Some(Fault { field, what }));
    }

    fn push(&mut self, c: char) {
        self.too_long |= self.text.len() + c.len_utf8() > ROW_BYTES;
        if !self.too_long {
            self.text.push(c);
        }
    }

    fn end_field(&mut self) {
        let end = self.text.len();
        if let Some(span) = self.spans.get_mut(self.fields) {
            *span = (self.field_start, end);
        }
        self.is_filled = self.is_filled || !is_blank(&self.text.as_bytes()[self.field_start..]);
        self.fields += 1;
        self.field_start = end;
    }
}

/// True if a field holds only white space. Nearly all are told by their first byte.
#[inline]
fn is_blank(field: &[u8]) -> bool {
    match field.first() {
        None => true,
        Some(first) if first.is_ascii_graphic() => false,
        Some(_) => std::str::from_utf8(field).is_ok_and(|field| field.trim().is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::import::input::lines::tests::lines_by;

    /// Each record as `2 a|b`, or `2-3 a|b` over several lines, with its fault; or what is wrong with the file.
    fn read(text: &str, by: usize) -> Result<Vec<String>, String> {
        let mut records = Records::new(lines_by(by, text.as_bytes()));
        let mut read = Vec::new();
        while records.next().map_err(|error| error.to_string())? {
            let last = records.last_line.map(|line| format!("-{line}"));
            let fields: Vec<_> = records.iter().collect();
            let fault = records.form.fault;
            let fault = fault.map(|it| format!(" {}: {}", it.field, it.what));
            read.push(format!(
                "{}{} {}{}",
                records.line,
                last.unwrap_or_default(),
                fields.join("|"),
                fault.unwrap_or_default()
            ));
        }
        Ok(read)
    }

    #[test]
    fn fields_beyond_those_that_any_header_has_are_counted() {
        for first in ["a,b,c,d,e,f,g,h,i,j,k,l", "a,b,c,d,e,f,g,h,i,j,k,\"l\"\"\""] {
            let text = format!("{first}\nm,n\n");
            let mut records = Records::new(lines_by(usize::MAX, text.as_bytes()));
            assert!(records.next().unwrap());
            assert_eq!((records.form.fields, records.field(7)), (12, "h"));
            assert!(records.next().unwrap());
            assert_eq!(records.iter().collect::<Vec<_>>(), ["m", "n"]);
            assert_eq!(records.field(2), "");
        }
    }

    #[test]
    fn a_quote_that_swallows_a_file_of_any_size_takes_bounded_memory() {
        let lines = "c,\"\"d\"\"\n".repeat(ROW_BYTES / 4);
        let long = "x".repeat(2 * ROW_BYTES);
        let last = ROW_BYTES as u64 / 4 + 3;
        for (end, expected) in [("", None), ("\"\nalice,vip\n", Some(last))] {
            let text = format!("a,\"b\n{lines}{long}\n{end}");
            let mut records = Records::new(lines_by(usize::MAX, text.as_bytes()));
            match records.next() {
                Ok(_) => {
                    assert_eq!((records.form.too_long, records.last_line), (true, expected));
                    assert!(records.form.text.capacity() <= 2 * ROW_BYTES);
                    assert!(records.next().unwrap());
                    assert_eq!(records.field(0), "alice");
                }
                Err(error) => {
                    assert_eq!(expected, None);
                    let says = "f ends within quotes that open in line 1: ";
                    assert!(error.to_string().starts_with(says), "{error}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn records_are_the_same_wherever_reads_end(
            text in "[ab北\",\n\r ]{0,24}",
            by in 1..8_usize,
        ) {
            prop_assert_eq!(read(&text, by), read(&text, usize::MAX));
        }

        #[test]
        fn what_is_found_in_place_is_what_the_states_put_together(line in "[ab北\", ]{0,16}") {
            let mut found = Form::default();
            if found.find(line.as_bytes()) {
                let mut by_states = Form::default();
                by_states.take(&line, 1);
                by_states.end_field();
                prop_assert!(by_states.state != State::Quoted && by_states.fault.is_none());
                prop_assert_eq!((found.fields, found.is_filled), (by_states.fields, by_states.is_filled));
                let places = found.spans.iter().zip(by_states.spans);
                for ((start, end), (first, last)) in places.take(found.fields) {
                    prop_assert_eq!(&line[*start..*end], &by_states.text[first..last]);
                }
            }
        }

        #[test]
        fn what_another_writer_quotes_comes_back_as_it_was(
            rows in prop::collection::vec(prop::collection::vec("[a北\",]{1,6}", 2), 1..6),
            all in any::<bool>(),
        ) {
            let quoted = |field: &String| if all || field.contains(['"', ',']) {
                format!("\"{}\"", field.replace('"', "\"\""))
            } else {
                field.clone()
            };
            let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",");
            let text: String = rows.iter().map(|row| line(row) + "\r\n").collect();
            let expected = rows.iter().zip(1..).map(|(row, line)| format!("{line} {}", row.join("|")));
            prop_assert_eq!(read(&text, usize::MAX), Ok(expected.collect::<Vec<_>>()));
        }
    }
}
