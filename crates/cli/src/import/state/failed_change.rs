//! A change of a user that failed: a line of the list `FILE.failed.ndjson`, which can be imported again as it is, and an
//! entry of the report's `failures`.
//!
//! ```text
//! {"account":"bob","op":"remove","tags":["vip"],"code":70107,"reason":"…","remedy":"…","effect":"not applied"}
//! ```
//!
//! The lines of a user stand together. A file is known as a list by its lines: each is, to the byte, as it is written here.

use std::borrow::Cow;
use std::fs::File;
use std::io;

use imtag_transport::{ChangeOperation, Effect};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::own_list::holds_lines;
use crate::output::Reason;

/// A change that is not done, or not known to be done. The names of the fields are a promise to programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Line")]
pub(crate) struct FailedChange {
    pub(crate) account: String,
    pub(crate) op: ChangeOperation,
    /// The tags that are not known to be there, or to be gone. Empty for a clear.
    pub(crate) tags: Vec<String>,
    #[serde(flatten)]
    pub(crate) reason: Reason,
    #[serde(serialize_with = "write_effect")]
    pub(crate) effect: Effect,
}

/// As it is read: all fields must be there, and no other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    account: String,
    op: ChangeOperation,
    tags: Vec<String>,
    code: Option<i32>,
    reason: String,
    remedy: String,
    #[serde(deserialize_with = "read_effect")]
    effect: Effect,
}

impl From<Line> for FailedChange {
    fn from(line: Line) -> FailedChange {
        FailedChange {
            account: line.account,
            op: line.op,
            tags: line.tags,
            reason: Reason {
                code: line.code,
                reason: line.reason,
                remedy: Cow::Owned(line.remedy),
            },
            effect: line.effect,
        }
    }
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

/// The number of users in lines.
pub(crate) fn count_users(lines: &[u8]) -> usize {
    let lines = serde_json::Deserializer::from_slice(lines).into_iter();
    let mut accounts: Vec<String> = lines
        .map_while(|line: Result<FailedChange, _>| Some(line.ok()?.account))
        .collect();
    accounts.dedup();
    accounts.len()
}

/// How each line begins.
const START: &str = "{\"account\":\"";

/// True if a file is a list.
pub(super) fn is_list(file: &mut File) -> io::Result<bool> {
    holds_lines::<FailedChange>(START, file, false)
}

/// True if a file goes on as a list from here on.
pub(super) fn is_rest_of_list(rest: &File) -> io::Result<bool> {
    holds_lines::<FailedChange>(START, rest, true)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::import::state::own_list::write_line;

    /// A change that the service refused.
    pub(crate) fn failed(account: &str) -> FailedChange {
        FailedChange {
            account: account.to_owned(),
            op: ChangeOperation::Add,
            tags: vec!["a".to_owned(), "北京".to_owned()],
            reason: Reason {
                code: Some(70107),
                reason: "no such account".to_owned(),
                remedy: "import the account first".into(),
            },
            effect: Effect::NotApplied,
        }
    }

    pub(crate) fn cleared(account: &str) -> FailedChange {
        FailedChange {
            op: ChangeOperation::Clear,
            tags: Vec::new(),
            reason: Reason::ours("time was up".to_owned(), "try again"),
            effect: Effect::PossiblyApplied,
            ..failed(account)
        }
    }

    /// As imtag writes it.
    fn line() -> String {
        let mut line = Vec::new();
        write_line(&failed("bob"), &mut line);
        String::from_utf8(line).unwrap()
    }

    fn is_list(text: &[u8]) -> bool {
        holds_lines::<FailedChange>(START, text, false).unwrap()
    }

    #[test]
    fn a_line_has_the_promised_fields() {
        let mut text = Vec::new();
        for change in [failed("bob \"b\"\n"), cleared("eve")] {
            write_line(&change, &mut text);
        }
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "{\"account\":\"bob \\\"b\\\"\\n\",\"op\":\"add\",\"tags\":[\"a\",\"北京\"],\"code\":70107,\
             \"reason\":\"no such account\",\"remedy\":\"import the account first\",\"effect\":\"not applied\"}\n\
             {\"account\":\"eve\",\"op\":\"clear\",\"tags\":[],\"code\":null,\
             \"reason\":\"time was up\",\"remedy\":\"try again\",\"effect\":\"possibly applied\"}\n"
        );
    }

    #[test]
    fn a_user_with_several_lines_counts_once() {
        let mut lines = Vec::new();
        for account in ["bob", "bob", "eve"] {
            write_line(&failed(account), &mut lines);
        }
        assert_eq!(count_users(&lines), 2);
    }

    #[test]
    fn a_list_is_known_by_its_lines_also_where_the_last_is_cut_short() {
        let line = line().into_bytes();
        assert!(is_list(&line.repeat(3)));
        for end in 0..line.len() {
            assert!(is_list(&[&line, &line[..end]].concat()), "{end}");
            assert_eq!(
                is_list(&line[..end]),
                end == 0 || end == line.len() - 1,
                "no first line is cut short"
            );
        }
        assert!(is_list(&[&line[..], &[0; 4]].concat()));
    }

    #[test]
    fn what_people_and_other_programs_write_is_no_list() {
        let line = line();
        for text in [
            "account,tag\nbob,vip\n",
            "precious",
            "{",
            "\0\0\0\0",
            "\n",
            "{\"account\":\"bob\",\"tags\":[\"vip\"]}",
            "{\"account\":\"bob\",\"tags\":[\"vip\"]}\n",
            "{\"To_Account\":\"bob\",\"Tags\":[\"vip\"]}\n",
            &format!("{line}call bob\n"),
            &format!("{line}call bob"),
            &format!("{line}\n{line}"),
            &format!("call bob\n{line}"),
            &format!("\u{feff}{line}"),
            &line.replace('\n', "\r\n"),
            &line.replace("\":", "\": "),
            &line.replace("}\n", ",\"note\":\"call her\"}\n"),
            &line.replace("bob", &"b".repeat(2 << 20)),
        ] {
            assert!(!is_list(text.as_bytes()), "{text:.80}");
        }
    }
}
