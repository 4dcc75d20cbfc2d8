//! The input of an import: a file becomes rows, each checked, or what is wrong with them. A bad row is a message with its
//! line number, never an error: reading goes on with the rows after it. Only what makes the rest of a file doubtful is
//! an error.
//!
//! ```text
//!      file                 kind                       lines          csv        columns
//! file ────► digested, ──────────────────► its format, ─────► a line ────► fields ─────► row
//!            unpacked                      or refused                └─────────────────►
//!                                                                          ndjson
//! ```
//!
//! The crate rows says what a row is and checks it; `joined` knows what people do not mean; `problem` says what refuses a
//! file.

mod columns;
mod csv;
mod file;
mod joined;
mod kind;
mod lines;
mod problem;

use imtag_core::Rules;
use imtag_rows::{Checks, JsonRow, Row, Tags, too_long};
use memchr::memchr;
use serde::{Deserialize, Serialize};

pub(crate) use file::{Fingerprint, Input};
pub(crate) use joined::JoinedTags;
pub(crate) use problem::{FileError, FileProblem};

use columns::Columns;
use csv::Records;
use file::Format;
use lines::Lines;

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BadRow {
    /// The line that it starts on, counted from 1.
    pub(crate) line: u64,
    /// What is wrong with it, and what to do.
    pub(crate) reason: String,
}

/// A row, or what is wrong with it.
type ParsedRow<'r> = Result<Row<'r>, BadRow>;

/// Reads all rows of a file, checks them by `rules`, and hands each to `take`. Returns the warning about tags that look
/// joined, if there are any.
///
/// # Errors
/// If the file cannot be read to its end, or the error of `take`.
pub(crate) fn for_each_row<E: From<FileError>>(
    input: Input,
    rules: &Rules,
    take: impl FnMut(ParsedRow<'_>) -> Result<(), E>,
) -> Result<Option<JoinedTags>, E> {
    match input.format {
        Format::Csv => csv_rows(input.lines, rules, take),
        Format::Ndjson => json_rows(input.lines, rules, take).map(|()| None),
    }
}

fn csv_rows<E: From<FileError>>(
    lines: Lines,
    rules: &Rules,
    mut take: impl FnMut(ParsedRow<'_>) -> Result<(), E>,
) -> Result<Option<JoinedTags>, E> {
    let mut records = Records::new(lines);
    let header = if records.next()? {
        Columns::from_header(&records)
    } else {
        Err(FileProblem::Empty)
    };
    let columns = header.map_err(|problem| records.lines.refused(problem))?;
    let mut joined_tags = None;
    while records.next()? {
        let line = records.line;
        let parsed = columns.row(&records, rules).map_err(|header| {
            let problem = FileProblem::OtherHeader { line, header };
            records.lines.refused(problem)
        })?;
        if let Ok(row) = &parsed {
            JoinedTags::look(&mut joined_tags, line, row.tags);
        }
        take(parsed.map_err(|reason| BadRow { line, reason }))?;
    }
    Ok(joined_tags)
}

fn json_rows<E: From<FileError>>(
    mut lines: Lines,
    rules: &Rules,
    mut take: impl FnMut(ParsedRow<'_>) -> Result<(), E>,
) -> Result<(), E> {
    while lines.next()? {
        let line = lines.number;
        let is_too_long = lines.is_cut;
        while lines.is_cut {
            lines.next()?;
        }
        let text = lines.text();
        let parsed = if is_too_long {
            Err(too_long())
        } else if text.trim().is_empty() {
            continue;
        } else {
            JsonRow::parse(text)
        };
        let checked = match &parsed {
            Ok(row) => {
                // an escape makes any character
                let may_be_odd = lines.may_be_odd || memchr(b'\\', text.as_bytes()).is_some();
                let checks = Checks::of_import(rules, may_be_odd);
                Row::new(&row.account, &row.op, Tags::List(&row.tags), checks)
            }
            Err(reason) => Err(reason.clone()),
        };
        take(checked.map_err(|reason| BadRow { line, reason }))?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
