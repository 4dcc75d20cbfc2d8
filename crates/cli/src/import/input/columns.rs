//! The columns of a CSV file, as its header names them: which there are, and in which order. Any other first line is
//! refused, since a file that is read in the wrong way tags the wrong users. By them a record becomes a row.
//!
//! A record of several lines is a bad row. Hardly anybody means a tag with a line end; a quote that is not closed makes
//! one record of what follows, which would tag a user wrongly and silently leave others out. So is a header that comes
//! again.

use imtag_core::{ChangeOperation, Rules};
use imtag_rows::{Checks, Row, Tags, odd, start_of_line, too_long};

use super::csv::Records;
use super::problem::FileProblem;

/// Where the fields of a row stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Columns {
    count: usize,
    account: usize,
    tags: usize,
    /// Without it all rows add.
    op: Option<usize>,
    /// True for `tags`: a field holds all tags of its row. False for `tag`: a field is one tag.
    separated: bool,
}

/// What programs write between fields in place of the comma.
const OTHER_DELIMITERS: [(char, &str); 6] = [
    (';', "semicolons"),
    ('\t', "tabs"),
    ('|', "vertical bars"),
    ('，', "full-width commas"),
    ('；', "full-width semicolons"),
    (' ', "blanks"),
];

const NAMES: [&str; 4] = ["account", "tag", "tags", "op"];

impl Columns {
    /// The columns that the record, the first of its file, names.
    pub(crate) fn from_header(header: &Records) -> Result<Columns, FileProblem> {
        let names: Vec<&str> = header.iter().collect();
        let line = names.join(",");
        let form = &header.form;
        let is_sound =
            form.fault.is_none() && header.last_line.is_none() && form.fields == names.len();
        if let Some(columns) = Columns::from_names(&names).filter(|_| is_sound) {
            return Ok(columns);
        }
        let mut others = OTHER_DELIMITERS.into_iter();
        if let Some((_, name)) = others.find(|(delimiter, _)| is_header_with(*delimiter, &line)) {
            return Err(FileProblem::Delimiter(name));
        }
        if names.len() == 1 && is_header_with(',', &line) {
            return Err(FileProblem::QuotedLines);
        }
        let plain: Vec<String> = names.iter().map(|name| plain(name)).collect();
        let shown = start_of_line(&line);
        if Columns::from_names(&plain).is_some() {
            let right = plain.join(",");
            return Err(FileProblem::HeaderSpelling { shown, right });
        }
        if !plain.iter().any(|name| NAMES.contains(&name.as_str())) {
            return Err(FileProblem::Header(shown));
        }
        Err(FileProblem::Columns {
            shown,
            problem: problem(&plain),
        })
    }

