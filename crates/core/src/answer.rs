//! Reading an answer: the envelope, the accounts that were left out, and the tags that were asked for.
//!
//! What decides:
//! - an `ErrorCode` other than 0 is a refusal of the whole request, whatever else the answer says;
//! - an `ErrorList` is read on every path, and its accounts were not changed, although the code is 0;
//! - `UserTags` of [`Operation::Get`] may be missing only where the `ErrorList` names every account;
//! - an account that was not asked for, a field that is missing, stands twice or is of another type, an array in the
//!   place of an object, or bytes after the answer make it *not understood*: what it says of the accounts is then
//!   unknown, and never dropped in silence.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;

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
#[error("{code} {:?} ({})", shortened(text), .code.remedy())]
pub struct Refusal {
    /// The service's code.
    pub code: Code,
    /// The service's text, whole; a message shows its start.
    pub text: String,
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
    error_info: String,
    request_id: Option<String>,
    error_list: Option<Vec<Object<ListedError>>>,
    user_tags: Option<Vec<Object<ListedTags>>>,
}

#[derive(Deserialize)]
struct ListedError {
    #[serde(rename = "To_Account")]
    account: String,
    #[serde(rename = "ErrorCode")]
    code: i32,
    #[serde(rename = "ErrorInfo", default)]
    text: String,
}

#[derive(Deserialize)]
struct ListedTags {
    #[serde(rename = "To_Account")]
    account: String,
    #[serde(rename = "Tags")]
    tags: Vec<String>,
}

fn read<R: Request>(body: &[u8], request: &R) -> Result<Answer, String> {
    let Object(envelope): Object<Envelope<'_>> =
        serde_json::from_slice(body).map_err(|error| format!("not an answer: {error}"))?;
    let verdict = match (&*envelope.action_status, envelope.error_code) {
        ("OK", 0) => done(
            envelope.error_list.unwrap_or_default(),
            envelope.user_tags,
            request,
        )?,
        ("OK" | "FAIL", code) if code != 0 => Verdict::Refused(Refusal {
            code: Code(code),
            text: envelope.error_info,
        }),
        (status, code) => return Err(format!("ActionStatus {status:?} with ErrorCode {code}")),
    };
    Ok(Answer {
        request_id: envelope.request_id,
        verdict,
    })
}

fn done<R: Request>(
    errors: Vec<Object<ListedError>>,
    tags: Option<Vec<Object<ListedTags>>>,
    request: &R,
) -> Result<Verdict, String> {
    let asked: HashSet<&str> = match errors.is_empty() && R::OPERATION != Operation::Get {
        true => HashSet::new(),
        false => request.accounts().map(|account| account.as_str()).collect(),
    };
    let mut named = HashSet::new();
    let mut left_out = Vec::new();
    for Object(error) in errors {
        was_asked(&asked, &error.account, "ErrorList")?;
        if named.insert(error.account.clone()) {
            left_out.push(LeftOut {
                account: error.account,
                refusal: Refusal {
                    code: Code(error.code),
                    text: error.text,
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
    let tags = match tags {
        // nobody is left whose tags could be told
        None if named.len() == asked.len() => Vec::new(),
        tags => tags.ok_or("UserTags is missing")?,
    };
    let mut read = Vec::new();
    for Object(user) in tags {
        was_asked(&asked, &user.account, "UserTags")?;
        if !named.insert(user.account.clone()) {
            return Err(format!(
                "UserTags names an account again: {:?}",
                user.account
            ));
        }
        read.push(AccountTags {
            account: user.account,
            tags: user.tags,
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
    match asked.contains(account) {
        true => Ok(()),
        false => Err(format!(
            "{list} names an account that was not asked for: {account:?}"
        )),
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
