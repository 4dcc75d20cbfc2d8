//! Heads of answers as proxies send them, and answers that are coded although the request asks for no coding.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use imtag_transport::{Cause, Error, Outcome};
use support::*;

const DONE: &str = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;

/// What a call makes of a server that says `answer` to every request, and then closes; and the last request.
fn call(answer: &[u8]) -> (Result<Outcome, Error>, String) {
    let requests = Arc::new(Mutex::new(String::new()));
    let (seen, answer) = (Arc::clone(&requests), answer.to_vec());
    let address = server(move |mut stream| {
        let mut request = Vec::new();
        while !request.ends_with(b"]}") {
            let mut piece = [0; 4096];
            match stream.read(&mut piece) {
                Ok(read) if read > 0 => request.extend_from_slice(&piece[..read]),
                _ => return,
            }
        }
        *seen.lock().unwrap() = String::from_utf8(request).unwrap();
        // the client may have heard enough
        let _ = stream.write_all(&answer);
    });
    let client = builder(&format!("http://{address}")).build().unwrap();
    let called = client.add_tag(&add());
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
fn an_answer_is_read_whatever_lines_its_head_has_besides() {
    let length = length();
    let lines = |count: usize| -> String { (0..count).map(|n| format!("x-{n}: v\r\n")).collect() };
    let long = format!("x-long: {}\r\n", "v".repeat(100_000));
    let (hundred, thousand) = (lines(150), lines(1_000));
    for (name, head) in [
        (
            "150 lines",
            format!("HTTP/1.1 200 OK\r\n{hundred}{length}\r\n"),
        ),
        (
            "1,000 lines",
            format!("HTTP/1.1 200 OK\r\n{length}{thousand}\r\n"),
        ),
        (
            "a long line",
            format!("HTTP/1.1 200 OK\r\n{long}{length}\r\n"),
        ),
        (
            "a folded line",
            format!("HTTP/1.1 200 OK\r\nx: y\r\n z\r\n{length}\r\n"),
        ),
        (
            "a folded length",
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length:\r\n {}\r\n\r\n",
                DONE.len()
            ),
        ),
        (
            "lines without a value",
            format!("HTTP/1.1 200 OK\r\nx:\r\nno colon\r\n{length}\r\n"),
        ),
        (
            "a length said again",
            format!("HTTP/1.1 200 OK\r\n{length}{length}\r\n"),
        ),
        (
            "lower case",
            format!("HTTP/1.1 200 ok\r\n{}\r\n", length.to_lowercase()),
        ),
        ("HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n".to_owned()),
        (
            "no length",
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned(),
        ),
        (
            "100 first",
            format!("HTTP/1.1 100 Continue\r\nx: y\r\n\r\nHTTP/1.1 200 OK\r\n{length}\r\n"),
        ),
        (
            "103 first",
            format!(
                "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n{length}\r\n"
            ),
        ),
        (
            "no carriage returns",
            format!("HTTP/1.1 200 OK\n{}\n", length.replace('\r', "")),
        ),
        (
            "coded as nothing",
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\n{length}\r\n"),
        ),
        (
            "coded in name only",
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: utf-8\r\n{length}\r\n"),
        ),
    ] {
        let (called, request) = call(format!("{head}{DONE}").as_bytes());
        assert_eq!(
            called
                .map(|done| done.accounts)
                .map_err(|it| it.to_string()),
            Ok(2),
            "{name}"
        );
        let request = request.to_lowercase();
        assert!(
            request.contains("\r\naccept-encoding: identity\r\n"),
            "{request}"
        );
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
    let two_lengths = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n{}\r\n{DONE}",
        length()
    );
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
fn an_answer_that_is_coded_all_the_same_is_named_as_that() {
    let remedy = "turn compression off in the proxy or gateway on the way: the request asks for none \
                  (Accept-Encoding: identity)";
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xab\x56";
    let answer = |status: &str, coding: &str| {
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Encoding: {coding}\r\nContent-Length: 12\r\n\r\n"
        );
        [head.as_bytes(), gzip].concat()
    };
    for (status, coding, message) in [
        (
            "200 OK",
            "gzip",
            "add: the answer is encoded as \"gzip\", though the request asks for none",
        ),
        (
            "200 OK",
            "br",
            "add: the answer is encoded as \"br\", though the request asks for none",
        ),
        (
            "200 OK",
            "deflate, br",
            "add: the answer is encoded as \"deflate, br\", though the request asks for none",
        ),
        (
            "502 Bad Gateway",
            "gzip",
            "add: HTTP status 502 instead of 200, and the answer is encoded as \"gzip\", though the request asks for none",
        ),
        (
            "403 Forbidden",
            "zstd",
            "add: HTTP status 403 instead of 200, and the answer is encoded as \"zstd\", though the request asks for none",
        ),
    ] {
        let error = failed(&answer(status, coding));
        assert!(error.to_string().starts_with(message), "{error}");
        assert_eq!(error.remedy(), remedy);
        assert_eq!(error.retryable(), !status.starts_with("403"));
    }
    // a page that can be read is shown
    let page = b"HTTP/1.1 502 Bad\r\nContent-Encoding: utf-8\r\nContent-Length: 4\r\n\r\noops";
    let error = failed(page);
    assert!(
        error
            .to_string()
            .contains("HTTP status 502 instead of 200, with \"oops\""),
        "{error}"
    );
}

#[test]
fn a_usersig_that_is_refused_tells_of_clocks_that_differ() {
    let refused = r#"{"ActionStatus":"FAIL","ErrorInfo":"expired","ErrorCode":70001}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nDate: Fri, 01 Jan 2100 00:00:00 GMT\r\nContent-Length: {}\r\n\r\n{refused}",
        refused.len()
    );
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
