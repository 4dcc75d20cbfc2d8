//! Reads an answer: the envelope, the accounts that were left out, and the tags that were asked for.
//!
//! - `ActionStatus` and `ErrorCode` are required. An `ErrorCode` other than 0 refuses the whole request, whatever else the
//!   answer says.
//! - An `ErrorList` is read on every path. Its accounts were not changed, although the code is 0.
//! - A list that is missing or null is empty. Without `ErrorList` no account was left out; without `Tags` a user has none;
//!   without `UserTags` each account of a get is unanswered.
//! - A text for people (`ErrorInfo`, `RequestId`) may be missing, null or of any type, as nothing depends on it. A member
//!   that the operation does not use is not read.
//! - The answer is *not understood* if it names an account that was not asked for, if a required member is missing or of
//!   another type, if a known member stands twice, if an array stands for an object, or if bytes follow it. What it says of
//!   the accounts is then unknown, and is never dropped in silence.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::catalogue::{Code, RetryClass};
use crate::operation::Operation;
use crate::request::Request;
use crate::text::Account;

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
        /// The accounts that the service left out, each once, with the reason.
        left_out: Vec<(String, Refusal)>,
        /// What was read: for [`Operation::Get`] only.
        tags: Vec<AccountTags>,
        /// Accounts that [`Operation::Get`] asked for and the answer does not name at all.
        unanswered: Vec<String>,
    },
    /// For none of the accounts, as far as is known.
    Refused(Refusal),
}

/// A code other than 0, and its text: of a request, or of an account that an otherwise good answer left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} ({})", self.code_and_text(), .code.remedy())]
pub struct Refusal {
    /// The service's code.
    pub code: Code,
    /// The service's text, whole; a message shows its start.
    pub text: String,
}

impl Refusal {
    fn meaning(&self) -> &'static str {
        self.code.entry().map_or("no text", |entry| entry.meaning)
    }

    /// The service's text; where it is empty, what the code means.
    #[must_use]
    pub fn reason(&self) -> &str {
        if self.text.is_empty() {
            self.meaning()
        } else {
            &self.text
        }
    }

    /// Whether the same may succeed later, for this account or as a whole.
    #[must_use]
    pub fn retryable(&self) -> bool {
        self.code.retry() != RetryClass::Never
    }

    /// The refusal in words, without the remedy: `70107 "no such account"`, of a long text the start and `…`. Where the
    /// service said nothing of its own, it is the code's meaning without quotes: `70107 an account was never imported`.
    #[must_use]
    pub fn code_and_text(&self) -> impl fmt::Display {
        let (code, reason) = (self.code, self.reason());
        if reason == self.meaning() {
            format!("{code} {reason}")
        } else {
            let start = shortened(reason);
            let more = if start == reason { "" } else { "…" };
            format!("{code} {start:?}{more}")
        }
    }
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

    /// Of a body that is not understood for this reason.
    #[must_use]
    pub fn new(reason: &str, body: &[u8]) -> NotUnderstood {
        NotUnderstood {
            reason: shortened(reason).to_owned(),
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

impl Answer {
    /// Reads a whole body as the answer to `request`.
    ///
    /// # Errors
    /// Where it is not an answer of the service to this request.
    pub fn read(body: &[u8], request: &dyn Request) -> Result<Answer, NotUnderstood> {
        read(body, request).map_err(|reason| NotUnderstood::new(&reason, body))
    }
}

#[derive(serde::Deserialize)]
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

#[derive(serde::Deserialize)]
struct ListedError {
    #[serde(rename = "To_Account")]
    account: String,
    #[serde(rename = "ErrorCode")]
    code: i32,
    #[serde(rename = "ErrorInfo", default)]
    text: ForPeople,
}

#[derive(serde::Deserialize)]
struct ListedTags {
    #[serde(rename = "To_Account")]
    account: String,
    #[serde(rename = "Tags")]
    tags: Option<Vec<String>>,
}

/// A text that only people read: of another type it is shown as it came.
#[derive(Default, serde::Deserialize)]
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

fn read(body: &[u8], request: &dyn Request) -> Result<Answer, String> {
    let Object(envelope): Object<Envelope<'_>> =
        serde_json::from_slice(body).map_err(|error| format!("not an answer: {error}"))?;
    let verdict = match (&*envelope.action_status, envelope.error_code) {
        ("OK", 0) => done(
            list("ErrorList", envelope.error_list)?,
            match request.operation() {
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

fn done(
    errors: Vec<ListedError>,
    users: Vec<ListedTags>,
    request: &dyn Request,
) -> Result<Verdict, String> {
    let (mut left_out, mut tags) = (Vec::new(), Vec::new());
    let is_get = request.operation() == Operation::Get;
    // whether the answer has named each account that was asked for; most answers name none, and need not
    let mut named: HashMap<&str, bool> = if errors.is_empty() && !is_get {
        HashMap::new()
    } else {
        let accounts = request.accounts().iter().map(Account::as_str);
        accounts.map(|account| (account, false)).collect()
    };
    let mut was_named = |account: &str, list: &str| match named.get_mut(account) {
        Some(named) => Ok(std::mem::replace(named, true)),
        None => Err(format!(
            "{list} names an account that was not asked for: {account:?}"
        )),
    };
    for error in errors {
        if !was_named(&error.account, "ErrorList")? {
            let refusal = Refusal {
                code: Code(error.code),
                text: error.text.0.unwrap_or_default(),
            };
            left_out.push((error.account, refusal));
        }
    }
    for user in users {
        if was_named(&user.account, "UserTags")? {
            return Err(format!(
                "UserTags names an account again: {:?}",
                user.account
            ));
        }
        tags.push(AccountTags {
            account: user.account,
            tags: user.tags.unwrap_or_default(),
        });
    }
    let asked = request.accounts().iter().filter(|_| is_get);
    let unanswered = asked.filter(|account| !named[account.as_str()]);
    let unanswered = unanswered.map(|account| account.as_str().to_owned());
    Ok(Verdict::Done {
        left_out,
        tags,
        unanswered: unanswered.collect(),
    })
}

/// A `T` that was read from a JSON object, and from nothing else: serde's derived structs also take an array of their fields
/// in order, so that `["OK",0,""]` would count as an answer of the service.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(OnlyObject(PhantomData))
    }
}

struct OnlyObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyObject<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}
