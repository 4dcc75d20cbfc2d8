//! Requests of other SDKs of the service, as they were recorded on the wire, and the emulator's answers to them.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;
#[allow(dead_code)] // the daemon's test uses all of it
#[path = "../../../tests/recorded/cases.rs"]
mod cases;

use caller::{Answer, Caller};
use cases::Case;
use imtag_emulator::{Emulator, Fault, Generation, Operation};
use serde_json::json;

/// Sends a request to an emulator in which `u` has the tags that it starts with, except where it is to get them.
fn send(case: &Case) -> (Emulator, Answer) {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    if !case.step.ends_with("add") {
        let body = json!({"UserTags": [{"To_Account": "u", "Tags": ["a", "标签"]}]});
        let add = (Operation::Add, Generation::AllMemberPush);
        assert_eq!(caller.code(add, body), 0);
    }
    if case.step.starts_with("partial") {
        for operation in Operation::ALL {
            emulator.fault(operation, Fault::leave_out(["never_imported"], 70107));
        }
    }
    let key = emulator.secret_key();
    let answer = caller.raw(case.bytes(emulator.sdkappid(), emulator.identifier(), key));
    let answer = answer.unwrap();
    (emulator, answer)
}

fn check(case: &Case) {
    let (emulator, answer) = send(case);
    let json = answer.json();
    assert!(answer.head.contains("content-type: application/json\r\n"));
    assert!(!answer.head.contains("content-encoding"));
    let tags: Vec<String> = emulator.user("u").into_iter().collect();
    let refused = |code: i64, text: &str| {
        assert_eq!((answer.code(), &json["ErrorInfo"]), (code, &json!(text)));
        assert_eq!(tags, ["a", "标签"]);
    };
    let is_done = |expected: &[&str]| {
        assert_eq!(answer.code(), 0);
        assert_eq!(tags, expected);
    };
    let leaves_out = || assert_eq!(answer.failed(), [("never_imported".to_owned(), 70107)]);
    let read = json!({"To_Account": "u", "Tags": ["a", "标签"]});
    match &*case.step {
        "add" => is_done(&["a", "标签"]),
        "get" => {
            is_done(&["a", "标签"]);
            let other = json!({"To_Account": "v", "Tags": []});
            assert_eq!(json["UserTags"], json!([read, other]));
        }
        "remove" => is_done(&["标签"]),
        "clear" => is_done(&[]),
        "partial add" => {
            assert_eq!(answer.code(), 0);
            assert!(tags.contains(&"a".to_owned()));
            leaves_out();
        }
        "partial get" => {
            is_done(&["a", "标签"]);
            assert_eq!(json["UserTags"], json!([read]));
            leaves_out();
        }
        "partial remove" => {
            is_done(&["标签"]);
            leaves_out();
        }
        "partial clear" => {
            is_done(&[]);
            leaves_out();
        }
        "refused" => refused(90020, "UserTags[0].Tags[0] has 51 bytes, at most 50"),
        "misspelt" => refused(90001, "UserTags is missing; there is \"Tags\""),
        "entry alone" => refused(
            90001,
            "UserTags is missing; there is \"Tags\", \"To_Account\"",
        ),
        "elsewhere" => {
            assert_eq!(answer.code(), 60009);
            let text = json["ErrorInfo"].as_str().unwrap();
            assert!(text.starts_with("there is no /v4/"), "{text}");
        }
        "another app" => refused(70020, "the SDKAppID is unknown"),
        "another key" => refused(
            70009,
            "the UserSig's signature does not verify: another app's key?",
        ),
        _ => panic!("no such step: {}", case.step),
    }
}

#[test]
fn what_other_sdks_send_is_answered() {
    for case in cases::all() {
        println!("{}", case.name);
        check(&case);
    }
}