    /// What the record says, or what is wrong with it and what to do.
    ///
    /// # Errors
    /// With the header that it is, if it is one of other columns or another order: the rows after it would be read in
    /// the wrong way.
    #[inline]
    pub(crate) fn row<'r>(
        &self,
        record: &'r Records,
        rules: &Rules,
    ) -> Result<Result<Row<'r>, String>, String> {
        Ok(if self.is_repeated_by(record)? {
            Err("the header again, as where files were put together (leave it out; a user or a tag of that name goes in NDJSON)".to_owned())
        } else {
            self.parse(record, rules)
        })
    }

    fn parse<'r>(&self, record: &'r Records, rules: &Rules) -> Result<Row<'r>, String> {
        let form = &record.form;
        if let Some(last) = record.last_line {
            return Err(several_lines(record.line, last));
        }
        if let Some(fault) = form.fault {
            return Err(format!("{}: {}", self.name(fault.field), fault.what));
        }
        if form.too_long {
            return Err(too_long());
        }
        let op = self.op.map_or("", |column| record.field(column));
        let is_complete = form.fields == self.count
            // only the tag is left out, which a clear does not have
            || (op == ChangeOperation::Clear.name() && form.fields == self.tags && self.count == self.tags + 1);
        if !is_complete {
            let dos_end = odd::dos_end(record.field(0));
            return Err(dos_end.unwrap_or_else(|| self.wrong_fields(record)));
        }
        let tags = record.field(self.tags);
        let tags = if self.separated {
            Tags::Separated(tags)
        } else {
            Tags::One(tags)
        };
        let checks = Checks::of_import(rules, record.lines.may_be_odd);
        Row::new(record.field(self.account), op, tags, checks)
    }

    fn wrong_fields(&self, record: &Records) -> String {
        let (fields, expected) = (record.form.fields, self.count);
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
        let names = self.names();
        format!("{fields} {noun}, not {expected} ({names}): {remedy}")
    }

    /// True if a record is the header again. A field that stands where accounts do and is called `account` heads a
    /// column, whatever the other fields are called.
    fn is_repeated_by(&self, record: &Records) -> Result<bool, String> {
        let is_account =
            |name: &str| may_be_column(name) && bare(name).eq_ignore_ascii_case("account");
        let heads = is_account(record.field(self.account));
        let is_short = || may_be_column(record.field(0)) && record.form.fields <= self.count.max(3);
        let may_head = heads || (is_short() && record.iter().any(is_account));
        if !may_head {
            return Ok(false);
        }
        let names: Vec<String> = record.iter().map(plain).collect();
        match Columns::from_names(&names) {
            Some(columns) if columns == *self => Ok(true),
            None if !heads => Ok(false),
            _ => Err(start_of_line(&names.join(","))),
        }
    }

    /// The account, and tag or tags, each once and in any order, perhaps with the operation; `None` for other names.
    fn from_names(names: &[impl AsRef<str>]) -> Option<Columns> {
        let place_of = |name: &str| names.iter().position(|it| it.as_ref() == name);
        let (tag, tags, op) = (place_of("tag"), place_of("tags"), place_of("op"));
        let columns = Columns {
            count: names.len(),
            account: place_of("account")?,
            tags: tag.xor(tags)?,
            op,
            separated: tags.is_some(),
        };
        let known = 2 + usize::from(op.is_some());
        (columns.count == known).then_some(columns)
    }

    /// What a column is called; one beyond the header has only a number.
    fn name(&self, column: usize) -> String {
        let name = if column >= self.count {
            return format!("field {}", column + 1);
        } else if column == self.account {
            "account"
        } else if Some(column) == self.op {
            "op"
        } else if self.separated {
            "tags"
        } else {
            "tag"
        };
        name.to_owned()
    }

    /// The columns in their order: `account, op and tag`.
    fn names(&self) -> String {
        let names: Vec<_> = (0..self.count).map(|column| self.name(column)).collect();
        let (last, others) = names.split_last().expect("there are two columns at least");
        format!("{} and {last}", others.join(", "))
    }
}

/// A name as it should be written: in lower case, without blanks or a byte order mark around it.
fn plain(name: &str) -> String {
    bare(name).to_lowercase()
}

fn bare(name: &str) -> &str {
    name.trim_matches(|c: char| c.is_whitespace() || c == odd::MARK)
}

/// False for nearly all fields that are no name of a column, by their length and ends: there are millions of them.
fn may_be_column(field: &str) -> bool {
    let is_bare = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = field.as_bytes();
    matches!(bytes.len(), 2..=4 | 7) || !is_bare(bytes.first()) || !is_bare(bytes.last())
}

/// True if a line would be a header apart from its quotes and its delimiter.
fn is_header_with(delimiter: char, line: &str) -> bool {
    let line = line.replace('"', "");
    let names: Vec<String> = line.split(delimiter).map(plain).collect();
    Columns::from_names(&names).is_some()
}

fn several_lines(first: u64, last: u64) -> String {
    format!(
        "lines {first} to {last} are one row, as a quote is probably not closed: close it, or leave out the line end \
         that a field holds"
    )
}

