//! A row of NDJSON: one of two objects, told apart row by row.
//!
//! - the API's own, `{"To_Account":"alice","Tags":["vip"]}`, perhaps with `"op"`;
//! - a line of the file of what failed, `{"account":"alice","op":"add","tags":["vip"],…}`, whose other fields say why
//!   and are passed over, so that such a file can be imported as it is.
//!
//! A field that neither has, a field of the other, and a field that is there twice make a bad row: a misspelt `"Tag"`
//! must not tag nobody in silence.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};

use super::change::Op;
use super::file::start_of_text;
use super::odd;

const EXAMPLE: &str = r#"a row is {"To_Account":"alice","Tags":["vip"]}"#;

/// A row as it stands there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct JsonRow<'r> {
    pub(crate) account: Cow<'r, str>,
    pub(crate) op: Option<Cow<'r, str>>,
    pub(crate) tags: Vec<Cow<'r, str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'r> {
    #[serde(rename = "To_Account", borrow)]
    to_account: Option<Text<'r>>,
    #[serde(rename = "Tags", borrow)]
    api_tags: Option<Vec<Text<'r>>>,
    #[serde(borrow)]
    account: Option<Text<'r>>,
    #[serde(borrow)]
    tags: Option<Vec<Text<'r>>>,
    #[serde(borrow)]
    op: Option<Text<'r>>,
    #[serde(default)]
    code: Passed,
    #[serde(default)]
    reason: Passed,
    #[serde(default)]
    remedy: Passed,
    #[serde(default)]
    effect: Passed,
}

/// A text that is borrowed from the row where it has no escapes.
struct Text<'r>(Cow<'r, str>);

/// A field that is passed over, whatever it holds: whether it is there.
#[derive(Default)]
struct Passed(bool);

impl<'r> JsonRow<'r> {
    /// Reads a line.
    ///
    /// # Errors
    /// With what is wrong with it, and what to do.
    pub(crate) fn parse(line: &'r str) -> Result<JsonRow<'r>, String> {
        if line.starts_with(odd::MARK) {
            let what = "begins with U+FEFF, a byte order mark, as where files were put together (leave it out)";
            return Err(what.to_owned());
        }
        if let Some(end) = odd::dos_end(line) {
            return Err(end);
        }
        // a list would do for serde as well
        if !line.trim_ascii_start().starts_with('{') {
            return Err(format!("no object ({EXAMPLE})"));
        }
        let fields: Fields<'r> = serde_json::from_str(line).map_err(|error| message(&error))?;
        let passed = [
            ("code", fields.code),
            ("reason", fields.reason),
            ("remedy", fields.remedy),
            ("effect", fields.effect),
        ];
        let passed = passed.into_iter().find(|(_, passed)| passed.0);
        let (account, tags, of_the_other) = match (fields.to_account, fields.account) {
            (Some(account), None) => {
                let other = passed.map(|(name, _)| name);
                let other = fields.tags.map(|_| "tags").or(other);
                (account, fields.api_tags, other)
            }
            (None, Some(account)) => (account, fields.tags, fields.api_tags.map(|_| "Tags")),
            (Some(_), Some(_)) => return Err("both To_Account and account (keep one)".to_owned()),
            (None, None) => return Err("no To_Account (add it)".to_owned()),
        };
        if let Some(name) = of_the_other {
            return Err(format!(
                "{name} does not go with this form of a row (use To_Account and Tags, or account and tags)"
            ));
        }
        Ok(JsonRow {
            account: account.0,
            op: fields.op.map(|op| op.0),
            tags: tags.into_iter().flatten().map(|tag| tag.0).collect(),
        })
    }

    /// What it does; `Err` with the name that is none.
    pub(crate) fn op(&self) -> Result<Op, &str> {
        let name = self.op.as_deref().unwrap_or_default();
        Op::named(name).ok_or(name)
    }
}

/// The parser counts lines too, but knows one only.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    // names and values of the row stand in it, of any length
    let what = start_of_text(text.strip_suffix(place.as_str()).unwrap_or(&text), 200);
    format!("column {}: {what} ({EXAMPLE})", error.column())
}

