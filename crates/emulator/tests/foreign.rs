//! What clients may do over HTTP that no recorded SDK does (`recorded.rs` has those), and what they are told of mistakes.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use std::io::Write;

use caller::{Answer, Caller, PATIENCE, usersig};
use imtag_emulator::Emulator;

const BODY: &str = r#"{"UserTags":[{"To_Account":"u","Tags":["a","标签"]}]}"#;

/// Each with who sends so. SIG is the UserSig, ESCAPED the same in escapes, LENGTH the
/// body's length.
const ADDS: [(&str, &str); 6] = [
    (
        "Java's HttpClient: an upgrade to HTTP/2 is offered",
        "POST /v4/timpush/add_tag?sdkappid=1400000000&identifier=administrator&usersig=SIG&random=17&contenttype=json \
         HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: LENGTH\r\nHost: 127.0.0.1\r\n\
         HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAABgAGAAA\r\nUpgrade: h2c\r\n\
         User-Agent: Java-http-client/17.0.15\r\n\r\n",
    ),
    (
        "older PHP's streams: HTTP/1.0, no type",
        "POST /v4/all_member_push/im_add_tag?usersig=ESCAPED&identifier=administrator&sdkappid=1400000000\
         &contenttype=json&random=123456789012345678901 HTTP/1.0\r\nHost: console.tim.qq.com\r\nConnection: close\r\n\
         Content-Length: LENGTH\r\n\r\n",
    ),
    (
        "names of headers in any case, a parameter of its own, all of the UserSig in escapes",
        "POST /v4/timpush/add_tag?contenttype=json&sdkappid=1400000000&identifier=administrator&usersig=ESCAPED\
         &random=0&apn=0 HTTP/1.1\r\nhost: console.tim.qq.com\r\nuser-agent: GuzzleHttp/7\r\n\
         CONTENT-TYPE: application/json\r\ncontent-length: LENGTH\r\n\r\n",
    ),
    (
        "by a proxy of HTTP: the whole URL",
        "POST http://console.tim.qq.com/v4/all_member_push/im_add_tag?sdkappid=1400000000&identifier=administrator\
         &usersig=SIG&random=1&contenttype=json HTTP/1.1\r\nHost: console.tim.qq.com\r\n\
         Proxy-Connection: Keep-Alive\r\nContent-Length: LENGTH\r\n\r\n",
    ),
    (
        "an identity that is said to be an encoding",
        "POST /v4/timpush/add_tag?sdkappid=1400000000&identifier=administrator&usersig=SIG&random=1&contenttype=json \
         HTTP/1.1\r\nHost: x\r\nContent-Encoding: Identity\r\nContent-Length: LENGTH\r\n\r\n",
    ),
    (
        "curl -0, kept alive, without a Host",
        "POST /v4/timpush/add_tag?sdkappid=1400000000&identifier=administrator&usersig=SIG&random=1&contenttype=json \
         HTTP/1.0\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\nConnection: keep-alive\r\nContent-Length: LENGTH\r\n\r\n",
    ),
];

fn put_in(head: &str, emulator: &Emulator, length: usize) -> String {
    let sig = usersig(emulator);
    let escaped = sig
        .replace('*', "%2A")
        .replace('-', "%2D")
        .replace('_', "%5F");
    let head = head.replace("LENGTH", &length.to_string());
    head.replace("SIG", &sig).replace("ESCAPED", &escaped)
}

fn ask(emulator: &Emulator, bytes: &[u8]) -> Answer {
    let mut caller = Caller::new(emulator);
    caller.stream().write_all(bytes).unwrap();
    caller.receive().unwrap()
}

#[test]
fn any_form_of_http_is_taken() {
    for (sender, head) in ADDS {
        let emulator = Emulator::builder().start().unwrap();
        let request = put_in(head, &emulator, BODY.len()) + BODY;
        let answer = ask(&emulator, request.as_bytes());
        assert_eq!(answer.code(), 0, "{sender}: {}", answer.json());
        let tags: Vec<String> = emulator.user("u").into_iter().collect();
        assert_eq!(tags, ["a", "标签"], "{sender}");
        assert!(answer.head.contains("content-type: application/json\r\n"));
        assert!(!answer.head.contains("content-encoding"), "{sender}");
    }
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
        caller.stream().write_all(request.as_bytes()).unwrap();
        assert_eq!(caller.receive().unwrap().code(), 60012);
        // On a connection that is closed either the sending fails or the receiving.
        let again = caller.request("POST", "/v4/timpush/add_tag", "{}");
        assert_eq!(again.is_ok(), kept, "{version} {connection}");
    }
}

