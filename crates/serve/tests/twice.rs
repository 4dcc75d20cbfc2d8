//! What stands twice in a request, where each program that reads it could take another one for that which counts.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use imtag_emulator::Generation;
use serde_json::json;

use support::{ADD, Answer, Scene, http};

/// What is answered, and whether anything was sent on.
fn asked(scene: &Scene, bytes: impl AsRef<[u8]>) -> (Answer, usize) {
    let before = scene.arrivals();
    let mut stream = scene.connect();
    stream.say(bytes);
    (stream.answer().unwrap(), scene.arrivals() - before)
}

fn with(start: &str, lines: &str) -> String {
    let body = r#"{"UserTags":[{"To_Account":"a","Tags":["t"]}]}"#;
    let length = body.len();
    format!("{start}\r\n{lines}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[test]
fn what_stands_twice_is_refused_and_neither_of_both_counts() {
    let scene = Scene::with_quota(Generation::AllMemberPush, 1_000);
    let user = |account: &str| format!(r#"[{{"To_Account":"{account}","Tags":["t"]}}]"#);
    let twice = format!(r#"{{"UserTags":{},"UserTags":{}}}"#, user("a"), user("b"));
    let account = r#"{"UserTags":[{"To_Account":"a","To_Account":"b","Tags":["t"]}]}"#;
    let tags = r#"{"UserTags":[{"To_Account":"a","Tags":["t"],"Tags":["u"]}]}"#;
    for (body, name) in [
        (&*twice, "UserTags stands twice"),
        (account, "UserTags[0].To_Account stands twice"),
        (tags, "UserTags[0].Tags stands twice"),
    ] {
        let (answer, sent) = asked(&scene, http::post(ADD, "", body));
        assert_eq!((answer.code(), sent), (90001, 0), "{body}");
        let text = answer.json["ErrorInfo"].as_str().unwrap();
        assert!(text.contains(name), "{text}");
    }
    let start = |query: &str| format!("POST {ADD}{query} HTTP/1.1");
    let host = "Host: localhost\r\n";
    let app = scene.emulator.sdkappid();
    let apps = start(&format!("?sdkappid={app}&sdkappid=1"));
    let (answer, sent) = asked(&scene, with(&apps, host));
    assert_eq!((answer.code(), sent), (60025, 0));
    for (lines, status) in [
        (
            "Origin: http://localhost\r\nOrigin: http://evil.example\r\n",
            403,
        ),
        (
            "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n",
            403,
        ),
        ("Imtag-Timeout: 5\r\nImtag-Timeout: 6\r\n", 400),
    ] {
        let request = with(&start(""), &format!("{host}{lines}"));
        let (answer, sent) = asked(&scene, request);
        assert_eq!((answer.status, sent), (status, 0), "{lines}");
    }
    let user = json!({"UserTags": [{"To_Account": "a", "Tags": ["t"]}]});
    assert_eq!(scene.post(ADD, user).code(), 0);
}
