//! The first line: it says which columns the rows have, and in which order. Anything else is refused, since a file
//! that is read in the wrong way tags the wrong users.

use super::file::{FileProblem, start_of_line};

/// How the rows of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// How many columns there are.
    pub(crate) columns: usize,
    /// Where the account is.
    pub(crate) account: usize,
    /// Where the tags are.
    pub(crate) tags: usize,
    /// Where the operation is; without it all rows add.
    pub(crate) op: Option<usize>,
    /// `tags`: all tags of a row in one field, separated by [`Form::SEPARATOR`]. `tag`: a tag a row.
    pub(crate) separated: bool,
}

/// Separators that programs write in place of the comma.
const OTHER_DELIMITERS: [(char, &str); 3] =
    [(';', "semicolons"), ('\t', "tabs"), ('|', "vertical bars")];

impl Form {
    /// Between the tags of one field.
    pub(crate) const SEPARATOR: char = ';';

    pub(crate) fn of_header<'h>(
        fields: impl Iterator<Item = &'h [u8]>,
    ) -> Result<Form, FileProblem> {
        let fields: Result<Vec<&str>, _> = fields.map(std::str::from_utf8).collect();
        let fields = fields.map_err(|_| FileProblem::Binary)?;
        if let Some(form) = Form::of_columns(&fields) {
            return Ok(form);
        }
        match fields.as_slice() {
            [line] => Err(delimiter(line).map_or_else(
                || FileProblem::Header(start_of_line(line)),
                FileProblem::Delimiter,
            )),
            fields => Err(FileProblem::Header(start_of_line(&fields.join(",")))),
        }
    }

    /// An account, and a tag or tags, each once and in any order; and an operation, perhaps.
    fn of_columns(names: &[&str]) -> Option<Form> {
        let place_of = |name: &str| names.iter().position(|it| *it == name);
        let (tag, tags, op) = (place_of("tag"), place_of("tags"), place_of("op"));
        let form = Form {
            columns: names.len(),
            account: place_of("account")?,
            tags: tag.xor(tags)?,
            op,
            separated: tags.is_some(),
        };
        let known = 2 + usize::from(op.is_some());
        (form.columns == known).then_some(form)
    }

    /// The columns in their order: `account, op and tag`.
    pub(crate) fn names(&self) -> String {
        let name = |column| match column {
            column if column == self.account => "account",
            column if Some(column) == self.op => "op",
            _ if self.separated => "tags",
            _ => "tag",
        };
        let names: Vec<_> = (0..self.columns).map(name).collect();
        let (last, others) = names.split_last().expect("there are two columns at least");
        format!("{} and {last}", others.join(", "))
    }
}

/// The delimiter of a line that would be a header with commas.
fn delimiter(line: &str) -> Option<&'static str> {
    let is_header = |delimiter| {
        let fields: Vec<&str> = line.split(delimiter).collect();
        Form::of_columns(&fields).is_some()
    };
    OTHER_DELIMITERS
        .iter()
        .find(|(delimiter, _)| is_header(*delimiter))
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(header: &str) -> Result<Form, FileProblem> {
        Form::of_header(header.split(',').map(str::as_bytes))
    }

    fn refusal(header: &str) -> String {
        form(header).unwrap_err().to_string()
    }

    #[test]
    fn the_columns_may_stand_in_any_order() {
        let places = |header| {
            form(header)
                .map(|it| (it.account, it.op, it.tags, it.separated))
                .ok()
        };
        assert_eq!(places("account,tag"), Some((0, None, 1, false)));
        assert_eq!(places("tags,account"), Some((1, None, 0, true)));
        assert_eq!(places("account,op,tag"), Some((0, Some(1), 2, false)));
        assert_eq!(places("op,account,tags"), Some((1, Some(0), 2, true)));
        assert_eq!(places("account,tags,op"), Some((0, Some(2), 1, true)));
    }

    #[test]
    fn a_column_that_is_missing_misspelt_unknown_or_there_twice_is_refused() {
        for header in [
            "account",
            "account,op",
            "Account,tag",
            "account, tag",
            "account,tag,tags",
            "account,tag,tag",
            "account,tag,op,op",
            "account,account,tag",
            "account,tag,comment",
            "account,Op,tag",
        ] {
            assert!(
                refusal(header).contains("does not start with the header"),
                "{header}"
            );
        }
    }

    #[test]
    fn another_delimiter_is_named() {
        for (line, name) in [
            ("account;tag", "semicolons"),
            ("account\ttags", "tabs"),
            ("account|op|tag", "vertical bars"),
        ] {
            assert_eq!(
                refusal(line),
                format!("has {name} between its fields: save it with commas")
            );
        }
    }

    #[test]
    fn any_other_first_line_is_shown_within_bounds() {
        assert_eq!(
            refusal("xiaojun012,vip"),
            "does not start with the header account,tag or account,tags: its first line is \"xiaojun012,vip\""
        );
        assert!(refusal(&"北".repeat(1000)).len() < 300);
    }

    #[test]
    fn a_header_that_is_not_utf8_is_no_text() {
        let header = [b"acc\xff".as_slice()];
        assert!(matches!(
            Form::of_header(header.into_iter()),
            Err(FileProblem::Binary)
        ));
    }

    #[test]
    fn columns_are_named_in_their_order() {
        assert_eq!(form("account,tag").unwrap().names(), "account and tag");
        assert_eq!(
            form("op,tags,account").unwrap().names(),
            "op, tags and account"
        );
    }
}