#[test]
fn a_caller_that_expects_to_be_told_to_go_on_is_told_so() {
    let emulator = Emulator::builder().start().unwrap();
    let head = "POST /v4/timpush/add_tag?sdkappid=1400000000&identifier=administrator&usersig=SIG&random=1\
                &contenttype=json HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: LENGTH\r\n\r\n";
    let mut caller = Caller::new(&emulator);
    let head = put_in(head, &emulator, BODY.len());
    caller.stream().write_all(head.as_bytes()).unwrap();
    assert_eq!(caller.receive().unwrap().status, 100);
    caller.stream().write_all(BODY.as_bytes()).unwrap();
    assert_eq!(caller.receive().unwrap().code(), 0);
    assert!(emulator.settle(PATIENCE));
    assert_eq!(emulator.user("u").len(), 2);
}

#[test]
fn a_compressed_body_is_refused_in_a_sentence() {
    let emulator = Emulator::builder().start().unwrap();
    let target = "/v4/timpush/add_tag?sdkappid=1400000000&identifier=administrator&usersig=SIG&random=1&contenttype=json";
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
        let head =
            format!("POST {target} HTTP/1.1\r\nHost: x\r\n{header}Content-Length: LENGTH\r\n\r\n");
        let head = put_in(&head, &emulator, body.len());
        let answer = ask(&emulator, &[head.as_bytes(), body].concat());
        assert_eq!(answer.code(), 60003, "{header}");
        let text = "the body is compressed, which the service's pages do not allow: send plain JSON, without \
                    Content-Encoding";
        assert_eq!(answer.json()["ErrorInfo"], text);
    }
}

#[test]
fn what_is_on_no_route_is_told_what_there_is() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    let only =
        "the emulator has no PATH, only the calls of user tags: /v4/all_member_push/im_add_tag,";
    let near = "there is no PATH: the path is /v4/timpush/add_tag, to the letter";
    let post = "/v4/timpush/add_tag takes POST, and not";
    for (method, target, path, says) in [
        (
            "POST",
            "/v4/openim/sendmsg?random=1",
            "/v4/openim/sendmsg",
            only,
        ),
        ("POST", "/", "/", only),
        ("OPTIONS", "*", "*", only),
        ("POST", "/v4/timpush/add_tag/", "/v4/timpush/add_tag/", near),
        ("POST", "//v4/timpush/add_tag", "//v4/timpush/add_tag", near),
        ("POST", "/V4/TimPush/Add_Tag", "/V4/TimPush/Add_Tag", near),
        (
            "POST",
            "http://localhost/v4/timpush/ADD_TAG",
            "/v4/timpush/ADD_TAG",
            near,
        ),
        ("GET", "/v4/timpush/add_tag", "", post),
        ("OPTIONS", "/v4/timpush/add_tag", "", post),
        ("PUT", "/v4/timpush/add_tag?usersig=hush", "", post),
    ] {
        let answer = caller.request(method, target, "").unwrap();
        assert_eq!(answer.code(), 60009, "{method} {target}");
        let json = answer.json();
        let text = json["ErrorInfo"].as_str().unwrap();
        assert!(text.starts_with(&says.replace("PATH", path)), "{text}");
    }
    assert_eq!(emulator.stats().elsewhere, 10);
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
    assert_eq!(
        (listed["route"].is_null(), &listed["met"]),
        (true, &1.into())
    );
    let kinds: Vec<_> = emulator.requests().iter().map(|it| it.fault).collect();
    let expected = [
        Some("answer"),
        Some("status"),
        Some("code"),
        Some("answer"),
        None,
    ];
    assert_eq!(kinds, expected);
}
