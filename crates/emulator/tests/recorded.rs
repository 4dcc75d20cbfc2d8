//! Requests of other SDKs of the service, as they were recorded on the wire: `recorded/*.http`.
//!
//! A file is of one SDK, whose version stands at its top, unless it says that it is of none. Each request follows the
//! line `### STEP (REMARK)`, which says what was asked for, as `check` has it. The UserSig is replaced by SIG (ESCAPED
//! where `*` was `%2A`, ALL_ESCAPED where `-` and `_` were escaped too), and lines of the head end in a line feed alone.
//! Nothing else is changed, but the number of the system that one SDK names.
//!
//! To record an SDK, start `imtag emulator --tls --data emulator`, and in front of it a proxy that answers CONNECT,
//! ends TLS with a certificate signed by `emulator/ca-key.pem`, and keeps what it hands on. Lead the SDK to the proxy
//! as docs/other-sdks.md leads it to the emulator, and let it add the tags `a` and `标签` to `u`, read `u` and `v`, and
//! so on.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use std::fs;

use caller::{Answer, Caller, usersig};
use imtag_emulator::{Emulator, Fault, Generation, Operation};
use serde_json::json;

/// Sends a request to an emulator in which `u` has the tags that it starts with, except where it is to get them.
fn send(step: &str, request: &str) -> (Emulator, Answer) {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    if step != "add" {
        let body = json!({"UserTags": [{"To_Account": "u", "Tags": ["a", "标签"]}]});
        let add = (Operation::Add, Generation::AllMemberPush);
        assert_eq!(caller.code(add, body), 0);
    }
    if step == "partial" {
        for operation in [Operation::Add, Operation::Remove] {
            emulator.fault(operation, Fault::leave_out(["never_imported"], 70107));
        }
    }
    let (head, body) = request.split_once("\n\n").unwrap();
    let usersig = usersig(&emulator);
    let all_escaped = usersig.replace('-', "%2D").replace('_', "%5F");
    let head = head
        .replace("ALL_ESCAPED", &all_escaped.replace('*', "%2A"))
        .replace("SIG", &usersig)
        .replace("ESCAPED", &usersig.replace('*', "%2A"))
        .replace('\n', "\r\n");
    let bytes = format!("{head}\r\n\r\n{body}");
    let answer = caller.raw(bytes).unwrap();
    (emulator, answer)
}

fn check(step: &str, request: &str) {
    let (emulator, answer) = send(step, request);
    let json = answer.json();
    assert!(answer.head.contains("content-type: application/json\r\n"));
    assert!(!answer.head.contains("content-encoding"));
    let tags: Vec<String> = emulator.user("u").into_iter().collect();
    let refused = |code: i64, text: &str| {
        assert_eq!((answer.code(), &json["ErrorInfo"]), (code, &json!(text)));
        assert_eq!(tags, ["a", "标签"]);
    };
    match step {
        "add" => assert_eq!(
            (answer.code(), &tags[..]),
            (0, &["a", "标签"].map(String::from)[..])
        ),
        "get" => assert_eq!(
            (answer.code(), &json["UserTags"]),
            (
                0,
                &json!([{"To_Account": "u", "Tags": ["a", "标签"]}, {"To_Account": "v", "Tags": []}])
            )
        ),
        "remove" => assert_eq!((answer.code(), &tags[..]), (0, &["标签".to_owned()][..])),
        "clear" => assert_eq!((answer.code(), &tags[..]), (0, &[][..])),
        "partial" => {
            assert_eq!(answer.code(), 0);
            assert_eq!(answer.failed(), [("never_imported".to_owned(), 70107)]);
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
        _ => panic!("no such step: {step}"),
    }
}

#[test]
fn what_other_sdks_send_is_answered() {
    let mut requests = 0;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recorded");
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let file = fs::read_to_string(&path).unwrap();
        for part in file.replace('\r', "").split("\n### ").skip(1) {
            let (step, request) = part.split_once('\n').unwrap();
            println!("{}: {step}", path.display());
            let step = step.split(" (").next().unwrap();
            check(step, request.trim_end());
            requests += 1;
        }
    }
    assert_eq!(requests, 51);
}
