//! Reading: bytes become rows, each good or bad. A bad row is a message with its line number, never an error: reading
//! goes on with the rows after it.
//!
//! A row with several tags of which one is bad is bad as a whole: it is then reported, corrected and imported as one,
//! and never half done.
//!
//! A row of several lines is bad too. Hardly anybody means a tag with a line end; a quote that is not closed makes one
//! of what follows, and would tag a user wrongly and leave others out in silence. So is a header that comes again, and a
//! name with a character that nobody means: see `odd`.

use std::borrow::Cow;

use imtag_core::{Account, Invalid, Rules, Tag};
use memchr::memchr2;
use serde::Serialize;

use super::change::{Change, Op, Tags};
use super::columns::Form;
use super::csv::{Fault, Record, Records};
use super::file::{FileError, FileProblem, Format, Input};
use super::joined::JoinedTags;
use super::lines::{Lines, ROW_BYTES};
use super::ndjson::JsonRow;
use super::odd;

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct BadRow {
    /// The line that it starts on, counted from 1.
    pub(crate) line: u64,
    /// What is wrong with it, and what to do.
    pub(crate) reason: String,
}

/// What there was to read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RowsRead {
    /// Rows, bad ones with them.
    pub(crate) rows: u64,
    pub(crate) joined_tags: Option<JoinedTags>,
}

/// A row: a change, or what is wrong with it.
type ParsedRow<'r> = Result<Change<'r>, BadRow>;

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
    /// A line that spans two buffers.
    line_buffer: String,
}

