//! NDJSON: an object a line. Each is a row of one of two forms, told apart row by row:
//!
//! - the API's own, `{"To_Account":"alice","Tags":["vip"]}`, perhaps with `"op"`;
//! - a line of a list of failed changes, `{"account":"alice","op":"add","tags":["vip"],…}`, whose other fields say which
//!   and why, and are ignored, so that such a list can be imported as it is.
//!
//! A field that neither form has, a field of the other form, and a field that stands twice make a bad row: a misspelt
//! `"Tag"` must not silently tag nobody.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, Visitor};

use crate::excerpt::start_of_text;
use crate::odd;

const EXAMPLE: &str = r#"a row is {"To_Account":"alice","Tags":["vip"]}"#;

/// A row as it stands in its line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct JsonRow<'r> {
    /// The user.
    pub account: Cow<'r, str>,
    /// What is to be done; empty if the row does not say so.
    pub op: Cow<'r, str>,
    /// Empty if there are none.
    pub tags: Vec<Cow<'r, str>>,
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
    id: Ignored,
    #[serde(default)]
    at: Ignored,
    #[serde(default)]
    code: Ignored,
    #[serde(default)]
    reason: Ignored,
    #[serde(default)]
    remedy: Ignored,
    #[serde(default)]
    effect: Ignored,
}

/// A field that is ignored, whatever it holds: true if it is there, also as null.
#[derive(Default)]
struct Ignored(bool);

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Ignored, D::Error> {
        IgnoredAny::deserialize(from).map(|_| Ignored(true))
    }
}

/// A text that is borrowed from the line if it has no escapes. By hand, as serde's own visitor for a `Cow` is slower.
struct Text<'r>(Cow<'r, str>);

impl<'de: 'r, 'r> Deserialize<'de> for Text<'r> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Text<'r>, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
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

impl<'r> JsonRow<'r> {
    /// Reads a line.
    ///
    /// # Errors
    /// With what is wrong with it, and what to do.
    pub fn parse(line: &'r str) -> Result<JsonRow<'r>, String> {
        if line.starts_with(odd::MARK) {
            let what = "begins with U+FEFF, a byte order mark, as where files were put together (leave it out)";
            return Err(what.to_owned());
        }
        if let Some(end) = odd::dos_end(line) {
            return Err(end);
        }
        // serde would take a list too
        if !line.trim_ascii_start().starts_with('{') {
            return Err(format!("no object ({EXAMPLE})"));
        }
        let fields: Fields<'r> = serde_json::from_str(line).map_err(|error| message(&error))?;
        let (account, tags, of_the_other) = match (fields.to_account, fields.account) {
            (Some(account), None) => {
                let others = [
                    ("tags", fields.tags.is_some()),
                    ("id", fields.id.0),
                    ("at", fields.at.0),
                    ("code", fields.code.0),
                    ("reason", fields.reason.0),
                    ("remedy", fields.remedy.0),
                    ("effect", fields.effect.0),
                ];
                let other = others.into_iter().find(|(_, is_there)| *is_there);
                (account, fields.api_tags, other.map(|(name, _)| name))
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
            op: fields.op.map(|op| op.0).unwrap_or_default(),
            tags: tags.into_iter().flatten().map(|tag| tag.0).collect(),
        })
    }
}

/// The parser counts lines too, but sees only one.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    // it quotes names and values of the row, of any length
    let what = start_of_text(text.strip_suffix(place.as_str()).unwrap_or(&text), 200);
    format!("column {}: {what} ({EXAMPLE})", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_misspelt_or_there_twice_or_of_the_other_form_is_never_dropped() {
        let rows = r#"
{"To_Account":"a","Tag":["x"]} => column 23: unknown field `Tag`
{"To_Account":"a","Tags":["x"],"Tags":["y"]} => duplicate field `Tags`
{"To_Account":"a","To_Account":"b","Tags":["x"]} => duplicate field
{"To_Account":"a","Tags":["x"],"tags":["y"]} => tags does not go with
{"To_Account":"a","Tags":["x"],"code":null} => code does not go with
{"account":"a","tags":["x"],"Tags":["y"]} => Tags does not go with
{"account":"a","To_Account":"a","tags":["x"]} => both To_Account and account
{"Tags":["x"]} => no To_Account
{"To_Account":7,"Tags":["x"]} => invalid type: integer `7`, expected a string
{"To_Account":"a","Tags":"x"} => expected a sequence
{"To_Account":"a","Tags":["x"] => EOF while parsing
{"To_Account":"a","Tags":["x"]}, => trailing characters
["a",["x"],null,null,null] => no object (a row is {"To_Account"
"#;
        for row in rows.trim().lines() {
            let (line, part) = row.split_once(" => ").unwrap();
            let message = JsonRow::parse(line).unwrap_err();
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
    }
}
