//! The first line: it says which of the two forms the rows have. Anything else is refused, since a file that is read
//! in the wrong way tags the wrong users.

use csv::ByteRecord;

use super::file::{FileProblem, start_of_line};

/// How the rows of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `account,tag`: a tag a row.
    TagARow,
    /// `account,tags`: all tags in one field, separated by [`Form::SEPARATOR`].
    TagsARow,
}

/// Separators that programs write in place of the comma.
const OTHER_DELIMITERS: [(char, &str); 3] =
    [(';', "semicolons"), ('\t', "tabs"), ('|', "vertical bars")];

impl Form {
    /// Between the tags of one field.
    pub(crate) const SEPARATOR: char = ';';

    pub(crate) fn of_header(header: &ByteRecord) -> Result<Form, FileProblem> {
        let fields: Option<Vec<&str>> = header
            .iter()
            .map(|field| std::str::from_utf8(field).ok())
            .collect();
        let fields = fields.ok_or(FileProblem::Binary)?;
        match fields.as_slice() {
            ["account", "tag"] => Ok(Form::TagARow),
            ["account", "tags"] => Ok(Form::TagsARow),
            [line] => Err(delimiter(line).map_or_else(
                || FileProblem::Header(start_of_line(line)),
                FileProblem::Delimiter,
            )),
            fields => Err(FileProblem::Header(start_of_line(&fields.join(",")))),
        }
    }
}

/// The delimiter of a line that would be a header with commas.
fn delimiter(line: &str) -> Option<&'static str> {
    let is_header = |delimiter| {
        let fields: Vec<&str> = line.split(delimiter).collect();
        matches!(fields.as_slice(), ["account", "tag" | "tags"])
    };
    OTHER_DELIMITERS
        .iter()
        .find(|(delimiter, _)| is_header(*delimiter))
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(fields: &[&str]) -> String {
        Form::of_header(&ByteRecord::from(fields.to_vec()))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn there_are_two_headers() {
        let form = |fields: [&str; 2]| Form::of_header(&ByteRecord::from(fields.to_vec())).ok();
        assert_eq!(form(["account", "tag"]), Some(Form::TagARow));
        assert_eq!(form(["account", "tags"]), Some(Form::TagsARow));
        assert_eq!(form(["Account", "tag"]), None);
        assert_eq!(form(["account", " tag"]), None);
        assert_eq!(form(["tag", "account"]), None);
    }

    #[test]
    fn another_delimiter_is_named() {
        for (line, name) in [
            ("account;tag", "semicolons"),
            ("account\ttags", "tabs"),
            ("account|tag", "vertical bars"),
        ] {
            assert_eq!(
                refusal(&[line]),
                format!("has {name} between its fields: save it with commas")
            );
        }
    }

    #[test]
    fn any_other_first_line_is_shown_within_bounds() {
        assert_eq!(
            refusal(&["xiaojun012", "vip"]),
            "does not start with the header account,tag or account,tags: its first line is \"xiaojun012,vip\""
        );
        assert!(refusal(&["北".repeat(1000).as_str()]).len() < 300);
    }

    #[test]
    fn a_header_that_is_not_utf8_is_no_text() {
        let header = ByteRecord::from(vec![b"acc\xff".as_slice()]);
        assert!(matches!(Form::of_header(&header), Err(FileProblem::Binary)));
    }
}
