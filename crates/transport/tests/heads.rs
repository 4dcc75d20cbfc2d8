//! Heads of answers as proxies send them, and answers that are encoded although the request asks for no encoding.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::sync::{Arc, Mutex};

use imtag_transport::{Cause, Error, Outcome};
use support::*;

/// What a call makes of a server that says `answer` to every request, and then closes; and the last request.
fn call(answer: &[u8]) -> (Result<Outcome, Error>, String) {
    let requests = Arc::new(Mutex::new(String::new()));
    let (seen, answer) = (Arc::clone(&requests), answer.to_vec());
    let endpoint = answering(move |request, stream| {
        *seen.lock().unwrap() = request.to_owned();
        say(stream, &answer);
        false
    });
    let called = builder(&endpoint).build().unwrap().add_tag(&add());
    let request = requests.lock().unwrap().clone();
    (called, request)
}

fn failed(answer: &[u8]) -> Error {
    call(answer).0.unwrap_err()
}

fn length() -> String {
    format!("Content-Length: {}\r\n", DONE.len())
}

#[test]
fn an_answer_is_read_whatever_other_lines_its_head_has() {
    let length = length();
    let ok = |lines: String| format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
    let lines = |count: usize| -> String { (0..count).map(|n| format!("x-{n}: v\r\n")).collect() };
    let long = "v".repeat(100_000);
    let plain = ok(length.clone());
    let first = |it: &str| format!("HTTP/1.1 {it}\r\n\r\n{plain}");
    let encoded = |name: &str| ok(format!("Content-Encoding: {name}\r\n{length}"));
    for (name, head) in [
        ("150 lines", ok(lines(150) + &length)),
        ("1,000 lines", ok(length.clone() + &lines(1_000))),
        ("a long line", ok(format!("x-long: {long}\r\n{length}"))),
        ("a folded line", ok(format!("x: y\r\n z\r\n{length}"))),
        ("a folded length", ok(length.replace(": ", ":\r\n "))),
        ("no value", ok(format!("x:\r\nno colon\r\n{length}"))),
        ("a repeated length", ok(length.repeat(2))),
        ("lower case", ok(length.to_lowercase()).replace("OK", "ok")),
        ("HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n".to_owned()),
        ("no length", ok("Connection: close\r\n".to_owned())),
        ("100 first", first("100 Continue\r\nx: y")),
        ("103 first", first("103 Early Hints\r\nlink: </a>")),
        ("no carriage returns", plain.replace('\r', "")),
        ("encoded as nothing", encoded("identity")),
        ("encoded in name only", encoded("utf-8")),
    ] {
        let (called, request) = call(format!("{head}{DONE}").as_bytes());
        let called = called.map(|done| done.accounts);
        assert_eq!(called.map_err(|it| it.to_string()), Ok(2), "{name}");
        let request = request.to_lowercase();
        let asks_for_no_encoding = request.contains("\r\naccept-encoding: identity\r\n");
        assert!(asks_for_no_encoding, "{request}");
    }
}

#[test]
fn an_answer_in_chunks_may_have_lines_after_it() {
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n5\r\n{}\r\n{:x};n=v\r\n{}\r\n0\r\nx: y\r\n\r\n",
        &DONE[..5],
        DONE.len() - 5,
        &DONE[5..]
    );
    assert_eq!(call(chunked.as_bytes()).0.unwrap().accounts, 2);
}

#[test]
fn heads_that_contradict_themselves_or_do_not_end_are_not_understood() {
    let length = length();
    let two_lengths = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n{length}\r\n{DONE}");
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "x: y\r\n".repeat(100_000));
    for (answer, reason) in [
        (two_lengths, "not an HTTP answer"),
        (endless, "the answer's head is too long"),
        ("SSH-2.0-OpenSSH_9.6\r\n".to_owned(), "not an HTTP answer"),
    ] {
        let error = failed(answer.as_bytes());
        let Cause::NotUnderstood(what) = error.cause() else {
            panic!("{error}");
        };
        assert_eq!(what.reason, reason);
        assert!(answer.starts_with(&what.start) && !what.start.is_empty());
    }
}

#[test]
fn an_answer_that_is_encoded_against_the_request_is_reported_as_that() {
    let remedy = "turn compression off in the proxy or gateway on the way: the request asks for none \
                  (Accept-Encoding: identity)";
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xab\x56";
    for (status, encoding, start) in [
        ("200 OK", "gzip", ""),
        ("200 OK", "br", ""),
        ("200 OK", "deflate, br", ""),
        ("502 No", "gzip", "HTTP status 502 instead of 200, and "),
        ("403 No", "zstd", "HTTP status 403 instead of 200, and "),
    ] {
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Encoding: {encoding}\r\nContent-Length: 12\r\n\r\n"
        );
        let error = failed(&[head.as_bytes(), gzip].concat());
        let message = format!(
            "add: {start}the answer is encoded as \"{encoding}\", though the request asks for none"
        );
        assert!(error.to_string().starts_with(&message), "{error}");
        assert_eq!(error.remedy(), remedy);
        assert_eq!(error.retryable(), !status.starts_with("403"));
    }
    // a page that can be read is shown
    let page = answer("502 Bad\r\nContent-Encoding: utf-8", "oops");
    let message = failed(page.as_bytes()).to_string();
    assert!(
        message.contains("HTTP status 502 instead of 200, with \"oops\""),
        "{message}"
    );
}

#[test]
fn a_refused_usersig_is_reported_with_clocks_that_differ() {
    let refused = r#"{"ActionStatus":"FAIL","ErrorInfo":"expired","ErrorCode":70001}"#;
    let answer = answer("200 OK\r\nDate: Fri, 01 Jan 2100 00:00:00 GMT", refused);
    let message = failed(answer.as_bytes()).to_string();
    let (start, rest) = message.split_once("this machine's clock says ").unwrap();
    assert_eq!(
        start,
        "add: the service refused the request: 70001 \"expired\"; "
    );
    let (_, rest) = rest.split_once(" UTC, ").unwrap();
    assert_eq!(
        rest,
        "the server's 2100-01-01 00:00:00 UTC (not applied; set this machine's clock: the UserSig was made just \
         before, valid for a week; 2 attempts)"
    );
}
