//! Requests that are refused by their heads, and callers that are gone before theirs is whole: each is counted as what it is.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::Generation;
use serde_json::json;

use support::{ADD, Scene, Setup, http, schema};

const GOOD: &str = r#"{"UserTags":[{"To_Account":"a","Tags":["t"]}]}"#;
const ROW: &str = r#"{"To_Account":"a","Tags":["t"]}"#;

fn figure(scene: &Scene, name: &str) -> u64 {
    let figures = scene.page("/metrics").text;
    let line = figures.lines().find_map(|it| it.strip_prefix(name));
    line.unwrap().trim().parse().unwrap()
}

/// How often a figure has been counted, at last.
#[track_caller]
fn assert_counted(scene: &Scene, name: &str, expected: u64) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let counted = figure(scene, name);
        if counted == expected {
            return;
        }
        assert!(Instant::now() < until, "{name}: {counted}, not {expected}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn each_head_that_is_refused_is_counted_as_that() {
    let scene = Scene::new(Generation::AllMemberPush);
    let long = format!("/{}", "a".repeat(64 * 1024));
    let many = "A: b\r\n".repeat(200);
    let mut refused = 0;
    for (head, status) in [
        ("hello\r\n\r\n".to_owned(), 400),
        (format!("POST {ADD} HTTP/1.1\r\nBad name: x\r\n\r\n"), 400),
        (
            format!("POST {ADD} HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n"),
            400,
        ),
        (
            format!("POST {ADD} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n"),
            400,
        ),
        (format!("POST {ADD} HTTP/1.1\r\nHost: x\r\n{many}\r\n"), 431),
        (format!("POST {long} HTTP/1.1\r\nHost: x\r\n\r\n"), 431),
        (
            format!("POST {ADD} HTTP/1.1\r\nHost: x\r\nA: {long}\r\n\r\n"),
            431,
        ),
        // these come to the daemon itself
        (format!("POST {ADD} HTTP/1.1\r\n\r\n"), 400),
        (
            format!("POST {ADD} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                .to_owned(),
            200,
        ),
    ] {
        let mut stream = scene.connect();
        stream.say(&head);
        let start = &head[..head.len().min(60)];
        assert_eq!(stream.answer().unwrap().status, status, "{start}");
        refused += 1;
        assert_counted(&scene, "imtag_serve_refused_total ", refused);
    }
    // a connection that ends without a request has asked for nothing
    drop(scene.connect());
    let mut begun = scene.connect();
    begun.say("POST ");
    drop(begun);
    assert_eq!(scene.post(ADD, json!({"UserTags": []})).code(), 90001);
    assert_counted(&scene, "imtag_serve_refused_total ", refused);
    assert_eq!(scene.arrivals(), 0);
}

#[test]
fn a_body_in_another_coding_than_chunks_is_refused_by_its_name() {
    let scene = Scene::new(Generation::AllMemberPush);
    let length = GOOD.len();
    let chunks = format!("{length:x}\r\n{GOOD}\r\n0\r\n\r\n");
    for (codings, status) in [
        ("Transfer-Encoding: chunked\r\n", 200),
        ("Transfer-Encoding: Chunked\r\n", 200),
        ("Transfer-Encoding: gzip, chunked\r\n", 400),
        (
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
            400,
        ),
        ("Transfer-Encoding: chunked, chunked\r\n", 400),
    ] {
        for path in [ADD, "/v1/changes"] {
            let before = scene.arrivals();
            let mut stream = scene.connect();
            let next = http::post(ADD, "", GOOD);
            stream.say(format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\n{codings}\r\n{chunks}{next}"
            ));
            let answer = stream.answer().unwrap();
            if status == 400 {
                assert_eq!(answer.status, 400, "{codings}");
                schema::check("post", path, &answer);
                assert!(answer.text.contains("Transfer-Encoding"), "{}", answer.text);
                // nor is what comes behind it a request
                assert!(stream.answer().is_none(), "{codings}");
                assert_eq!(scene.arrivals(), before, "{codings}");
            } else {
                assert_ne!(answer.status, 400, "{codings}");
            }
        }
    }
}

#[test]
fn a_length_beside_chunks_does_not_count_in_any_order_and_nothing_behind_them_is_a_request() {
    let scene = Scene::new(Generation::AllMemberPush);
    let length = GOOD.len();
    let smuggled = http::post(ADD, "", GOOD);
    for lines in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
    ] {
        let before = scene.arrivals();
        let mut stream = scene.connect();
        stream.say(format!(
            "POST {ADD} HTTP/1.1\r\nHost: x\r\n{lines}\r\n{length:x}\r\n{GOOD}\r\n0\r\n\r\n{smuggled}"
        ));
        assert_eq!(stream.answer().unwrap().code(), 0, "{lines}");
        assert!(stream.answer().is_none(), "{lines}");
        assert_eq!(scene.arrivals(), before + 1, "{lines}");
    }
}

#[test]
fn who_hangs_up_in_the_middle_of_a_body_is_counted_as_that_and_not_as_answered() {
    let scene = Scene::start(Setup::durable());
    let mut hung_up = 0;
    for (path, body) in [(ADD, GOOD), ("/v1/changes", ROW)] {
        let whole = http::kept(path, "", body);
        for is_whole_end in [true, false] {
            let mut stream = scene.connect();
            stream.say(&whole[..whole.len() - 5]);
            assert_counted(&scene, "imtag_serve_in_flight ", 1);
            if is_whole_end {
                drop(stream);
            } else {
                // it reads on, and is told nothing that it could take for an answer
                stream.ends_sending();
                assert!(stream.answer().is_none());
            }
            hung_up += 1;
            assert_counted(&scene, "imtag_serve_in_flight ", 0);
            assert_counted(&scene, "imtag_serve_hung_up_total ", hung_up);
        }
    }
    // chunks that are none are a mistake of one that waits for its answer
    for path in [ADD, "/v1/changes"] {
        let mut stream = scene.connect();
        stream.say(format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"
        ));
        assert_eq!(stream.answer().unwrap().status, 400, "{path}");
    }
    assert_counted(&scene, "imtag_serve_hung_up_total ", hung_up);
    let figures = scene.page("/metrics").text;
    let answered = |it: &&str| {
        it.starts_with("imtag_serve_calls_total{") || it.starts_with("imtag_serve_requests_total{")
    };
    let answered: Vec<_> = figures.lines().filter(answered).collect();
    assert_eq!(answered.len(), 2, "{answered:?}");
    assert!(answered.iter().all(|it| it.ends_with(" 1")), "{answered:?}");
}
