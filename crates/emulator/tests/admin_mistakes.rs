//! The admin API, wrongly called: every mistake gets a fitting status and JSON that says what it was.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use std::io::Write;

use caller::{ADD, Answer, Caller, tags};
use imtag_emulator::Emulator;

/// What an answer says is wrong, once its status and type are as they should be.
fn error(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.head);
    let head = &answer.head;
    assert!(
        head.contains("content-type: application/json\r\n"),
        "{head}"
    );
    let json = answer.json();
    assert_eq!(json.as_object().unwrap().len(), 1, "{json}");
    json["error"].as_str().unwrap().to_owned()
}

#[test]
fn every_mistake_is_answered_with_a_status_and_an_error_in_json() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    for (method, path, status, says) in [
        ("PUT", "/emulator/faults", 405, "takes POST, GET and DELETE"),
        ("GET", "/emulator/faults/1", 405, "standing fault DELETE"),
        ("DELETE", "/emulator/faults/1", 404, "no standing fault"),
        ("DELETE", "/emulator/faults/one", 404, "no standing fault"),
        ("GET", "/emulator/reset", 405, "reset POST"),
        ("POST", "/emulator/stats", 405, "else GET"),
        ("DELETE", "/emulator/users/a", 405, "else GET"),
        ("GET", "/emulator/users/%ff", 400, "not UTF-8"),
        ("POST", "/emulator/faults", 400, "not JSON of faults"),
        ("GET", "/emulator", 404, "GET /emulator/stats"),
        ("POST", "/emulator", 404, "GET /emulator/stats"),
        ("GET", "/emulator/", 404, "GET /emulator/stats"),
        ("POST", "/emulator/", 404, "GET /emulator/stats"),
        ("GET", "/emulator/users/", 404, "GET /emulator/stats"),
        ("GET", "/emulator/reset/", 404, "GET /emulator/stats"),
        ("GET", "/emulator/%ff", 404, "GET /emulator/stats"),
    ] {
        let answer = caller.request(method, path, "").unwrap();
        let text = error(&answer, status);
        assert!(text.contains(says), "{method} {path}: {text}");
    }
    assert!(emulator.requests().is_empty());
}

#[test]
fn a_wrong_method_is_told_the_right_one() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    let answer = caller.request("GET", "/emulator/reset", "").unwrap();
    assert!(answer.head.contains("allow: post\r\n"), "{}", answer.head);
}

#[test]
fn faults_beyond_the_limit_are_refused_in_json_and_not_queued() {
    let emulator = Emulator::builder().start().unwrap();
    let order = r#"{"route": "add", "faults": [{"kind": "garbage"}]}"#;
    // One byte too many: all of it is read before it is refused, so that no reset overtakes the answer.
    let padding = " ".repeat(2 * 1024 * 1024 + 1 - order.len());
    let mut caller = Caller::new(&emulator);
    let answer = caller.request("POST", "/emulator/faults", &format!("{order}{padding}"));
    let text = error(&answer.unwrap(), 413);
    assert!(text.contains("2 MiB"), "{text}");
    assert_eq!(emulator.stats().faults_waiting, 0);
}

#[test]
fn a_web_page_cannot_use_the_admin_api() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    assert_eq!(caller.code(ADD, tags(&[("a", &["t"])])), 0);
    for origin in ["https://example.com", "http://localhost:1", "null", ""] {
        for (method, path) in [
            ("POST", "/emulator/reset"),
            ("POST", "/emulator/faults"),
            ("OPTIONS", "/emulator/faults"),
            ("GET", "/emulator/users"),
            ("GET", "/emulator"),
        ] {
            let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}");
            let request = format!("{head}\r\nContent-Length: 0\r\n\r\n");
            caller.stream().write_all(request.as_bytes()).unwrap();
            let text = error(&caller.receive().unwrap(), 403);
            assert!(text.contains("web pages"), "{text}");
        }
    }
    assert_eq!(emulator.user("a").len(), 1);
}
