//! Reading: bytes become rows, each good or bad. A bad row is a complaint with its line number, never an error: the
//! rows after it are read on.
//!
//! A row with several tags of which one is bad is bad as a whole: it is then reported, mended and imported as one,
//! and never half done.

use std::io::BufRead;

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

/// The rows of a file, one after the other.
pub(crate) struct Rows {
    name: String,
    csv: Reader<Noted<Box<dyn BufRead>>>,
    lines: Lines,
    record: ByteRecord,
    form: Form,
    rules: Rules,
}

impl Rows {
    /// Reads the header. Rows are checked by `rules`.
    pub(crate) fn of(input: Input, rules: Rules) -> Result<Rows, FileError> {
        // The header is read as any row, and rows may have any number of fields: both are judged here.
        let lines = Lines::default();
        let mut csv = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(lines.note(input.bytes));
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
        Ok(Some(match row(&self.record, self.form, &self.rules) {
            Ok((account, tags)) => Row::Good { account, tags },
            Err(mut reason) => {
                let last = last_line(&self.record, line);
                if last > line {
                    reason.push_str(&format!(
                        "; the row goes on to line {last}: is a closing quote missing?"
                    ));
                }
                Row::Bad(BadRow { line, reason })
            }
        }))
    }
}

/// The line that a record ends on: quoted fields may hold line ends.
fn last_line(record: &ByteRecord, first: u64) -> u64 {
    let line_ends = record.as_slice().iter().filter(|byte| **byte == b'\n');
    first + line_ends.count() as u64
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
