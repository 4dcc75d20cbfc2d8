//! The answer's envelope: `ActionStatus`, `ErrorInfo`, `ErrorCode`, and `RequestId`, which the service may send and ours
//! always do. `UserTags` comes with get; `ErrorList` only when it is not empty. What the service has no field for, the
//! effect and what to do, stands in fields beside them, which clients ignore that do not know them.

use std::sync::Arc;

use imtag_core::Code;
use serde::{Serialize, Serializer};

/// Why what was asked is not done: a code of the service, and a text that says what was wrong with this
/// request. Which mistake gets which code is decided where the mistake is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: i32,
    /// What was wrong.
    pub text: String,
}

impl Refusal {
    /// A refusal with a text of its own.
    #[must_use]
    pub fn new(code: i32, text: impl Into<String>) -> Refusal {
        Refusal {
            code,
            text: text.into(),
        }
    }

    /// A code with the catalogue's text.
    #[must_use]
    pub fn plain(code: i32) -> Refusal {
        let entry = Code(code).entry();
        Refusal::new(code, entry.map_or("an error", |entry| entry.meaning))
    }
}

/// What a request is answered.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    action_status: &'static str,
    error_info: String,
    /// 0 if it is done.
    pub error_code: i32,
    request_id: String,
    /// What the users carry, in the order of the request; `None` unless the request is a get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_tags: Option<Vec<UserTags>>,
    /// The accounts that were left out, each with its reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub error_list: Vec<Failed>,
    /// What is known of the effect, and what to do; the service has neither.
    #[serde(flatten)]
    pub advice: Option<Advice>,
}

/// A user and its tags.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct UserTags {
    /// The user.
    #[serde(rename = "To_Account")]
    pub account: String,
    /// Sorted when the answer is written, which is after the lock.
    #[serde(rename = "Tags", serialize_with = "texts")]
    pub tags: Vec<Arc<str>>,
}

fn texts<S: Serializer>(tags: &[Arc<str>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(tags.iter().map(|tag| &**tag))
}

/// A user that was left out.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// The user.
    #[serde(rename = "To_Account")]
    pub account: String,
    /// Why.
    #[serde(rename = "ErrorCode")]
    pub code: i32,
    #[serde(rename = "ErrorInfo")]
    text: String,
    /// What is known of the effect, and what to do; the service has neither.
    #[serde(flatten)]
    pub advice: Option<Advice>,
}

/// What a failure leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Advice {
    /// `not applied`, `possibly applied`, `applied` or `not read`.
    pub effect: &'static str,
    /// What the caller can do.
    pub remedy: &'static str,
    /// True if the same may be done when it is asked for again, a little later.
    pub retryable: bool,
}

impl Failed {
    /// A user with the reason.
    #[must_use]
    pub fn new(account: String, refusal: Refusal) -> Failed {
        Failed {
            account,
            code: refusal.code,
            text: refusal.text,
            advice: None,
        }
    }
}

impl Answer {
    /// OK; with no tags yet if the request is a get.
    #[must_use]
    pub fn ok(is_get: bool) -> Answer {
        Answer {
            user_tags: is_get.then(Vec::new),
            ..Answer::new("OK", Refusal::new(0, ""))
        }
    }

    /// FAIL.
    #[must_use]
    pub fn fail(refusal: Refusal) -> Answer {
        Answer::new("FAIL", refusal)
    }

    fn new(action_status: &'static str, refusal: Refusal) -> Answer {
        Answer {
            action_status,
            error_info: refusal.text,
            error_code: refusal.code,
            request_id: String::new(),
            user_tags: None,
            error_list: Vec::new(),
            advice: None,
        }
    }

    /// The body.
    #[must_use]
    pub fn json(mut self, request_id: String) -> Vec<u8> {
        self.request_id = request_id;
        for user in self.user_tags.iter_mut().flatten() {
            user.tags.sort_unstable();
        }
        serde_json::to_vec(&self).expect("strings, numbers and lists of them are JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reads_as_the_documentation_has_it() {
        let mut answer = Answer::ok(true);
        answer.user_tags = Some(vec![UserTags {
            account: "a".to_owned(),
            tags: ["标", "a"].map(Arc::from).to_vec(),
        }]);
        let refusal = Refusal::new(70107, "never imported");
        answer.error_list.push(Failed::new("b".to_owned(), refusal));
        let mut advised = Answer::fail(Refusal::new(60007, "slow"));
        advised.advice = Some(Advice {
            effect: "not applied",
            remedy: "slow down",
            retryable: true,
        });
        for (answer, expected) in [
            (
                Answer::ok(false),
                r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"RequestId":"emulator-7"}"#,
            ),
            (
                Answer::fail(Refusal::new(90001, "no \"list\"")),
                r#"{"ActionStatus":"FAIL","ErrorInfo":"no \"list\"","ErrorCode":90001,"RequestId":"emulator-7"}"#,
            ),
            (
                answer,
                concat!(
                    r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"RequestId":"emulator-7","#,
                    r#""UserTags":[{"To_Account":"a","Tags":["a","标"]}],"#,
                    r#""ErrorList":[{"To_Account":"b","ErrorCode":70107,"ErrorInfo":"never imported"}]}"#
                ),
            ),
            (
                advised,
                concat!(
                    r#"{"ActionStatus":"FAIL","ErrorInfo":"slow","ErrorCode":60007,"RequestId":"emulator-7","#,
                    r#""Effect":"not applied","Remedy":"slow down","Retryable":true}"#
                ),
            ),
        ] {
            assert_eq!(
                String::from_utf8(answer.json("emulator-7".to_owned())).unwrap(),
                expected
            );
        }
    }
}
