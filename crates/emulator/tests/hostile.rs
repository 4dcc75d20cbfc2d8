//! Input of any kind: the emulator closes what it cannot read, and goes on serving everyone else.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use caller::{ADD, Caller, GET, accounts, query, socket, tags};
use imtag_emulator::Emulator;

const TARGET: &str = "/v4/all_member_push/im_add_tag";

fn serves(emulator: &Emulator) {
    assert_eq!(Caller::new(emulator).code(GET, accounts(&["a"])), 0);
}

/// Everything that comes back until the emulator closes; what it resets counts as closed.
fn rest(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => all.extend_from_slice(&chunk[..read]),
            Err(error) => {
                let timed_out = error.kind() == std::io::ErrorKind::WouldBlock;
                assert!(!timed_out, "the connection was not closed");
                break;
            }
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn bytes_that_are_not_http_close_their_connection_alone() {
    let emulator = Emulator::builder().start().unwrap();
    let noise: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let inputs: [&[u8]; 8] = [
        b"\0\0\0\0",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"POST\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        &noise,
    ];
    for input in inputs {
        let mut stream = socket(&emulator);
        // It may be closed before all is sent.
        let _ = stream.write_all(input);
        let _ = stream.shutdown(Shutdown::Write);
        let answer = rest(stream);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
            "{answer}"
        );
        serves(&emulator);
    }
}

#[test]
fn a_head_that_never_ends_is_refused() {
    let emulator = Emulator::builder().start().unwrap();
    for start in ["GET /", "GET / HTTP/1.1\r\nX: "] {
        let mut stream = socket(&emulator);
        stream.write_all(start.as_bytes()).unwrap();
        // It is closed before all is sent.
        let _ = stream.write_all("x".repeat(1024 * 1024).as_bytes());
        let answer = rest(stream);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    let many = "A: b\r\n".repeat(1000);
    let mut stream = socket(&emulator);
    let request = format!("GET / HTTP/1.1\r\n{many}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    assert!(rest(stream).starts_with("HTTP/1.1 431"));
    serves(&emulator);
}

#[test]
fn half_a_request_changes_nothing_and_is_not_counted() {
    let emulator = Emulator::builder().start().unwrap();
    let query = query(&emulator);
    let body = tags(&[("a", &["t"])]).to_string();
    let (half, announced) = (&body[..10], body.len());
    for head in [
        format!("POST {TARGET}?{query} HTTP/1.1\r\nHost: x\r\nContent-Le"),
        format!("POST {TARGET}?{query} HTTP/1.1\r\nContent-Length: {announced}\r\n\r\n{half}"),
        format!(
            "POST {TARGET}?{query} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n{half}"
        ),
    ] {
        let mut stream = socket(&emulator);
        stream.write_all(head.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let answer = rest(stream);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
            "{answer}"
        );
    }
    assert_eq!(emulator.stats().arrivals(), 0);
    assert!(emulator.users().is_empty());
    serves(&emulator);
}

#[test]
fn who_is_too_slow_is_closed_in_each_phase() {
    let timeout = Duration::from_millis(100);
    for tls in [false, true] {
        let builder = Emulator::builder().tls(tls).read_timeout(timeout);
        let emulator = builder.start().unwrap();
        let body = format!("POST {TARGET} HTTP/1.1\r\nContent-Length: 10\r\n\r\n{{");
        for start in ["", "PO", "POST / HTTP/1.1\r\nHost", &body] {
            let mut stream = socket(&emulator);
            stream.write_all(start.as_bytes()).unwrap();
            let answer = rest(stream);
            assert!(!answer.contains("ActionStatus"), "{answer}");
        }
    }
}

#[test]
fn an_idle_connection_is_closed_in_the_end() {
    let builder = Emulator::builder().read_timeout(Duration::from_secs(1));
    let emulator = builder.start().unwrap();
    let mut caller = Caller::new(&emulator);
    assert_eq!(caller.code(GET, accounts(&["a"])), 0);
    assert_eq!(caller.stream().read(&mut [0]).unwrap(), 0);
}

#[test]
fn many_slow_connections_keep_no_one_else_out() {
    let emulator = Emulator::builder().start().unwrap();
    let slow: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = socket(&emulator);
            stream.write_all(b"POST / HTTP/1.1\r\nHost: ").unwrap();
            stream
        })
        .collect();
    serves(&emulator);
    drop(slow);
}

#[test]
fn a_chunked_body_is_read_whole() {
    let emulator = Emulator::builder().start().unwrap();
    let query = query(&emulator);
    let body = tags(&[("a", &["t"])]).to_string();
    let chunks: String = body
        .chars()
        .map(|c| format!("{:x}\r\n{c}\r\n", c.len_utf8()))
        .collect();
    let mut stream = socket(&emulator);
    let head = format!("POST {TARGET}?{query} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n");
    let request = format!("{head}Connection: close\r\n\r\n{chunks}0\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    assert!(rest(stream).contains("\"ErrorCode\":0"));
    assert_eq!(emulator.user("a").len(), 1);
}

#[test]
fn a_request_that_comes_byte_by_byte_is_read_whole() {
    let emulator = Emulator::builder().start().unwrap();
    let query = query(&emulator);
    let body = tags(&[("a", &["t"])]).to_string();
    let head = format!(
        "POST {TARGET}?{query} HTTP/1.1\r\nContent-Length: {}\r\n",
        body.len()
    );
    let request = format!("{head}Connection: close\r\n\r\n{body}");
    let mut stream = socket(&emulator);
    for byte in request.bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    assert!(rest(stream).contains("\"ErrorCode\":0"));
    assert_eq!(emulator.user("a").len(), 1);
}

#[test]
fn requests_sent_in_a_row_are_answered_in_order() {
    let emulator = Emulator::builder().start().unwrap();
    let query = query(&emulator);
    let mut caller = Caller::new(&emulator);
    let target = format!("{TARGET}?{query}");
    let bodies = [
        tags(&[("a", &["t"])]).to_string(),
        "{".to_owned(),
        "{}".to_owned(),
    ];
    for body in &bodies {
        caller.send("POST", &target, body).unwrap();
    }
    let codes = bodies.map(|_| caller.receive().unwrap().code());
    assert_eq!(codes, [0, 60003, 90001]);
    assert_eq!(caller.code(ADD, "{}"), 90001);
}
