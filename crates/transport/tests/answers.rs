//! Answers to the letter, as servers and proxies send them: where a body ends and whether the next call uses the connection
//! again, by RFC 9112; heads with other lines, and encodings that were not asked for; a refused UserSig beside two clocks.
//! What each single line of a head and each piece of a body means, the unit tests of `http` hold.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use imtag_transport::{Cause, Client, Error, Outcome};
use support::*;

/// Requests, each with the peer that it came from.
type Heard = Arc<Mutex<Vec<(SocketAddr, String)>>>;

/// A server that says this to each request, and closes after it if it `closes`; and what it has heard.
fn saying(answer: Vec<u8>, closes: bool) -> (String, Heard) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let its = Arc::clone(&heard);
    let endpoint = answering(move |request, stream| {
        let peer = stream.peer_addr().unwrap();
        its.lock().unwrap().push((peer, request.to_lowercase()));
        say(stream, &answer);
        !closes
    });
    (endpoint, heard)
}

/// The answer to a call, and the last request.
fn call(answer: &[u8]) -> (Result<Outcome, Error>, String) {
    let (endpoint, heard) = saying(answer.to_vec(), true);
    let called = builder(&endpoint).build().unwrap().add_tag(&add());
    let (_, request) = heard.lock().unwrap().pop().unwrap();
    (called, request)
}

fn failed(answer: &[u8]) -> Error {
    call(answer).0.unwrap_err()
}

fn outcome(client: &Client) -> Result<usize, String> {
    let called = client.add_tag(&add()).map(|done| done.accounts);
    called.map_err(|error| match error.cause() {
        Cause::NotUnderstood(what) => what.reason.clone(),
        Cause::Encoded { encoding, .. } => format!("encoded as {encoding}"),
        _ => cause(&error),
    })
}

/// Checks two calls of one client, whose answers have these lines and this body, and whether both came over one connection.
#[track_caller]
fn check(lines: &str, body: &str, closes: bool, expected: Result<usize, &str>, is_kept: bool) {
    let (endpoint, heard) = saying(format!("{lines}\r\n{body}").into_bytes(), closes);
    let client = builder(&endpoint).retry(ONE_ATTEMPT).timeout(LONG);
    let client = client.build().unwrap();
    for called in [outcome(&client), outcome(&client)] {
        let called = called.as_ref().map_err(String::as_str);
        assert_eq!(called.copied(), expected, "{lines}{body}");
    }
    let heard = heard.lock().unwrap();
    assert_eq!(heard[0].0 == heard[1].0, is_kept, "{lines}{body}");
}

const CHUNKS: &str = "Transfer-Encoding: chunked\r\n";

fn length() -> String {
    format!("Content-Length: {}\r\n", DONE.len())
}

fn chunk() -> String {
    format!("{:x}\r\n{DONE}\r\n", DONE.len())
}

#[test]
fn a_body_ends_as_its_head_says_and_the_connection_is_kept_if_that_is_sure() {
    let (ok, old, length, bad) = (
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 200 OK\r\n",
        &length(),
        Err("not an HTTP answer"),
    );
    let chunked = &format!("{}0\r\n\r\n", chunk());
    let beyond = &format!("{DONE}\r\n");
    #[rustfmt::skip]
    let rows = [
        (ok, length.as_str(), "", DONE, Ok(2), true),
        (ok, length, "Content-Length: 1\r\n", DONE, bad, false),
        (ok, CHUNKS, "", chunked, Ok(2), true),
        (ok, CHUNKS, length, chunked, Ok(2), false),
        (ok, length, "Connection: x, Close\r\n", DONE, Ok(2), false),
        (old, length, "Connection: keep-alive\r\n", DONE, Ok(2), true),
        (ok, length, "", beyond, Ok(2), false),
    ];
    for (status, first, second, body, expected, is_kept) in rows {
        check(
            &[status, first, second].concat(),
            body,
            false,
            expected,
            is_kept,
        );
    }
    let not_json = "not an answer: EOF while parsing a value at line 1 column 0";
    for (status, expected) in [
        ("204 No Content", "status 204"),
        ("304 Not Modified", "status 304"),
        ("302 Found", "status 302"),
        ("502 Bad Gateway", "status 502"),
        ("200 OK", not_json),
    ] {
        let lines = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n");
        check(&lines, "", false, Err(expected), true);
    }
    let lines = "HTTP/1.1 101 Switching Protocols\r\n";
    check(lines, "", false, Err("status 101"), false);
}

#[test]
fn a_body_may_end_with_the_connection_only_where_nothing_else_says_its_end() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let chunked = &format!("{ok}{CHUNKS}");
    let longer = &format!("{ok}Content-Length: 60\r\n");
    let doubtful = &format!("{ok}Content-Length: 1\r\nTransfer-Encoding: chunked, gzip\r\n");
    let (chunk, disconnected) = (&chunk(), Err("network while waiting for the answer"));
    #[rustfmt::skip]
    let rows = [
        (ok, DONE, Ok(2)),
        (longer, DONE, disconnected),
        (chunked, chunk, disconnected),
        (chunked, &format!("{chunk}0"), disconnected),
        // servers leave out the empty line
        (chunked, &format!("{chunk}0\r\n"), Ok(2)),
        (doubtful, chunk, Err("encoded as gzip")),
    ];
    for (lines, body, expected) in rows {
        check(lines, body, true, expected, false);
    }
}

#[test]
fn an_answer_is_read_whatever_other_lines_its_head_has() {
    let length = length();
    let ok = |lines: String| format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
    let lines = |count: usize| -> String { (0..count).map(|n| format!("x-{n}: v\r\n")).collect() };
    let plain = ok(length.clone());
    #[rustfmt::skip]
    let heads = [
        ("1,000 lines", ok(length.clone() + &lines(1_000))),
        ("a folded length", ok(length.replace(": ", ":\r\n "))),
        ("103 first", format!("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n{plain}")),
        ("no carriage returns", plain.replace('\r', "")),
        ("encoded in name only", ok(format!("Content-Encoding: utf-8\r\n{length}"))),
    ];
    for (name, head) in heads {
        let (called, request) = call(format!("{head}{DONE}").as_bytes());
        let called = called.map(|done| done.accounts);
        assert_eq!(called.map_err(|it| it.to_string()), Ok(2), "{name}");
        let asks_for_no_encoding = request.contains("\r\naccept-encoding: identity\r\n");
        assert!(asks_for_no_encoding, "{request}");
    }
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
