//! The answer's envelope, written by the emulator itself: `ActionStatus`, `ErrorInfo`, `ErrorCode`, and `RequestId`,
//! which the service may send and the emulator always does. `UserTags` comes with get; `ErrorList` only when it is not
//! empty.

use std::sync::Arc;

use imtag_core::Code;
use serde::{Serialize, Serializer};

/// Why the emulator does not do what was asked: a code of the service, and a text that says what was wrong with this
/// request. Which mistake gets which code is decided where the mistake is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: i32,
    pub(crate) text: String,
}

impl Refusal {
    pub(crate) fn new(code: i32, text: impl Into<String>) -> Refusal {
        Refusal {
            code,
            text: text.into(),
        }
    }

    /// A code with the catalogue's text, as a fault has it.
    pub(crate) fn plain(code: i32) -> Refusal {
        let entry = Code(code).entry();
        Refusal::new(
            code,
            entry.map_or("an error of the emulator's", |entry| entry.meaning),
        )
    }
}

/// What a request is answered.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Answer {
    action_status: &'static str,
    error_info: String,
    pub(crate) error_code: i32,
    request_id: String,
    /// What the users carry, in the order of the request; `None` unless the request is a get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_tags: Option<Vec<UserTags>>,
    /// The accounts that were left out, each with its reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) error_list: Vec<Failed>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct UserTags {
    #[serde(rename = "To_Account")]
    pub(crate) account: String,
    /// Sorted when the answer is written, which is after the lock.
    #[serde(rename = "Tags", serialize_with = "texts")]
    pub(crate) tags: Vec<Arc<str>>,
}

fn texts<S: Serializer>(tags: &[Arc<str>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(tags.iter().map(|tag| &**tag))
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Failed {
    #[serde(rename = "To_Account")]
    pub(crate) account: String,
    #[serde(rename = "ErrorCode")]
    pub(crate) code: i32,
    #[serde(rename = "ErrorInfo")]
    text: String,
}

impl Failed {
    pub(crate) fn new(account: String, refusal: Refusal) -> Failed {
        Failed {
            account,
            code: refusal.code,
            text: refusal.text,
        }
    }
}

impl Answer {
    /// OK; with no tags yet if the request is a get.
    pub(crate) fn ok(is_get: bool) -> Answer {
        Answer {
            user_tags: is_get.then(Vec::new),
            ..Answer::new("OK", Refusal::new(0, ""))
        }
    }

    pub(crate) fn fail(refusal: Refusal) -> Answer {
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
        }
    }

    /// The body of the answer to the request of this number in the log.
    pub(crate) fn json(mut self, number: u64) -> Vec<u8> {
        self.request_id = format!("emulator-{number}");
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
        ] {
            assert_eq!(String::from_utf8(answer.json(7)).unwrap(), expected);
        }
    }
}