impl<'de: 'r, 'r> Deserialize<'de> for Text<'r> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Text<'r>, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(TextVisitor)
    }
}

impl<'de> Deserialize<'de> for Passed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Passed, D::Error> {
        IgnoredAny::deserialize(from).map(|_| Passed(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: &str) -> Result<(String, Option<String>, Vec<String>), String> {
        let row = JsonRow::parse(line)?;
        let tags = row.tags.into_iter().map(Cow::into_owned);
        Ok((
            row.account.into_owned(),
            row.op.map(Cow::into_owned),
            tags.collect(),
        ))
    }

    fn row_fields(
        account: &str,
        op: Option<&str>,
        tags: &[&str],
    ) -> (String, Option<String>, Vec<String>) {
        let tags = tags.iter().map(|tag| (*tag).to_owned());
        (account.to_owned(), op.map(str::to_owned), tags.collect())
    }

    #[test]
    fn a_row_is_of_the_api_s_form_or_of_that_of_what_failed() {
        assert_eq!(
            row(r#"{"To_Account":"alice","Tags":["vip","北京"]}"#),
            Ok(row_fields("alice", None, &["vip", "北京"]))
        );
        assert_eq!(
            row(r#" { "op" : "clear" , "To_Account" : "a\u0062\"" } "#),
            Ok(row_fields("ab\"", Some("clear"), &[]))
        );
        let failed = r#"{"account":"alice","op":"remove","tags":["vip"],"code":70107,"reason":"r","remedy":"m","effect":"not applied"}"#;
        assert_eq!(
            row(failed),
            Ok(row_fields("alice", Some("remove"), &["vip"]))
        );
        let ours = r#"{"account":"alice","op":"add","tags":["vip"],"code":null,"reason":"r","remedy":"m","effect":"e"}"#;
        assert_eq!(row(ours), Ok(row_fields("alice", Some("add"), &["vip"])));
    }

    #[test]
    fn a_field_that_is_misspelt_or_there_twice_or_of_the_other_form_is_never_dropped() {
        for (line, part) in [
            (
                r#"{"To_Account":"a","Tag":["x"]}"#,
                "column 23: unknown field `Tag`",
            ),
            (
                r#"{"To_Account":"a","Tags":["x"],"Tags":["y"]}"#,
                "duplicate field `Tags`",
            ),
            (
                r#"{"To_Account":"a","To_Account":"b","Tags":["x"]}"#,
                "duplicate field",
            ),
            (
                r#"{"To_Account":"a","Tags":["x"],"tags":["y"]}"#,
                "tags does not go with",
            ),
            (
                r#"{"To_Account":"a","Tags":["x"],"code":null}"#,
                "code does not go with",
            ),
            (
                r#"{"account":"a","tags":["x"],"Tags":["y"]}"#,
                "Tags does not go with",
            ),
            (
                r#"{"account":"a","To_Account":"a","tags":["x"]}"#,
                "both To_Account and account",
            ),
            (r#"{"Tags":["x"]}"#, "no To_Account"),
            (
                r#"{"To_Account":7,"Tags":["x"]}"#,
                "invalid type: integer `7`, expected a text",
            ),
            (r#"{"To_Account":"a","Tags":"x"}"#, "expected a sequence"),
            (r#"{"To_Account":"a","Tags":["x"]"#, "EOF while parsing"),
            (r#"{"To_Account":"a","Tags":["x"]},"#, "trailing characters"),
            (
                r#"["a",["x"],null,null,null]"#,
                "no object (a row is {\"To_Account\"",
            ),
        ] {
            let message = row(line).unwrap_err();
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
    }
}
