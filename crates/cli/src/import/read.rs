//! Reading: bytes become rows, each good or bad. A bad row is a complaint with its line number, never an error: the
//! rows after it are read on.
//!
//! A row with several tags of which one is bad is bad as a whole: it is then reported, mended and imported as one,
//! and never half done.
//!
//! A row of several lines is bad too. Hardly anybody means a tag with a line end; a quote that is not closed makes one
//! of what follows, and would tag a user wrongly and leave others out in silence. So is one with a zero byte, which no
//! text has and C cuts off.

use std::borrow::Cow;
use std::io;

use imtag_core::{Account, Invalid, Rules, Tag};
use memchr::memchr2;
use serde::Serialize;

use super::change::{Change, Op, Tags};
use super::file::{FileError, FileProblem, Format, Input};
use super::header::Form;
use super::lines::{Lines, ROW_BYTES};
use super::ndjson::JsonRow;
use super::records::{Record, Records};

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct BadRow {
    /// The line that it starts on, counted from 1.
    pub(crate) line: u64,
    /// What is wrong with it, and what to do.
    pub(crate) reason: String,
}

/// What was made of a row.
type Judged<'r> = Result<Change<'r>, BadRow>;

/// The rows of a file, one after the other.
pub(crate) struct Rows {
    name: String,
    rules: Rules,
    rows: ByFormat,
}

enum ByFormat {
    Csv { records: Box<Records>, form: Form },
    Ndjson(JsonLines),
}

/// The lines of a file of NDJSON.
struct JsonLines {
    lines: Lines,
    /// A line that two buffers share.
    gathered: Vec<u8>,
}

impl Rows {
    /// Reads the header, if there is one. Rows are checked by `rules`.
    pub(crate) fn of(input: Input, rules: Rules) -> Result<Rows, FileError> {
        let lines = Lines::of(input.text);
        let rows = match input.format {
            Format::Csv => csv(lines),
            Format::Ndjson => Ok(ByFormat::Ndjson(JsonLines {
                lines,
                gathered: Vec::new(),
            })),
        };
        match rows {
            Ok(rows) => Ok(Rows {
                name: input.name,
                rules,
                rows,
            }),
            Err(problem) => Err(FileError {
                name: input.name,
                problem,
            }),
        }
    }

    /// Reads all rows, and hands each to `take`; says how many there were.
    ///
    /// # Errors
    /// Where the file cannot be read on, or what `take` answers.
    pub(crate) fn for_each<E: From<FileError>>(
        mut self,
        mut take: impl FnMut(Judged<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut count = 0;
        loop {
            let next = match &mut self.rows {
                ByFormat::Csv { records, form } => match records.next() {
                    Ok(Some(record)) => Ok(Some(take(judge(&record, form, &self.rules)))),
                    Ok(None) => Ok(None),
                    Err(error) => Err(error),
                },
                ByFormat::Ndjson(lines) => lines.next(&self.rules, &mut take),
            };
            match next {
                Ok(Some(taken)) => taken?,
                Ok(None) => return Ok(count),
                Err(error) => {
                    let problem = FileProblem::Unreadable(error);
                    return Err(E::from(FileError {
                        name: self.name,
                        problem,
                    }));
                }
            }
            count += 1;
        }
    }
}

fn csv(lines: Lines) -> Result<ByFormat, FileProblem> {
    let mut records = Records::of(lines);
    let form = match records.next() {
        Ok(Some(header)) => Form::of_header(header.iter())?,
        Ok(None) => return Err(FileProblem::Empty),
        Err(error) => return Err(FileProblem::Unreadable(error)),
    };
    let records = Box::new(records);
    Ok(ByFormat::Csv { records, form })
}

impl JsonLines {
    /// Hands the next row to `take`, and gives what that answers; `None` at the end of the file.
    fn next<T>(
        &mut self,
        rules: &Rules,
        take: &mut impl FnMut(Judged<'_>) -> T,
    ) -> io::Result<Option<T>> {
        if !self.lines.pass_line_ends()? {
            return Ok(None);
        }
        let number = self.lines.line();
        self.gathered.clear();
        let mut bytes = 0;
        loop {
            let ahead = self.lines.ahead()?;
            let end = memchr2(b'\n', b'\r', ahead);
            let of_line = &ahead[..end.unwrap_or(ahead.len())];
            let whole = end.is_some() || of_line.is_empty();
            if whole && bytes == 0 && of_line.len() <= ROW_BYTES {
                let taken = judge_line(of_line, number, rules, take);
                let length = of_line.len();
                self.lines.pass(length);
                return Ok(Some(taken));
            }
            bytes += of_line.len();
            if bytes <= ROW_BYTES {
                self.gathered.extend_from_slice(of_line);
            }
            let length = of_line.len();
            self.lines.pass(length);
            if whole {
                break;
            }
        }
        Ok(Some(match bytes <= ROW_BYTES {
            true => judge_line(&self.gathered, number, rules, take),
            false => take(Err(BadRow {
                line: number,
                reason: too_long(),
            })),
        }))
    }
}

fn judge_line<T>(
    bytes: &[u8],
    line: u64,
    rules: &Rules,
    take: &mut impl FnMut(Judged<'_>) -> T,
) -> T {
    let read = JsonRow::of(bytes);
    let judged = match &read {
        Ok(row) => json_change(row, rules),
        Err(reason) => Err(reason.clone()),
    };
    take(judged.map_err(|reason| BadRow { line, reason }))
}

fn json_change<'r>(row: &'r JsonRow<'r>, rules: &Rules) -> Result<Change<'r>, String> {
    let account = account(row.account.as_bytes(), rules)?;
    let op = row.op().map_err(no_op)?;
    for tag in &row.tags {
        self::tag(tag.as_bytes(), rules)?;
    }
    let tags = match (op, row.tags.as_slice()) {
        (Op::Clear, []) => Tags::None,
        (Op::Clear, [tag, ..]) => return Err(tag_of_clear(tag)),
        (_, []) => return Err("tags: none, at least 1 (leave it out, or fill it)".to_owned()),
        (_, [Cow::Borrowed(tag)]) => Tags::One(tag),
        (_, tags) => Tags::List(tags),
    };
    Ok(Change { account, op, tags })
}

fn judge<'r>(record: &Record<'r>, form: &Form, rules: &Rules) -> Judged<'r> {
    csv_change(record, form, rules).map_err(|reason| BadRow {
        line: record.line,
        reason,
    })
}

fn csv_change<'r>(record: &Record<'r>, form: &Form, rules: &Rules) -> Result<Change<'r>, String> {
    if let Some(last) = record.several_to {
        return Err(several_lines(record.line, last));
    }
    if record.too_long {
        return Err(too_long());
    }
    let op = match form.op {
        Some(column) => record.field(column),
        None => b"",
    };
    let op = Op::named(op).ok_or(op);
    let complete = record.fields == form.columns
        // nothing is left out but the tag, which it has none of
        || (op == Ok(Op::Clear) && record.fields == form.tags && form.columns == form.tags + 1);
    if !complete {
        return Err(wrong_fields(record.fields, form));
    }
    let account = account_of(record, form.account, rules)?;
    let op = op.map_err(|name| no_op(&String::from_utf8_lossy(name)))?;
    let tags = record.field(form.tags);
    let tags = match (op, form.separated) {
        (Op::Clear, _) if tags.is_empty() => Tags::None,
        (Op::Clear, _) => return Err(tag_of_clear(&String::from_utf8_lossy(tags))),
        (_, false) => Tags::One(tag_of(record, tags, rules)?),
        (_, true) => Tags::Separated(separated(record, tags, rules)?),
    };
    Ok(Change { account, op, tags })
}

