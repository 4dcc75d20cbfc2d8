//! What may come over HTTP, beside the requests of `recorded.rs`: connections as a caller wants them, calls of other
//! paths, and input of any kind: what cannot be read is closed, and all other callers are served.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use caller::{ADD, Caller, GET, accounts, query, socket, tag_a};
use imtag_emulator::Emulator;

const TARGET: &str = "/v4/all_member_push/im_add_tag";

/// The head of a request that adds tags, with these headers.
fn head(emulator: &Emulator, headers: &str, length: usize) -> String {
    let query = query(emulator);
    format!(
        "POST {TARGET}?{query} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n"
    )
}

#[test]
fn a_connection_is_kept_or_closed_as_the_caller_says() {
    for (version, connection, kept) in [
        ("1.1", "", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: close\r\n", false),
    ] {
        let emulator = Emulator::builder().start().unwrap();
        let mut caller = Caller::new(&emulator);
        let request = format!(
            "POST /v4/timpush/add_tag HTTP/{version}\r\nHost: x\r\n{connection}Content-Length: 2\r\n\r\n{{}}"
        );
        assert_eq!(caller.raw(request).unwrap().code(), 60012);
        // On a connection that is closed either the sending fails or the receiving.
        let again = caller.request("POST", "/v4/timpush/add_tag", "{}");
        assert_eq!(again.is_ok(), kept, "{version} {connection}");
    }
}

#[test]
fn a_caller_that_expects_to_be_told_to_go_on_is_told_so() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    let body = tag_a().to_string();
    let head = head(&emulator, "Expect: 100-continue\r\n", body.len());
    assert_eq!(caller.raw(head).unwrap().status, 100);
    assert_eq!(caller.raw(body).unwrap().code(), 0);
    assert_eq!(emulator.user("a").len(), 1);
}

#[test]
fn a_compressed_body_is_refused_in_a_sentence() {
    let emulator = Emulator::builder().start().unwrap();
    let gzip: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0";
    for (header, body) in [
        ("Content-Encoding: gzip\r\n", gzip),
        ("", gzip),
        ("Content-Encoding: deflate\r\n", b"{}"),
        (
            "Content-Encoding: identity\r\nContent-Encoding: br\r\n",
            b"{}",
        ),
    ] {
        let head = head(&emulator, header, body.len());
        let request = [head.as_bytes(), body].concat();
        let answer = Caller::new(&emulator).raw(request).unwrap();
        assert_eq!(answer.code(), 60003, "{header}");
        let text = "the body is compressed, which the service's pages do not allow: send plain JSON, without \
                    Content-Encoding";
        assert_eq!(answer.json()["ErrorInfo"], text);
    }
}

#[test]
fn what_is_on_no_route_gets_60009_and_is_told_what_there_is() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    for (method, target, says) in [
        ("POST", "/", "there is no / here, only"),
        ("OPTIONS", "*", "there is no * here, only"),
        (
            "POST",
            "/v4/openim/sendmsg?random=1",
            "there is no /v4/openim/sendmsg here, only",
        ),
        (
            "POST",
            "http://localhost/v4/timpush/ADD_TAG",
            "there is no /v4/timpush/ADD_TAG: the path is",
        ),
        (
            "POST",
            "/v4/timpush/add_tag/",
            "there is no /v4/timpush/add_tag/: the path is",
        ),
        (
            "GET",
            "/v4/timpush/add_tag",
            "/v4/timpush/add_tag takes POST, and not GET",
        ),
    ] {
        let answer = caller.request(method, target, "").unwrap();
        assert_eq!(answer.code(), 60009, "{method} {target}");
        let text = answer.json()["ErrorInfo"].to_string();
        assert!(text.starts_with(&format!("\"{says}")), "{text}");
    }
    let stats = emulator.stats();
    assert_eq!((stats.elsewhere, stats.arrivals()), (6, 0));
}

