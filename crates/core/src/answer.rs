//! Reading an answer: the envelope, the accounts that were left out, and the tags that were asked for.
//!
//! What decides:
//! - `ActionStatus` and `ErrorCode` must be there. An `ErrorCode` other than 0 is a refusal of the whole request,
//!   whatever else the answer says;
//! - an `ErrorList` is read on every path, and its accounts were not changed, although the code is 0;
//! - a list that is missing or null is empty: no `ErrorList`, nobody left out; no `Tags`, a user without tags; no
//!   `UserTags` for [`Operation::Get`], and each account is named as unanswered;
//! - a text for people (`ErrorInfo`, `RequestId`) may be missing, null or of any type: nothing hangs on it. A member
//!   that the operation has no use for is not looked at;
//! - an account that was not asked for, a needed member that is missing or of another type, a known one that stands
//!   twice, an array in the place of an object, or bytes after the answer make it *not understood*: what it says of
//!   the accounts is then unknown, and never dropped in silence.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::object::Object;
use crate::{Code, Operation, Request};

/// What the service answered to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The service's number for the request, for its support.
    pub request_id: Option<String>,
    /// Whether it was done.
    pub verdict: Verdict,
}

/// Whether a request was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// For the accounts that `left_out` does not name.
    Done {
        /// The accounts that the service left out, each once.
        left_out: Vec<LeftOut>,
        /// What was read: for [`Operation::Get`] only.
        tags: Vec<AccountTags>,
        /// Accounts that [`Operation::Get`] asked for and the answer does not name at all.
        unanswered: Vec<String>,
    },
    /// For none of the accounts, as far as is known.
    Refused(Refusal),
}

/// A request answered with a code other than 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} ({})", self.code_and_text(), .code.remedy())]
pub struct Refusal {
    /// The service's code.
    pub code: Code,
    /// The service's text, whole; a message shows its start.
    pub text: String,
}

impl Refusal {
    /// The service's text; where it is empty, what the code means.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self.text.as_str() {
            "" => self.code.entry().map_or("no text", |entry| entry.meaning),
            text => text,
        }
    }

    /// The refusal in words, without the remedy: `70107 "no such account"`. Of a long text the start, and `…`. What is not
    /// the service's own text, as that is empty, is not in quotes: `70107 an account was never imported`.
    #[must_use]
    pub fn code_and_text(&self) -> impl fmt::Display {
        let (code, reason) = (self.code, self.reason());
        let without_a_text = Refusal {
            code,
            text: String::new(),
        };
        if reason == without_a_text.reason() {
            format!("{code} {reason}")
        } else {
            let start = shortened(reason);
            let more = if start == reason { "" } else { "…" };
            format!("{code} {start:?}{more}")
        }
    }
}

/// An account that an otherwise good answer left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The account.
    pub account: String,
    /// Why.
    pub refusal: Refusal,
}

/// The tags of an account, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountTags {
    /// The account.
    pub account: String,
    /// Its tags, in the service's order.
    pub tags: Vec<String>,
}

/// An answer that is not one of the service's: what was carried out is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; it starts with {start:?}")]
pub struct NotUnderstood {
    /// What is wrong with it.
    pub reason: String,
    /// Its first bytes.
    pub start: String,
}

impl NotUnderstood {
    /// Bytes of the answer that are shown.
    pub const SHOWN: usize = 200;

    fn new(reason: impl Into<String>, body: &[u8]) -> NotUnderstood {
        NotUnderstood {
            reason: shortened(&reason.into()).to_owned(),
            start: start_of(body),
        }
    }
}

/// The start of a text of any length, for a message.
#[must_use]
pub fn shortened(text: &str) -> &str {
    let ends = text.char_indices().map(|(start, c)| start + c.len_utf8());
    let end = ends.take_while(|end| *end <= NotUnderstood::SHOWN).last();
    &text[..end.unwrap_or(0)]
}

/// The first bytes of a body, as text.
#[must_use]
pub fn start_of(body: &[u8]) -> String {
    let shown = &body[..body.len().min(NotUnderstood::SHOWN)];
    String::from_utf8_lossy(shown).into_owned()
}

/// Collects an answer's body as it arrives, bounded, and reads it when it is whole.
#[derive(Debug)]
pub struct AnswerReader {
    body: Vec<u8>,
    most: usize,
}

impl AnswerReader {
    /// Takes a body of at most `most` bytes.
    #[must_use]
    pub fn new(most: usize) -> AnswerReader {
        AnswerReader {
            body: Vec::new(),
            most,
        }
    }