/// The record has been looked through for zero bytes, so that they are not looked for again.
fn account_of<'r>(record: &Record<'r>, column: usize, rules: &Rules) -> Result<&'r str, String> {
    let field = record.field(column);
    match record.holds_nul {
        true => account(field, rules),
        false => checked_account(field, rules),
    }
}

fn tag_of<'r>(record: &Record<'_>, field: &'r [u8], rules: &Rules) -> Result<&'r str, String> {
    match record.holds_nul {
        true => tag(field, rules),
        false => checked_tag(field, rules),
    }
}

/// A field of several tags, each of which passes.
fn separated<'r>(record: &Record<'_>, field: &'r [u8], rules: &Rules) -> Result<&'r str, String> {
    for tag in field.split(|byte| *byte == Form::SEPARATOR as u8) {
        tag_of(record, tag, rules)?;
    }
    Ok(std::str::from_utf8(field).expect("text that a semicolon separates is text"))
}

fn account<'r>(field: &'r [u8], rules: &Rules) -> Result<&'r str, String> {
    match field.contains(&0) {
        true => Err(zero_byte("account")),
        false => checked_account(field, rules),
    }
}

fn tag<'r>(field: &'r [u8], rules: &Rules) -> Result<&'r str, String> {
    match field.contains(&0) {
        true => Err(zero_byte("tag")),
        false => checked_tag(field, rules),
    }
}

fn checked_account<'r>(field: &'r [u8], rules: &Rules) -> Result<&'r str, String> {
    match Account::new(field, rules) {
        Ok(account) => Ok(account.as_str()),
        Err(invalid) => Err(reason(&invalid)),
    }
}

fn checked_tag<'r>(field: &'r [u8], rules: &Rules) -> Result<&'r str, String> {
    match Tag::new(field, rules) {
        Ok(tag) => Ok(tag.as_str()),
        Err(invalid) => Err(reason(&invalid)),
    }
}

fn several_lines(first: u64, last: u64) -> String {
    format!(
        "lines {first} to {last} are one row, as a quote is probably not closed: close it, or leave out the line end \
         that a field holds"
    )
}

fn too_long() -> String {
    format!(
        "more than {ROW_BYTES} bytes, at most {ROW_BYTES} a row (split its tags into several rows)"
    )
}

fn zero_byte(of: &str) -> String {
    format!("{of}: holds a zero byte (leave it out)")
}

fn no_op(name: &str) -> String {
    let names = Op::ALL.map(Op::name).join(", ");
    let name = super::file::start_of_line(name);
    format!("op: {name:?} is none of {names} (use one of them; nothing means add)")
}

fn tag_of_clear(tag: &str) -> String {
    let tag = super::file::start_of_line(tag);
    format!("tag: {tag:?} beside clear, which removes all (leave it empty, or use remove)")
}

fn wrong_fields(fields: usize, form: &Form) -> String {
    let (expected, columns) = (form.columns, form.names());
    let noun = if fields == 1 { "field" } else { "fields" };
    let remedy = match expected.saturating_sub(fields) {
        0 => "put a field that holds a comma in quotes",
        1 => "add the other",
        _ => "add the others",
    };
    format!("{fields} {noun}, not {expected} ({columns}): {remedy}")
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
