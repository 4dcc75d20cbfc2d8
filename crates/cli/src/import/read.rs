//! Reading: bytes become rows, each good or bad. A bad row is a complaint with its line number, never an error: the
//! rows after it are read on.
//!
//! A row with several tags of which one is bad is bad as a whole: it is then reported, mended and imported as one,
//! and never half done.
//!
//! A row of several lines is bad too. Hardly anybody means a tag with a line end; a quote that is not closed makes one
//! of what follows, and would tag a user wrongly and leave others out in silence.

use std::io::{BufRead, Chain, Read};

use csv::{ByteRecord, Reader, ReaderBuilder};
use imtag_core::{Account, Invalid, Rules, Tag};
use serde::Serialize;

use super::file::{FileError, FileProblem, Input};
use super::header::Form;
use super::lines::{Lines, Noted};

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct BadRow {
    /// The line that it starts on, counted from 1.
    pub(crate) line: u64,
    /// What is wrong with it, and what to do.
    pub(crate) reason: String,
}

/// A row of the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Row<'r> {
    Good {
        account: Account<'r>,
        /// At least one.
        tags: Vec<Tag<'r>>,
    },
    Bad(BadRow),
}

/// The file, and a line end that it may lack.
type Source = Chain<Noted<Box<dyn BufRead>>, &'static [u8]>;

/// The rows of a file, one after the other.
pub(crate) struct Rows {
    name: String,
    csv: Reader<Source>,
    lines: Lines,
    record: ByteRecord,
    form: Form,
    rules: Rules,
}

impl Rows {
    /// Reads the header. Rows are checked by `rules`.
    pub(crate) fn of(input: Input, rules: Rules) -> Result<Rows, FileError> {
        // The header is read as any row, and rows may have any number of fields: both are judged here.
        // The line end after the last is a blank line, but where a quote is open: there it makes a row of two lines.
        let lines = Lines::default();
        let with_line_end = lines.note(input.bytes).chain(b"\n".as_slice());
        let mut csv = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(with_line_end);
        let mut record = ByteRecord::new();
        let name = input.name;
        let form = match csv.read_byte_record(&mut record) {
            Ok(true) => Form::of_header(&record),
            Ok(false) => Err(FileProblem::Empty),
            Err(error) => Err(FileProblem::Unreadable(error.into())),
        };
        match form {
            Ok(form) => Ok(Rows {
                name,
                csv,
                lines,
                record,
                form,
                rules,
            }),
            Err(problem) => Err(FileError { name, problem }),
        }
    }

    /// The next row; `None` at the end of the file.
    ///
    /// # Errors
    /// Where the file cannot be read on.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>, FileError> {
        match self.csv.read_byte_record(&mut self.record) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                return Err(FileError {
                    name: self.name.clone(),
                    problem: FileProblem::Unreadable(error.into()),
                });
            }
        }
        let start = self.record.position().map_or(0, csv::Position::byte);
        let line = self.lines.line_of(start);
        if let Some(reason) = several_lines(&self.record, line, &self.lines) {
            return Ok(Some(Row::Bad(BadRow { line, reason })));
        }
        Ok(Some(match row(&self.record, self.form, &self.rules) {
            Ok((account, tags)) => Row::Good { account, tags },
            Err(reason) => Row::Bad(BadRow { line, reason }),
        }))
    }
}

/// What is wrong with a record that holds line ends, which only quoted fields can.
fn several_lines(record: &ByteRecord, first: u64, lines: &Lines) -> Option<String> {
    let bytes = record.as_slice();
    if !bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return None;
    }
    let line_ends = bytes.iter().filter(|byte| **byte == b'\n').count();
    let last = lines.seen().min(first + line_ends as u64);
    Some(format!(
        "lines {first} to {last} are one row, as a quote is probably not closed: close it, or leave out the line end \
         that a field holds"
    ))
}

fn row<'r>(
    record: &'r ByteRecord,
    form: Form,
    rules: &Rules,
) -> Result<(Account<'r>, Vec<Tag<'r>>), String> {
    let (Some(account), Some(tags), 2) = (record.get(0), record.get(1), record.len()) else {
        return Err(wrong_fields(record.len(), form));
    };
    let account = Account::new(account, rules).map_err(|invalid| reason(&invalid))?;
    let tag = |tag: &'r [u8]| Tag::new(tag, rules).map_err(|invalid| reason(&invalid));
    let tags = match form {
        Form::TagARow => vec![tag(tags)?],
        Form::TagsARow => {
            let separator = |byte: &u8| *byte == Form::SEPARATOR as u8;
            tags.split(separator).map(tag).collect::<Result<_, _>>()?
        }
    };
    Ok((account, tags))
}

fn wrong_fields(fields: usize, form: Form) -> String {
    let columns = match form {
        Form::TagARow => "account and tag",
        Form::TagsARow => "account and tags",
    };
    match fields {
        1 => format!("1 field, not 2 ({columns}): add the other"),
        _ => {
            format!("{fields} fields, not 2 ({columns}): put a field that holds a comma in quotes")
        }
    }
}

fn reason(invalid: &Invalid) -> String {
    let each = invalid
        .violations()
        .iter()
        .map(|violation| format!("{violation} ({})", violation.problem.remedy()));
    each.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