    /// Takes the next bytes of the body.
    ///
    /// # Errors
    /// Once the body is longer than allowed.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), NotUnderstood> {
        self.body.extend_from_slice(bytes);
        if self.body.len() > self.most {
            let reason = format!("the answer has more than {} bytes", self.most);
            return Err(NotUnderstood::new(reason, &self.body));
        }
        Ok(())
    }

    /// What has been taken so far.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Reads the whole body as the answer to `request`.
    ///
    /// # Errors
    /// Where it is not an answer of the service to this request.
    pub fn finish<R: Request>(self, request: &R) -> Result<Answer, NotUnderstood> {
        read(&self.body, request).map_err(|reason| NotUnderstood::new(reason, &self.body))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<'a> {
    #[serde(borrow)]
    action_status: Cow<'a, str>,
    error_code: i32,
    #[serde(default)]
    error_info: ForPeople,
    #[serde(default)]
    request_id: ForPeople,
    /// As they stand: only an answer that is done is asked for them.
    #[serde(borrow)]
    error_list: Option<&'a RawValue>,
    #[serde(borrow)]
    user_tags: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ListedError {
    #[serde(rename = "To_Account")]
    account: String,
    #[serde(rename = "ErrorCode")]
    code: i32,
    #[serde(rename = "ErrorInfo", default)]
    text: ForPeople,
}

#[derive(Deserialize)]
struct ListedTags {
    #[serde(rename = "To_Account")]
    account: String,
    #[serde(rename = "Tags")]
    tags: Option<Vec<String>>,
}

/// A text that only people read: of another type it is shown as it came.
#[derive(Default, Deserialize)]
#[serde(from = "Value")]
struct ForPeople(Option<String>);

impl From<Value> for ForPeople {
    fn from(value: Value) -> ForPeople {
        ForPeople(match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        })
    }
}

fn read<R: Request>(body: &[u8], request: &R) -> Result<Answer, String> {
    let Object(envelope): Object<Envelope<'_>> =
        serde_json::from_slice(body).map_err(|error| format!("not an answer: {error}"))?;
    let verdict = match (&*envelope.action_status, envelope.error_code) {
        ("OK", 0) => done(
            list("ErrorList", envelope.error_list)?,
            match R::OPERATION {
                Operation::Get => list("UserTags", envelope.user_tags)?,
                _ => Vec::new(),
            },
            request,
        )?,
        ("OK" | "FAIL", code) if code != 0 => Verdict::Refused(Refusal {
            code: Code(code),
            text: envelope.error_info.0.unwrap_or_default(),
        }),
        (status, code) => return Err(format!("ActionStatus {status:?} with ErrorCode {code}")),
    };
    Ok(Answer {
        request_id: envelope.request_id.0,
        verdict,
    })
}

/// The entries of a list, each an object; none where it is missing or null.
fn list<T: DeserializeOwned>(name: &str, list: Option<&RawValue>) -> Result<Vec<T>, String> {
    let Some(list) = list else {
        return Ok(Vec::new());
    };
    let entries: Vec<Object<T>> = serde_json::from_str(list.get()).map_err(|error| {
        let why = error.to_string();
        // a place that is counted from the list's start leads nowhere
        let why = why.split_once(" at line ").map_or(&*why, |(why, _)| why);
        format!("{name}: {why}")
    })?;
    Ok(entries.into_iter().map(|Object(entry)| entry).collect())
}

fn done<R: Request>(
    errors: Vec<ListedError>,
    tags: Vec<ListedTags>,
    request: &R,
) -> Result<Verdict, String> {
    let asked: HashSet<&str> = if errors.is_empty() && R::OPERATION != Operation::Get {
        HashSet::new()
    } else {
        request.accounts().map(|account| account.as_str()).collect()
    };
    let mut named = HashSet::new();
    let mut left_out = Vec::new();
    for error in errors {
        was_asked(&asked, &error.account, "ErrorList")?;
        if named.insert(error.account.clone()) {
            left_out.push(LeftOut {
                account: error.account,
                refusal: Refusal {
                    code: Code(error.code),
                    text: error.text.0.unwrap_or_default(),
                },
            });
        }
    }
    if R::OPERATION != Operation::Get {
        return Ok(Verdict::Done {
            left_out,
            tags: Vec::new(),
            unanswered: Vec::new(),
        });
    }
    let mut read = Vec::new();
    for user in tags {
        was_asked(&asked, &user.account, "UserTags")?;
        if !named.insert(user.account.clone()) {
            return Err(format!(
                "UserTags names an account again: {:?}",
                user.account
            ));
        }
        read.push(AccountTags {
            account: user.account,
            tags: user.tags.unwrap_or_default(),
        });
    }
    let unanswered = request
        .accounts()
        .map(|account| account.as_str().to_owned())
        .filter(|account| !named.contains(account));
    Ok(Verdict::Done {
        left_out,
        tags: read,
        unanswered: unanswered.collect(),
    })
}

fn was_asked(asked: &HashSet<&str>, account: &str, list: &str) -> Result<(), String> {
    if asked.contains(account) {
        return Ok(());
    }
    Err(format!(
        "{list} names an account that was not asked for: {account:?}"
    ))
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
