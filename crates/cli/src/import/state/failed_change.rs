//! A change of a user that failed: a line of the list `FILE.failed.ndjson`, which can be imported again as it is, and an
//! entry of the report's `failures`.
//!
//! ```text
//! {"account":"bob","op":"remove","tags":["vip"],"code":70107,"reason":"…","remedy":"…","effect":"not applied"}
//! ```
//!
//! The lines of a user stand together; a change of very many tags has several. A file is known as a list by its lines:
//! each is, to the byte, as it is written here.

use std::borrow::Cow;
use std::fs::File;
use std::io;

use imtag_transport::{Cause, ChangeError, ChangeOperation, Effect, Scope};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::list_lines::{holds_lines, parse_line, write_line};
use crate::output::code_and_reason;

/// A change that is not done, or not known to be done. The names of the fields are a promise to programs, and no line has
/// another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailedChange {
    pub(crate) account: String,
    pub(crate) op: ChangeOperation,
    /// The tags that are not known to be there, or to be gone. Empty for a clear.
    pub(crate) tags: Vec<String>,
    /// The service's code, where it is the service that said so.
    pub(crate) code: Option<i32>,
    pub(crate) reason: String,
    pub(crate) remedy: Cow<'static, str>,
    #[serde(serialize_with = "write_effect", deserialize_with = "read_effect")]
    pub(crate) effect: Effect,
    #[serde(skip)]
    pub(crate) next: Next,
}

/// What becomes of a failed change when the import goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Next {
    /// It was not sent, as the run ended before. Why is known when the import ends.
    NotSent,
    /// The app or its settings were refused, and nothing was applied before that: it is sent again.
    AppRefused,
    /// The service or the network failed: it is sent again.
    Again,
    /// The fault is in the account, the tags or the request, so that it would fail again.
    #[default]
    Listed,
}

/// The most tags of a line. It can be imported again, and be told from the line of another program, so that its length has
/// a limit. Escaped, a tag takes 300 bytes at most.
const TAGS_AT_MOST: usize = 1_000;

/// Why a change is not done, in imtag's own words, and what to do.
pub(crate) type Why = (String, Cow<'static, str>);

impl FailedChange {
    /// `earlier`: what a run before this one may have done.
    pub(crate) fn from_error(
        error: ChangeError,
        op: ChangeOperation,
        earlier: Effect,
    ) -> FailedChange {
        let not_applied = error.effect() == Effect::NotApplied;
        let run_ended = matches!(error.cause(), Cause::Ended(_) | Cause::NoThread(_));
        let next = match error.scope() {
            _ if run_ended && not_applied => Next::NotSent,
            Scope::App if not_applied => Next::AppRefused,
            Scope::App | Scope::Service => Next::Again,
            Scope::Request | Scope::Account | Scope::Tag => Next::Listed,
        };
        let (code, reason) = code_and_reason(error.error());
        let (error, account, tags) = error.into_parts();
        FailedChange {
            account,
            op,
            tags,
            code,
            reason,
            remedy: error.remedy().into(),
            effect: error.effect().max(earlier),
            next,
        }
    }

    /// A change that was not sent, as the run ended before. Why is said when the import ends.
    pub(crate) fn not_sent(
        account: &str,
        change: (ChangeOperation, Vec<String>),
        effect: Effect,
    ) -> FailedChange {
        let not_known = (String::new(), Cow::default());
        FailedChange {
            next: Next::NotSent,
            ..FailedChange::with_reason(account, change, &not_known, effect)
        }
    }

    /// A change that is not done for a reason of imtag's own.
    pub(crate) fn with_reason(
        account: &str,
        (op, tags): (ChangeOperation, Vec<String>),
        (reason, remedy): &Why,
        effect: Effect,
    ) -> FailedChange {
        FailedChange {
            account: account.to_owned(),
            op,
            tags,
            code: None,
            reason: reason.clone(),
            remedy: remedy.clone(),
            effect,
            next: Next::default(),
        }
    }

    /// Appends the lines of the change to a text.
    pub(super) fn write(&self, text: &mut Vec<u8>) {
        if self.tags.len() <= TAGS_AT_MOST {
            return write_line(self, text);
        }
        let mut line = self.clone();
        for tags in self.tags.chunks(TAGS_AT_MOST) {
            line.tags = tags.to_vec();
            write_line(&line, text);
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

/// The number of users in lines; `None` if imtag did not write them so. `last` is the last user of the lines before these.
pub(super) fn count_users(lines: &[u8], last: &mut Option<String>) -> Option<u64> {
    let mut users = 0;
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let account = Some(parse_line::<FailedChange>(line)?.account);
        users += u64::from(account != *last);
        *last = account;
    }
    Some(users)
}

/// How each line begins.
const START: &str = "{\"account\":\"";

/// True if a file is a list.
pub(super) fn is_list(file: &mut File) -> io::Result<bool> {
    holds_lines::<FailedChange>(START, file)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A change that the service refused.
    pub(crate) fn failed(account: &str) -> FailedChange {
        FailedChange {
            account: account.to_owned(),
            op: ChangeOperation::Add,
            tags: vec!["a".to_owned(), "北京".to_owned()],
            code: Some(70107),
            reason: "no such account".to_owned(),
            remedy: "import the account first".into(),
            effect: Effect::NotApplied,
            next: Next::Listed,
        }
    }

    pub(crate) fn cleared(account: &str) -> FailedChange {
        FailedChange {
            op: ChangeOperation::Clear,
            tags: Vec::new(),
            code: None,
            reason: "time was up".to_owned(),
            remedy: "try again".into(),
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
        holds_lines::<FailedChange>(START, text).unwrap()
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
        let mut last = None;
        assert_eq!(count_users(&lines, &mut last), Some(2));
        assert_eq!(
            count_users(&lines, &mut last),
            Some(2),
            "the user before these is another"
        );
        let mut last = Some("bob".to_owned());
        assert_eq!(
            count_users(&lines, &mut last),
            Some(1),
            "bob had lines before"
        );
        assert_eq!(count_users(&lines[..lines.len() - 1], &mut last), None);
    }

    #[test]
    fn each_tag_of_a_change_is_in_one_line_and_none_is_too_long_to_be_imported() {
        let tag = |nth| format!("{}{nth:05}", "\u{1}".repeat(45));
        let mut change = failed("bob");
        change.tags = (0..2_001).map(tag).collect();
        let mut text = Vec::new();
        change.write(&mut text);
        assert!(is_list(&text));
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let lines = lines.map(|line| {
            assert!(line.len() < 512 * 1024, "{}", line.len());
            parse_line::<FailedChange>(line).unwrap()
        });
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[2].tags, [tag(2_000)]);
        let tags = lines.into_iter().flat_map(|line| line.tags);
        assert!(tags.eq(change.tags));
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
}
