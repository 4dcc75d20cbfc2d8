//! A change of a user that failed: a line of the list `FILE.failed.ndjson`, which can be imported again as it is, and an
//! entry of the report's `failures`. The crate rows says how it is written.
//!
//! The lines of a user stand together; a change of very many tags has several. A file is known as a list by its lines:
//! each is, to the byte, as it is written here.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};

use imtag_rows::FailureLine;
use imtag_transport::{Cause, ChangeError, ChangeOperation, Effect, Scope};
use serde::{Deserialize, Serialize};

use super::list_lines::{holds_lines, parse_line};

/// A change that is not done, or not known to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct FailedChange {
    line: FailureLine,
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
        let mut line = FailureLine::from_error(error, op);
        line.effect = line.effect.max(earlier);
        FailedChange { line, next }
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
        let line = FailureLine {
            account: account.to_owned(),
            op,
            tags,
            code: None,
            reason: reason.clone(),
            remedy: remedy.clone(),
            effect,
        };
        FailedChange {
            line,
            next: Next::default(),
        }
    }
}

impl Deref for FailedChange {
    type Target = FailureLine;

    fn deref(&self) -> &FailureLine {
        &self.line
    }
}

impl DerefMut for FailedChange {
    fn deref_mut(&mut self) -> &mut FailureLine {
        &mut self.line
    }
}

/// The number of users in lines; `None` if imtag did not write them so. `last` is the last user of the lines before these.
pub(super) fn count_users(lines: &[u8], last: &mut Option<String>) -> Option<u64> {
    let mut users = 0;
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let account = Some(parse_line::<FailureLine>(line)?.account);
        users += u64::from(account != *last);
        *last = account;
    }
    Some(users)
}

/// How each line begins.
const START: &str = "{\"account\":\"";

/// True if a file is a list.
pub(super) fn is_list(file: &mut File) -> io::Result<bool> {
    holds_lines::<FailureLine>(START, file)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A change that the service refused.
    pub(crate) fn failed(account: &str) -> FailedChange {
        let tags = vec!["a".to_owned(), "北京".to_owned()];
        let why = (
            "no such account".to_owned(),
            "import the account first".into(),
        );
        let change = (ChangeOperation::Add, tags);
        let mut failed = FailedChange::with_reason(account, change, &why, Effect::NotApplied);
        failed.code = Some(70107);
        failed
    }

    /// As imtag writes it.
    fn line() -> String {
        let mut line = Vec::new();
        failed("bob").write(&[], &mut line);
        String::from_utf8(line).unwrap()
    }

    fn is_list(text: &[u8]) -> bool {
        holds_lines::<FailureLine>(START, text).unwrap()
    }

    #[test]
    fn a_user_with_several_lines_counts_once() {
        let mut lines = Vec::new();
        for account in ["bob", "bob", "eve"] {
            failed(account).write(&[], &mut lines);
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
