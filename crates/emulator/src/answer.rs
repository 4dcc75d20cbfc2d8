//! The answer's envelope, written by the emulator itself: `ActionStatus`, `ErrorInfo`, `ErrorCode`, and `RequestId`,
//! which the service may send and which is always here. `UserTags` comes with get; `ErrorList` only when it is not
//! empty.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::apply::Applied;
use crate::refusal::Refusal;

/// What is told to the caller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    refusal: Option<Refusal>,
    user_tags: Option<Vec<(String, BTreeSet<String>)>>,
    failed: Vec<(String, Refusal)>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<'a> {
    action_status: &'static str,
    error_info: &'a str,
    error_code: i32,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_tags: Option<Vec<UserTags<'a>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    error_list: Vec<Failed<'a>>,
}

#[derive(Serialize)]
struct UserTags<'a> {
    #[serde(rename = "To_Account")]
    account: &'a str,
    #[serde(rename = "Tags")]
    tags: &'a BTreeSet<String>,
}

#[derive(Serialize)]
struct Failed<'a> {
    #[serde(rename = "To_Account")]
    account: &'a str,
    #[serde(rename = "ErrorCode")]
    code: i32,
    #[serde(rename = "ErrorInfo")]
    text: &'a str,
}

impl Answer {
    pub(crate) fn ok(applied: Applied, reads: bool) -> Answer {
        Answer {
            refusal: None,
            user_tags: reads.then_some(applied.read),
            failed: applied.failed,
        }
    }

    pub(crate) fn fail(refusal: Refusal) -> Answer {
        Answer {
            refusal: Some(refusal),
            user_tags: None,
            failed: Vec::new(),
        }
    }

    pub(crate) fn code(&self) -> i32 {
        self.refusal.as_ref().map_or(0, |refusal| refusal.code)
    }

    pub(crate) fn json(&self, number: u64) -> Vec<u8> {
        let status = if self.refusal.is_some() { "FAIL" } else { "OK" };
        let user_tags = self.user_tags.as_ref().map(|users| {
            let user = |(account, tags)| UserTags { account, tags };
            users.iter().map(|(a, t)| user((a.as_str(), t))).collect()
        });
        let failed = self.failed.iter().map(|(account, refusal)| Failed {
            account,
            code: refusal.code,
            text: &refusal.text,
        });
        let envelope = Envelope {
            action_status: status,
            error_info: self.refusal.as_ref().map_or("", |refusal| &refusal.text),
            error_code: self.code(),
            request_id: format!("emulator-{number}"),
            user_tags,
            error_list: failed.collect(),
        };
        serde_json::to_vec(&envelope).expect("strings, numbers and lists of them are JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: &Answer) -> String {
        String::from_utf8(answer.json(7)).unwrap()
    }

    #[test]
    fn an_answer_reads_as_the_documentation_has_it() {
        assert_eq!(
            text(&Answer::ok(Applied::default(), false)),
            r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"RequestId":"emulator-7"}"#
        );
        assert_eq!(
            text(&Answer::fail(Refusal::new(90001, "no \"list\""))),
            r#"{"ActionStatus":"FAIL","ErrorInfo":"no \"list\"","ErrorCode":90001,"RequestId":"emulator-7"}"#
        );
    }

    #[test]
    fn what_was_read_and_who_failed_stand_in_lists_of_their_own() {
        let applied = Applied {
            read: vec![("a".to_owned(), BTreeSet::from(["标".to_owned()]))],
            failed: vec![("b".to_owned(), Refusal::new(70107, "never imported"))],
        };
        assert_eq!(
            text(&Answer::ok(applied, true)),
            concat!(
                r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"RequestId":"emulator-7","#,
                r#""UserTags":[{"To_Account":"a","Tags":["标"]}],"#,
                r#""ErrorList":[{"To_Account":"b","ErrorCode":70107,"ErrorInfo":"never imported"}]}"#
            )
        );
    }
}
