//! Where an answer ends, by RFC 9112, and whether the next call uses the connection again, over a server that says each
//! answer to the letter.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use imtag_transport::Cause;
use support::*;

/// What becomes of two calls of one client to a server that gives this answer to each request; and whether both came
/// over one connection, which the server closes after each answer only if it `closes`.
fn calls(answer: String, closes: bool) -> (Result<usize, String>, bool) {
    let peers = Arc::new(Mutex::new(Vec::<SocketAddr>::new()));
    let seen = Arc::clone(&peers);
    let endpoint = answering(move |_, stream| {
        seen.lock().unwrap().push(stream.peer_addr().unwrap());
        say(stream, &answer);
        !closes
    });
    let client = builder(&endpoint).retry(ONE_ATTEMPT).timeout(LONG);
    let client = client.build().unwrap();
    let [first, second] = [(); 2].map(|()| {
        let called = client.add_tag(&add());
        called
            .map(|done| done.accounts)
            .map_err(|error| match error.cause() {
                Cause::NotUnderstood(what) => what.reason.clone(),
                Cause::Encoded { encoding, .. } => format!("encoded as {encoding}"),
                _ => cause(&error),
            })
    });
    assert_eq!(first, second);
    let peers = peers.lock().unwrap();
    assert_eq!(peers.len(), 2);
    (first, peers[0] == peers[1])
}

/// Checks an answer of these lines and this body.
#[track_caller]
fn check(lines: &str, body: &str, closes: bool, expected: Result<usize, &str>, is_kept: bool) {
    let (called, kept) = calls(format!("{lines}\r\n{body}"), closes);
    let called = called.as_ref().map_err(String::as_str);
    assert_eq!(
        (called.copied(), kept),
        (expected, is_kept),
        "{lines}{body}"
    );
}

#[test]
fn a_body_ends_as_its_head_says_and_the_connection_is_kept_if_that_is_sure() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let old = "HTTP/1.0 200 OK\r\n";
    let length = &format!("Content-Length: {}\r\n", DONE.len());
    let chunks = &"Transfer-Encoding: chunked\r\n".to_owned();
    let chunk = &format!("{:x}\r\n{DONE}\r\n", DONE.len());
    let chunked = &format!("{chunk}0\r\n\r\n");
    let done = Ok(2);
    let bad = Err("not an HTTP answer");
    for (lines, body, expected, is_kept) in [
        ([ok, length, ""], DONE, done, true),
        ([ok, length, length], DONE, done, true),
        ([ok, length, "Content-Length: 1\r\n"], DONE, bad, false),
        ([ok, "Content-Length: +50\r\n", ""], DONE, bad, false),
        (
            [ok, "Content-Length: 18446744073709551616\r\n", ""],
            DONE,
            bad,
            false,
        ),
        ([ok, chunks, ""], chunked, done, true),
        ([ok, chunks, length], chunked, done, false),
        ([ok, length, "Connection: x, Close\r\n"], DONE, done, false),
        ([old, length, ""], DONE, done, false),
        (
            [old, length, "Connection: keep-alive\r\n"],
            DONE,
            done,
            true,
        ),
        // `identity` is no coding, and others take it for one
        (
            [ok, "Transfer-Encoding: chunked, identity\r\n", ""],
            chunked,
            done,
            false,
        ),
        // bytes beyond the body
        ([ok, length, ""], &format!("{DONE}\r\n"), done, false),
        ([ok, chunks, ""], &format!("{chunked}\r\n"), done, false),
        // lines after the last chunk, and what is no chunk
        (
            [ok, chunks, ""],
            &format!("{chunk}0\r\nx: y\r\n\r\n"),
            done,
            true,
        ),
        ([ok, chunks, ""], &format!("{DONE}\r\n"), bad, false),
        ([ok, chunks, ""], &format!("2\r\n{DONE}"), bad, false),
    ] {
        check(&lines.concat(), body, false, expected, is_kept);
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
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";
    let chunk = &format!("{:x}\r\n{DONE}\r\n", DONE.len());
    let disconnected = Err("network while waiting for the answer");
    for (lines, body, expected) in [
        (ok, DONE, Ok(2)),
        (
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n",
            DONE,
            Ok(2),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 60\r\n",
            DONE,
            disconnected,
        ),
        (chunked, chunk, disconnected),
        (chunked, &format!("{chunk}0"), disconnected),
        // servers leave out the empty line
        (chunked, &format!("{chunk}0\r\n"), Ok(2)),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked, gzip\r\n",
            chunk,
            Err("encoded as gzip"),
        ),
    ] {
        check(lines, body, true, expected, false);
    }
}