#[test]
fn a_head_request_is_answered_without_a_body() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    let request = "HEAD /v4/timpush/add_tag HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    caller.stream().write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(caller.stream(), &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn another_call_of_an_sdk_can_be_scripted() {
    let emulator = Emulator::builder().start().unwrap();
    let order = r#"{"path": "/v4/openim/sendmsg", "faults": [
        {"kind": "answer", "body": "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"MsgKey\":\"1\"}"},
        {"kind": "status"}, {"kind": "code", "code": 20003}, {"kind": "answer", "body": "{}", "probability": 1}]}"#;
    let mut caller = Caller::new(&emulator);
    let put = caller.request("POST", "/emulator/faults", order).unwrap();
    assert_eq!(put.json().to_string(), r#"{"queued":3,"standing":[1]}"#);
    let mut send = |method: &str, path: &str| caller.request(method, path, "{}").unwrap();
    let target = "/v4/openim/sendmsg?sdkappid=1&usersig=x";
    assert_eq!(send("POST", target).json()["MsgKey"], "1");
    assert_eq!(send("GET", target).status, 502);
    assert_eq!(send("POST", target).code(), 20003);
    assert_eq!(send("POST", target).body, b"{}");
    // Only that path, to the letter.
    assert_eq!(send("POST", "/v4/openim/sendmsg/").code(), 60009);
    let listed = send("GET", "/emulator/faults").json()["standing"][0].clone();
    assert_eq!(listed["path"], "/v4/openim/sendmsg");
    assert!(listed["route"].is_null() && listed["met"] == 1);
    let requests = emulator.requests();
    let kinds: Vec<_> = requests.iter().map(|it| it.fault.unwrap_or("")).collect();
    assert_eq!(kinds, ["answer", "status", "code", "answer", ""]);
}

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

fn closed_or(status: &str, stream: TcpStream) {
    let answer = rest(stream);
    let refusal = format!("HTTP/1.1 {status}");
    assert!(
        answer.is_empty() || answer.starts_with(&refusal),
        "{answer}"
    );
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
        closed_or("400", stream);
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
        closed_or("4", stream);
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
    let body = tag_a().to_string();
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
        closed_or("400", stream);
    }
    assert_eq!(emulator.stats().arrivals(), 0);
    assert!(emulator.users().is_empty());
    serves(&emulator);
}

#[test]
fn a_connection_that_is_slow_or_idle_is_closed_in_each_phase() {
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
fn a_body_in_chunks_and_a_request_that_comes_byte_by_byte_are_read_whole() {
    let emulator = Emulator::builder().start().unwrap();
    let query = query(&emulator);
    let body = tag_a().to_string();
    let head = format!("POST {TARGET}?{query} HTTP/1.1\r\nConnection: close\r\n");
    let chunks: String = body.chars().map(|c| format!("1\r\n{c}\r\n")).collect();
    let length = body.len();
    for request in [
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"),
        format!("{head}Content-Length: {length}\r\n\r\n{body}"),
    ] {
        emulator.reset().unwrap();
        let mut stream = socket(&emulator);
        for byte in request.bytes() {
            stream.write_all(&[byte]).unwrap();
        }
        assert!(rest(stream).contains("\"ErrorCode\":0"));
        assert_eq!(emulator.user("a").len(), 1);
    }
}

#[test]
fn requests_sent_in_a_row_are_answered_in_order() {
    let emulator = Emulator::builder().start().unwrap();
    let query = query(&emulator);
    let mut caller = Caller::new(&emulator);
    let target = format!("{TARGET}?{query}");
    let bodies = [&*tag_a().to_string(), "{", "{}"];
    for body in bodies {
        caller.send("POST", &target, body).unwrap();
    }
    let codes = bodies.map(|_| caller.receive().unwrap().code());
    assert_eq!(codes, [0, 60003, 90001]);
    assert_eq!(caller.code(ADD, "{}"), 90001);
}
