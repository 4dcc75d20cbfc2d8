//! A change that failed, as a line that is a row again:
//!
//! ```text
//! {"account":"bob","op":"remove","tags":["vip"],"code":70107,"reason":"…","remedy":"…","effect":"not applied"}
//! ```
//!
//! A queue's line begins with the change's id and the time, which an import ignores as it ignores why.

use std::borrow::Cow;

use imtag_core::{ChangeOperation, Effect};
use imtag_transport::ChangeError;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::reason::code_and_reason;

/// A change that is not done, or not known to be done. The names of the fields are a promise to programs, and no line of an
/// import has another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureLine {
    /// The user.
    pub account: String,
    /// What was to be done.
    pub op: ChangeOperation,
    /// The tags that are not known to be there, or to be gone. Empty for a clear.
    pub tags: Vec<String>,
    /// The service's code, where it is the service that said so.
    pub code: Option<i32>,
    /// Why.
    pub reason: String,
    /// What to do.
    pub remedy: Cow<'static, str>,
    /// What is known of the effect.
    #[serde(serialize_with = "write_effect", deserialize_with = "read_effect")]
    pub effect: Effect,
}

/// The most tags of a line. It can be imported again, and be told from the line of another program, so that its length has
/// a limit. Escaped, a tag takes 300 bytes at most.
const TAGS_AT_MOST: usize = 1_000;

impl FailureLine {
    /// That of a change which asked for `op`.
    #[must_use]
    pub fn from_error(error: ChangeError, op: ChangeOperation) -> FailureLine {
        let (code, reason) = code_and_reason(error.error());
        let (error, account, tags) = error.into_parts();
        FailureLine {
            account,
            op,
            tags,
            code,
            reason,
            remedy: error.remedy().into(),
            effect: error.effect(),
        }
    }

    /// Appends the lines of the change to a text: several, if it has very many tags. Each begins with `fields`.
    pub fn write(&self, fields: &[(&str, &str)], text: &mut Vec<u8>) {
        if self.tags.len() <= TAGS_AT_MOST {
            return self.write_one(fields, text);
        }
        let mut line = self.clone();
        for tags in self.tags.chunks(TAGS_AT_MOST) {
            line.tags = tags.to_vec();
            line.write_one(fields, text);
        }
    }

    /// Appends one line, however many tags there are. It begins with `fields`.
    pub fn write_one(&self, fields: &[(&str, &str)], text: &mut Vec<u8>) {
        let start = text.len();
        for (name, value) in fields {
            text.push(if text.len() == start { b'{' } else { b',' });
            write_json(name, text);
            text.push(b':');
            write_json(value, text);
        }
        let object = text.len();
        write_line(self, text);
        if object > start {
            text[object] = b',';
        }
    }
}

/// Appends the line of an object to a text.
pub fn write_line(object: &impl Serialize, text: &mut Vec<u8>) {
    write_json(object, text);
    text.push(b'\n');
}

fn write_json(value: &(impl Serialize + ?Sized), text: &mut Vec<u8>) {
    serde_json::to_writer(&mut *text, value)
        .expect("a Vec takes all that is written to it, and every key is a string");
}

// serde passes a reference
#[allow(clippy::trivially_copy_pass_by_ref)]
fn write_effect<S: Serializer>(effect: &Effect, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(effect.name())
}

fn read_effect<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Effect, D::Error> {
    let name = String::deserialize(deserializer)?;
    let effects = [Effect::NotApplied, Effect::PossiblyApplied, Effect::Applied];
    let effect = effects.into_iter().find(|it| it.name() == name);
    effect.ok_or_else(|| de::Error::custom(format!("no effect is called {name:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JsonRow, change};
    use imtag_core::Rules;

    fn failed() -> FailureLine {
        FailureLine {
            account: "bob \"b\"\n".to_owned(),
            op: ChangeOperation::Add,
            tags: vec!["a".to_owned(), "北京".to_owned()],
            code: Some(70107),
            reason: "no such account".to_owned(),
            remedy: "import the account first".into(),
            effect: Effect::NotApplied,
        }
    }

    fn written(line: &FailureLine, fields: &[(&str, &str)]) -> String {
        let mut text = Vec::new();
        line.write(fields, &mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_line_has_the_promised_fields() {
        let cleared = FailureLine {
            account: "eve".to_owned(),
            op: ChangeOperation::Clear,
            tags: Vec::new(),
            code: None,
            effect: Effect::PossiblyApplied,
            ..failed()
        };
        assert_eq!(
            written(&failed(), &[]),
            "{\"account\":\"bob \\\"b\\\"\\n\",\"op\":\"add\",\"tags\":[\"a\",\"北京\"],\"code\":70107,\
             \"reason\":\"no such account\",\"remedy\":\"import the account first\",\"effect\":\"not applied\"}\n"
        );
        assert_eq!(
            written(&cleared, &[("id", "12-0"), ("at", "2026-11-30T16:32:36Z")]),
            "{\"id\":\"12-0\",\"at\":\"2026-11-30T16:32:36Z\",\"account\":\"eve\",\"op\":\"clear\",\"tags\":[],\
             \"code\":null,\"reason\":\"no such account\",\"remedy\":\"import the account first\",\
             \"effect\":\"possibly applied\"}\n"
        );
    }

    #[test]
    fn a_line_is_a_row_again_with_and_without_id_and_time() {
        let mut line = failed();
        line.account = "bob".to_owned();
        for fields in [&[][..], &[("id", "12-0"), ("at", "2026-11-30T16:32:36Z")]] {
            let text = written(&line, fields);
            let row = JsonRow::parse(text.trim_end()).unwrap();
            assert_eq!((&*row.account, &*row.op), ("bob", "add"));
            assert_eq!(row.tags, ["a", "北京"]);
            let change = change(text.trim_end(), &Rules::default()).unwrap();
            assert_eq!(change.account(), "bob");
            assert_eq!(change.tags().collect::<Vec<_>>(), ["a", "北京"]);
        }
    }

    #[test]
    fn each_tag_of_a_change_is_in_one_line_and_none_is_too_long_to_be_imported() {
        let tag = |nth| format!("{}{nth:05}", "\u{1}".repeat(45));
        let mut change = failed();
        change.tags = (0..2_001).map(tag).collect();
        let text = written(&change, &[("id", "1-2")]);
        let mut tags = Vec::new();
        for line in text.lines() {
            assert!(line.len() < 512 * 1024, "{}", line.len());
            let (id, rest) = line.split_at("{\"id\":\"1-2\",".len());
            assert_eq!(id, "{\"id\":\"1-2\",");
            let line: FailureLine = serde_json::from_str(&format!("{{{rest}")).unwrap();
            tags.push(line.tags);
        }
        assert_eq!(tags.len(), 3);
        assert_eq!(tags[2], [tag(2_000)]);
        assert_eq!(tags.concat(), change.tags);
    }
}