/// What is wrong with the names of the columns, of which one at least is right.
fn problem(names: &[String]) -> String {
    let count = |name: &str| names.iter().filter(|it| *it == name).count();
    if let Some(name) = NAMES.iter().find(|name| count(name) > 1) {
        return format!("the column {name} stands there twice: keep one");
    }
    let said = match (count("account"), count("tag") + count("tags")) {
        (0, _) => "the column account is missing: add it, or rename the one that holds the users",
        (_, 0) => {
            "the column tag is missing (or tags, for several in a field): add it, or rename the one that holds them"
        }
        (_, 1) => match names.iter().find(|name| !NAMES.contains(&name.as_str())) {
            Some(name) if name.is_empty() => {
                "a column has no name: leave out the commas that end or double in each line"
            }
            Some(name) => {
                let name = start_of_line(name);
                return format!(
                    "the column {name:?} is none of account, tag, tags, op: leave it out"
                );
            }
            None => "a quote stands where none may: write the names without quotes",
        },
        _ => "tag and tags both stand there: keep one",
    };
    said.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::input::lines::tests::lines_by;

    fn record(text: &str) -> Records {
        let mut records = Records::new(lines_by(usize::MAX, text.as_bytes()));
        assert!(records.next().unwrap());
        records
    }

    fn columns(header: &str) -> Result<Columns, FileProblem> {
        Columns::from_header(&record(header))
    }

    fn refusal(header: &str) -> String {
        columns(header).unwrap_err().to_string()
    }

    #[test]
    fn the_name_of_each_column_may_be_a_column() {
        for name in NAMES {
            assert!(may_be_column(name), "{name}: add its length");
        }
    }

    #[test]
    fn a_header_with_other_columns_says_what_is_wrong_with_them() {
        let headers = r#"
account => the column tag is missing
account,op => the column tag is missing
user,tag => the column account is missing
account,tag,tags => tag and tags both stand there: keep one
account,tag,tag => the column tag stands there twice: keep one
account,tag,op,op => the column op stands there twice
account,account,tag => the column account stands there twice
account,tag,Comment => the column "comment" is none of account, tag, tags, op: leave it out
account,tag, => a column has no name: leave out the commas
account,tag,op,a,b,c,d,e,f,g => the column "a" is none of
"account"x,tag => the column account is missing
"#;
        for line in headers.trim().lines() {
            let (header, problem) = line.split_once(" => ").unwrap();
            let said = refusal(header);
            assert!(
                said.starts_with("has a header that cannot be used ("),
                "{said}"
            );
            assert!(said.contains(&format!("): {problem}")), "{said}");
        }
    }

    #[test]
    fn another_first_line_is_known_by_its_case_delimiter_or_quotes_or_shown_within_bounds() {
        let says = |header: &str, expected: &str| {
            let said = refusal(header);
            assert!(said.starts_with(expected), "{said}");
        };
        for header in [
            "Account,tag",
            "account, tag",
            " ACCOUNT ,Tag\t",
            "account,\u{feff}tag",
        ] {
            says(
                header,
                "has a header that is spelt otherwise: write account,tag in lower case and without blanks, in place of",
            );
        }
        for (header, name) in [
            ("account;tag", "semicolons"),
            ("\"account\";\"tag\"", "semicolons"),
            ("Account; Tag", "semicolons"),
            ("account\ttags", "tabs"),
            ("account|op|tag", "vertical bars"),
            ("account，tag", "full-width commas"),
            ("account；tag", "full-width semicolons"),
            ("account tag", "blanks"),
        ] {
            let sentence = format!("has {name} between its fields: save it with commas");
            says(header, &sentence);
        }
        let quoted = "has each line in quotes as a whole, which makes one field of it: save it without these quotes";
        says("\"account,tag\"", quoted);
        says("\"Account, tags\"", quoted);
        says("\"account,\"\"tag\"\"\"", quoted);
        let other =
            "does not start with the header account,tag or account,tags: its first line is ";
        says("xiaojun012,vip", &format!("{other}\"xiaojun012,vip\""));
        let long = "北".repeat(60);
        says(&long.repeat(20), &format!("{other}\"{long}…\""));
    }

    #[test]
    fn a_header_that_comes_again_is_known_and_one_of_other_columns_is_told_apart() {
        let repeats = |header: &str, row: &str| {
            let columns = columns(header).unwrap();
            columns.is_repeated_by(&record(row))
        };
        for row in [
            "account,tag",
            "Account,Tag",
            "\u{feff}account,tag",
            "account, tag",
            "\"account\",\"tag\"",
        ] {
            assert_eq!(repeats("account,tag", row), Ok(true), "{row}");
        }
        for row in [
            "alice,tag",
            "accounts,tag",
            "alice,account",
            "my account,vip",
        ] {
            assert_eq!(repeats("account,tag", row), Ok(false), "{row}");
        }
        assert_eq!(repeats("account,op,tag", "ACCOUNT,op,tag"), Ok(true));
        // each row is the header that the error shows, spelt differently
        for (header, row) in [
            ("account,tag", "tag,account"),
            ("account,tag", "\u{feff}Account,Tags"),
            ("account,tag", "account,op,tag"),
            ("account,tags", "account,tag"),
            ("account,op,tag", "account,tag"),
            ("account,op,tag", "account,tag,op"),
            ("account,tag", "account,comment"),
            ("account,tag", " ACCOUNT ,Comment"),
            ("account,tag", "account,op"),
            ("account,tag", "account,tag,"),
            ("account,tag", "account"),
            ("account,tag", "account,a,b,c,d,e"),
            ("tag,account", "comment,account"),
        ] {
            let other = row.replace([' ', '\u{feff}'], "").to_lowercase();
            assert_eq!(repeats(header, row), Err(other), "{row}");
        }
    }
}
