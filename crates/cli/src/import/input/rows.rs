//! Rows: the records of a CSV file or the lines of NDJSON, each checked. A bad row is a message with its line number,
//! never an error: reading goes on with the rows after it. Only what makes the rest of a file doubtful is an error.
//!
//! A row of several lines is bad. Hardly anybody means a tag with a line end; a quote that is not closed makes one row
//! of what follows, which would tag a user wrongly and silently leave others out. So is a header that comes again, and
//! a name with a character that nobody means: see `odd`.

use imtag_core::{ChangeOperation, Rules};

use super::columns::Columns;
use super::csv::{Record, Records};
use super::file::{FileError, FileProblem, Format, Input};
use super::joined::JoinedTags;
use super::lines::{Lines, ROW_BYTES};
use super::ndjson::{JsonLines, JsonRow};
use super::odd;
use super::row::{BadRow, Row, Tags};

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
    mut take: impl FnMut(ParsedRow<'_>) -> Result<(), E>,
) -> Result<Option<JoinedTags>, E> {
    let mut joined_tags = None;
    let lines = Lines::new(input.text);
    let taken = match input.format {
        Format::Csv => csv_rows(lines, rules, &mut joined_tags, &mut take),
        Format::Ndjson => json_rows(lines, rules, &mut take),
    };
    taken.map_err(|problem| FileError {
        name: input.name,
        problem,
    })??;
    Ok(joined_tags)
}

/// The inner error is that of `take`.
fn csv_rows<E>(
    lines: Lines,
    rules: &Rules,
    joined_tags: &mut Option<JoinedTags>,
    take: &mut impl FnMut(ParsedRow<'_>) -> Result<(), E>,
) -> Result<Result<(), E>, FileProblem> {
    let mut records = Records::new(lines);
    let columns = loop {
        match records.next()? {
            Some(record) if record.is_blank => {}
            Some(header) => break Columns::from_header(&header)?,
            None => return Err(FileProblem::Empty),
        }
    };
    while let Some(record) = records.next()? {
        if record.is_blank {
            continue;
        }
        let line = record.line;
        let is_header = columns.is_repeated_by(&record);
        let parsed = if is_header.map_err(|header| FileProblem::OtherHeader { line, header })? {
            Err(header_again())
        } else {
            parse_record(&record, &columns, rules)
        };
        if let Ok(row) = &parsed {
            JoinedTags::look(joined_tags, line, row.tags);
        }
        if let Err(error) = take(parsed.map_err(|reason| BadRow { line, reason })) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

/// The inner error is that of `take`.
fn json_rows<E>(
    lines: Lines,
    rules: &Rules,
    take: &mut impl FnMut(ParsedRow<'_>) -> Result<(), E>,
) -> Result<Result<(), E>, FileProblem> {
    let mut lines = JsonLines::new(lines);
    while let Some(line) = lines.next()? {
        let parsed = match line.text {
            Some(text) if text.trim().is_empty() => continue,
            Some(text) => JsonRow::parse(text),
            None => Err(too_long()),
        };
        let may_be_odd = line.may_be_odd;
        let checked = match &parsed {
            Ok(row) => Row::new(
                &row.account,
                &row.op,
                Tags::List(&row.tags),
                rules,
                may_be_odd,
            ),
            Err(reason) => Err(reason.clone()),
        };
        let line = line.line;
        if let Err(error) = take(checked.map_err(|reason| BadRow { line, reason })) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

fn parse_record<'r>(
    record: &Record<'r>,
    columns: &Columns,
    rules: &Rules,
) -> Result<Row<'r>, String> {
    if let Some(last) = record.last_line {
        return Err(several_lines(record.line, last));
    }
    if let Some(fault) = record.fault {
        return Err(format!("{}: {}", columns.name(fault.field), fault.what));
    }
    if record.too_long {
        return Err(too_long());
    }
    let op = columns.op.map_or("", |column| record.field(column));
    let is_complete = record.fields == columns.count
        // only the tag is left out, which a clear does not have
        || (op == ChangeOperation::Clear.name() && record.fields == columns.tags && columns.count == columns.tags + 1);
    if !is_complete {
        let dos_end = odd::dos_end(record.field(0));
        return Err(dos_end.unwrap_or_else(|| wrong_fields(record, columns)));
    }
    let tags = record.field(columns.tags);
    let tags = if columns.separated {
        Tags::Separated(tags)
    } else {
        Tags::One(tags)
    };
    let account = record.field(columns.account);
    Row::new(account, op, tags, rules, record.may_be_odd)
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

fn wrong_fields(record: &Record<'_>, columns: &Columns) -> String {
    let (fields, expected) = (record.fields, columns.count);
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
    let names = columns.names();
    format!("{fields} {noun}, not {expected} ({names}): {remedy}")
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