impl Rows {
    /// Reads the header, if there is one. Rows are checked by `rules`.
    pub(crate) fn new(input: Input, rules: Rules) -> Result<Rows, FileError> {
        let lines = Lines::new(input.text);
        let rows = match input.format {
            Format::Csv => csv(lines),
            Format::Ndjson => Ok(ByFormat::Ndjson(JsonLines {
                lines,
                line_buffer: String::new(),
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

    /// Reads all rows, and hands each to `take`.
    ///
    /// # Errors
    /// Where the file cannot be read on, or what `take` answers.
    pub(crate) fn for_each<E: From<FileError>>(
        mut self,
        mut take: impl FnMut(ParsedRow<'_>) -> Result<(), E>,
    ) -> Result<RowsRead, E> {
        let (mut rows, mut joined_tags) = (0, None);
        loop {
            let next = match &mut self.rows {
                ByFormat::Csv { records, form } => match records.next() {
                    Ok(Some(record)) if record.is_blank => continue,
                    Ok(Some(record)) => parse_row(&record, form, &self.rules).map(|row| {
                        if let Ok(change) = &row {
                            JoinedTags::look(&mut joined_tags, record.line, &change.tags);
                        }
                        Some(take(row))
                    }),
                    Ok(None) => Ok(None),
                    Err(problem) => Err(problem),
                },
                ByFormat::Ndjson(lines) => lines.next(&self.rules, &mut take),
            };
            match next {
                Ok(Some(taken)) => taken?,
                Ok(None) => return Ok(RowsRead { rows, joined_tags }),
                Err(problem) => {
                    let name = self.name;
                    return Err(E::from(FileError { name, problem }));
                }
            }
            rows += 1;
        }
    }
}

fn csv(lines: Lines) -> Result<ByFormat, FileProblem> {
    let mut records = Records::new(lines);
    let form = loop {
        match records.next()? {
            Some(blank) if blank.is_blank => {}
            Some(header) => break Form::of_header(&header)?,
            None => return Err(FileProblem::Empty),
        }
    };
    let records = Box::new(records);
    Ok(ByFormat::Csv { records, form })
}

impl JsonLines {
    /// Hands the next row to `take`, and gives what that answers; `None` at the end of the file.
    fn next<T>(
        &mut self,
        rules: &Rules,
        take: &mut impl FnMut(ParsedRow<'_>) -> T,
    ) -> Result<Option<T>, FileProblem> {
        while self.lines.pass_line_ends()? {
            let line = self.lines.line();
            let (text, odd) = self.line()?;
            let Some(text) = text else {
                let reason = too_long();
                return Ok(Some(take(Err(BadRow { line, reason }))));
            };
            if !text.trim().is_empty() {
                return Ok(Some(parse_line(text, line, rules, odd, take)));
            }
        }
        Ok(None)
    }

    /// The next line, if it is within the bound; and whether it may hold an odd character.
    fn line(&mut self) -> Result<(Option<&str>, bool), FileProblem> {
        self.line_buffer.clear();
        let mut bytes = 0;
        let last = loop {
            let ahead = self.lines.ahead()?;
            let end = memchr2(b'\n', b'\r', ahead.as_bytes());
            let length = end.unwrap_or(ahead.len());
            let whole = end.is_some() || ahead.is_empty();
            self.lines.pass(length);
            if whole && bytes == 0 {
                break Some(length);
            }
            bytes += length;
            if bytes <= ROW_BYTES {
                self.line_buffer.push_str(self.lines.behind(length));
            }
            if whole {
                break None;
            }
        };
        let odd = self.lines.odd();
        Ok(match last {
            // nearly all lines are held by one buffer
            Some(length) => (Some(self.lines.behind(length)), odd),
            None => (
                (bytes <= ROW_BYTES).then_some(self.line_buffer.as_str()),
                odd,
            ),
        })
    }
}

fn parse_line<T>(
    text: &str,
    line: u64,
    rules: &Rules,
    odd: bool,
    take: &mut impl FnMut(ParsedRow<'_>) -> T,
) -> T {
    let read = JsonRow::parse(text);
    let parsed = match &read {
        Ok(row) => json_change(row, rules, odd || text.contains('\\')),
        Err(reason) => Err(reason.clone()),
    };
    take(parsed.map_err(|reason| BadRow { line, reason }))
}

/// `odd` where a text may hold what no name has, by itself or as an escape.
fn json_change<'r>(row: &'r JsonRow<'r>, rules: &Rules, odd: bool) -> Result<Change<'r>, String> {
    let op = row.op();
    let account = account(&row.account, op.unwrap_or(Op::Add), rules, odd)?;
    let op = op.map_err(no_op)?;
    for tag in &row.tags {
        self::tag(tag, op, rules, odd)?;
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

/// # Errors
/// Where the row says that those after it cannot be read.
fn parse_row<'r>(
    record: &Record<'r>,
    form: &Form,
    rules: &Rules,
) -> Result<ParsedRow<'r>, FileProblem> {
    let line = record.line;
    let again = form.repeated(record);
    let again = again.map_err(|header| FileProblem::OtherHeader { line, header })?;
    let parsed = if again {
        Err(header_again())
    } else {
        csv_change(record, form, rules)
    };
    Ok(parsed.map_err(|reason| BadRow { line, reason }))
}

fn csv_change<'r>(record: &Record<'r>, form: &Form, rules: &Rules) -> Result<Change<'r>, String> {
    if let Some(last) = record.several_to {
        return Err(several_lines(record.line, last));
    }
    if let Some(fault) = record.fault {
        return Err(quote_fault(fault, form));
    }
    if record.too_long {
        return Err(too_long());
    }
    let op = match form.op {
        Some(column) => record.field(column),
        None => "",
    };
    let op = Op::named(op).ok_or(op);
    let complete = record.fields == form.columns
        // nothing is left out but the tag, which it has none of
        || (op == Ok(Op::Clear) && record.fields == form.tags && form.columns == form.tags + 1);
    if !complete {
        return Err(odd::dos_end(record.field(0)).unwrap_or_else(|| wrong_fields(record, form)));
    }
    let odd = record.odd;
    let account = account(
        record.field(form.account),
        op.unwrap_or(Op::Add),
        rules,
        odd,
    )?;
    let op = op.map_err(no_op)?;
    let tags = record.field(form.tags);
    let tags = match (op, form.separated) {
        (Op::Clear, _) if tags.is_empty() => Tags::None,
        (Op::Clear, _) => return Err(tag_of_clear(tags)),
        (_, false) => Tags::One(tag(tags, op, rules, odd)?),
        (_, true) => Tags::Separated(separated(tags, op, rules, odd)?),
    };
    Ok(Change { account, op, tags })
}

/// A field of several tags, each of which passes.
fn separated<'r>(field: &'r str, op: Op, rules: &Rules, odd: bool) -> Result<&'r str, String> {
    for tag in field.split(Form::SEPARATOR) {
        self::tag(tag, op, rules, odd)?;
    }
    Ok(field)
}

/// An account that passes; `odd` where it may hold what no account has.
fn account<'r>(field: &'r str, op: Op, rules: &Rules, odd: bool) -> Result<&'r str, String> {
    if let Some(why) = odd::problem(field, odd, op != Op::Add) {
        return Err(format!("account: {why}"));
    }
    match Account::new(field, rules) {
        Ok(account) => Ok(account.as_str()),
        Err(invalid) => Err(reason(&invalid)),
    }
}

fn tag<'r>(field: &'r str, op: Op, rules: &Rules, odd: bool) -> Result<&'r str, String> {
    if let Some(why) = odd::problem(field, odd, op != Op::Add) {
        return Err(format!("tag: {why}"));
    }
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

fn header_again() -> String {
    "the header again, as where files were put together (leave it out; a user or a tag of that name goes in NDJSON)"
        .to_owned()
}

fn quote_fault(fault: Fault, form: &Form) -> String {
    let (field, what) = match fault {
        Fault::QuoteInside { field } => (
            field,
            "a quote inside a field that has none around it (put the field in quotes, and double those in it)",
        ),
        Fault::BlankBeforeQuote { field } => (
            field,
            "a blank before its quote (leave it out; or put it in quotes too, and double those in the field)",
        ),
        Fault::TextAfterQuote { field } => (
            field,
            "text after its closing quote (put the whole field in quotes, and double those in it)",
        ),
    };
    format!("{}: {what}", form.name(field))
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

fn wrong_fields(record: &Record<'_>, form: &Form) -> String {
    let (fields, expected, columns) = (record.fields, form.columns, form.names());
    let noun = if fields == 1 { "field" } else { "fields" };
    let rest_is_empty = || record.iter().skip(expected).all(str::is_empty);
    let in_quotes = fields == 1 && record.field(0).matches(',').count() + 1 == expected;
    let remedy = match expected.saturating_sub(fields) {
        _ if in_quotes => "leave out the quotes around the whole row",
        0 if rest_is_empty() => "leave out the commas at its end",
        // as `cat` leaves it where a file has no last line end
        0 if fields == 2 * expected - 1 => {
            "put a field that holds a comma in quotes; or, if two rows stand here, break the line between them"
        }
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
#[path = "rows_tests.rs"]
mod tests;
