//! What a body holds: rows of changes, or ids. It is read and checked whole, as one that is wrong in part is refused.

use std::fmt;

use hyper::StatusCode;
use hyper::body::Bytes;
use imtag_core::Rules;
use imtag_queue::{ChangeId, NewPost};
use imtag_rows::{change, start_of_text};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::answers::{BadRow, Problem};

/// Changes of a post, and ids of a list, at most.
const ROWS_AT_MOST: usize = 10_000;

/// The changes of a body.
pub(super) fn changes(body: &Bytes, is_json: bool, rules: &Rules) -> Result<NewPost, Problem> {
    let rows = rows(body, is_json)?;
    if rows.is_empty() {
        let why = r#"there is no change in the body: send rows such as {"To_Account":"alice","Tags":["vip"]}"#;
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why));
    }
    let mut post = NewPost::new();
    let mut bad = Vec::new();
    for (row, text) in &rows {
        match change(text, rules) {
            Ok(change) => {
                post.push(&change);
            }
            Err(error) => bad.push(BadRow { row: *row, error }),
        }
    }
    if bad.is_empty() {
        Ok(post)
    } else {
        Err(Problem::bad_rows(rows.len(), bad))
    }
}

/// The ids of a body: texts, or objects that have one, such as the lines of failures.
pub(super) fn ids(body: &Bytes, is_json: bool) -> Result<Vec<ChangeId>, Problem> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Id {
        Text(String),
        Line { id: String },
    }
    let rows = rows(body, is_json)?;
    if rows.is_empty() {
        let why = "there is no id in the body: send those of the failures that are taken care of, a line each, such as \"12-0\"";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why));
    }
    let mut ids = Vec::with_capacity(rows.len());
    let mut bad = Vec::new();
    for (row, text) in &rows {
        let id = match serde_json::from_str(text) {
            Ok(Id::Text(id) | Id::Line { id }) => id.parse().ok(),
            Err(_) => None,
        };
        match id {
            Some(id) => ids.push(id),
            None => bad.push(BadRow {
                row: *row,
                error: r#"no id: send one such as "12-0", or the line of a failure"#.to_owned(),
            }),
        }
    }
    if bad.is_empty() {
        Ok(ids)
    } else {
        Err(Problem::bad_ids(rows.len(), bad))
    }
}

/// The rows of a body with their numbers: the elements of an array, one object, or lines.
fn rows(body: &[u8], is_json: bool) -> Result<Vec<(usize, &str)>, Problem> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let before = &body[..error.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let why = format!("the body is not UTF-8 in line {line}: send it as UTF-8");
        Problem::new(StatusCode::BAD_REQUEST, why)
    })?;
    let start = text.trim_ascii_start();
    let rows = if start.starts_with('[') {
        let Elements(rows) = serde_json::from_str(start).map_err(|error| no_json(&error))?;
        numbered(rows.into_iter().map(RawValue::get))
    } else if is_json {
        numbered([text.trim_ascii()].into_iter())
    } else {
        numbered(text.split('\n'))
    };
    if rows.len() > ROWS_AT_MOST {
        return Err(Problem::too_large(&format!(
            "more than {ROWS_AT_MOST} rows"
        )));
    }
    Ok(rows)
}

/// Those that are not empty, at most one more than is taken: a body may hold millions.
fn numbered<'r>(rows: impl Iterator<Item = &'r str>) -> Vec<(usize, &'r str)> {
    let rows = rows.enumerate().map(|(nth, row)| (nth + 1, row));
    rows.filter(|(_, row)| !row.trim_ascii().is_empty())
        .take(ROWS_AT_MOST + 1)
        .collect()
}

/// The elements of an array, at most one more than is taken.
struct Elements<'r>(Vec<&'r RawValue>);

impl<'de: 'r, 'r> Deserialize<'de> for Elements<'r> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Elements<'r>, D::Error> {
        struct ElementsVisitor;
        impl<'de> Visitor<'de> for ElementsVisitor {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Elements<'de>, A::Error> {
                let mut taken = Vec::new();
                while taken.len() <= ROWS_AT_MOST {
                    match rows.next_element()? {
                        Some(row) => taken.push(row),
                        None => return Ok(Elements(taken)),
                    }
                }
                while rows.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Elements(taken))
            }
        }
        from.deserialize_seq(ElementsVisitor)
    }
}

fn no_json(error: &serde_json::Error) -> Problem {
    let what = start_of_text(&error.to_string(), 200);
    let why = format!("the body begins as an array of JSON, and is none: {what}");
    Problem::new(StatusCode::BAD_REQUEST, why)
}
