//! What a daemon leaves to the next one: requests that were not answered may arrive late, and undo no change of it.

#![cfg(all(feature = "serve", feature = "emulator"))]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use imtag_emulator::{Fault, Operation};
use rustix::process::Signal;
use stage::{Running, Stage, wait_until};

const OLD: &str = "/v4/all_member_push";

/// The status of a call, and its answer.
fn call(stage: &Stage, name: &str, seconds: f64) -> (String, serde_json::Value) {
    let body = if name == "im_get_tag" {
        r#"{"To_Account":["a"]}"#
    } else {
        r#"{"UserTags":[{"To_Account":"a","Tags":["t"]}]}"#
    };
    let mut stream = UnixStream::connect(stage.home.path().join("s")).unwrap();
    write!(
        stream,
        "POST {OLD}/{name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nImtag-Timeout: {seconds}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, json) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().to_owned();
    (status, serde_json::from_str(json).unwrap())
}

fn serve(stage: &Stage) -> Running {
    Running::start(stage.imtag(&["serve", "--socket", "s"]))
}

fn assert_held_back(stage: &Stage) {
    let (status, answer) = call(stage, "im_remove_tag", 0.2);
    assert_eq!(
        (status.as_str(), &answer["Effect"]),
        ("503", &"not applied".into())
    );
    assert_eq!(call(stage, "im_get_tag", 5.0).0, "200");
}

#[test]
fn after_a_kill_or_with_requests_unanswered_changes_are_held_back_and_else_they_are_not() {
    let stage = Stage::new();
    let daemon = serve(&stage);
    assert_eq!(call(&stage, "im_add_tag", 5.0).0, "200", "none was before");
    daemon.signal(Signal::KILL);
    drop(daemon);
    let daemon = serve(&stage);
    assert_held_back(&stage);
    // it has waited for nothing itself, and leaves to the next what was left to it
    daemon.end(Signal::TERM);
    let daemon = serve(&stage);
    assert_held_back(&stage);
    daemon.end(Signal::TERM);

    // where all was answered
    let note = stage.home.path().join("s.late");
    fs::write(&note, "").unwrap();
    let daemon = serve(&stage);
    assert_eq!(call(&stage, "im_add_tag", 5.0).0, "200");
    daemon.end(Signal::TERM);
    assert_eq!(fs::read_to_string(&note).unwrap(), "");
    let daemon = serve(&stage);
    let late = Fault::delay(Duration::from_secs(1));
    stage.emulator.fault(Operation::Add, late);
    assert_eq!(call(&stage, "im_add_tag", 0.3).0, "504");
    daemon.end(Signal::TERM);
    let daemon = serve(&stage);
    assert_held_back(&stage);
    daemon.end(Signal::TERM);
}

#[test]
fn one_that_starts_while_another_answers_waits_with_its_changes_for_that() {
    let stage = Stage::new();
    let before = serve(&stage);
    let late = Fault::delay(Duration::from_secs(3));
    stage.emulator.fault(Operation::Add, late);
    std::thread::scope(|threads| {
        let added = threads.spawn(|| call(&stage, "im_add_tag", 7.0));
        stage::arrivals(&stage, 1);
        before.signal(Signal::TERM);
        let gone = || UnixStream::connect(stage.home.path().join("s")).is_err();
        wait_until("it listens on", gone);
        let after = serve(&stage);
        assert_eq!(call(&stage, "im_remove_tag", 7.0).0, "200");
        assert_eq!(added.join().unwrap().0, "200", "it was before");
        assert!(stage.tags_of("a").is_empty());
        after.end(Signal::TERM);
    });
}
