//! Who may ask the admin API: callers on this machine, by its names, and no web page.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use std::io::Write;

use caller::{Answer, Caller, query};
use imtag_emulator::Emulator;

fn send(emulator: &Emulator, request: &str) -> Answer {
    let mut caller = Caller::new(emulator);
    caller.stream().write_all(request.as_bytes()).unwrap();
    caller.receive().unwrap()
}

fn asked(emulator: &Emulator, headers: &str) -> Answer {
    send(
        emulator,
        &format!("GET /emulator/users/a HTTP/1.1\r\n{headers}\r\n"),
    )
}

fn error(answer: &Answer) -> String {
    assert_eq!(answer.status, 403, "{}", answer.head);
    answer.json()["error"].as_str().unwrap().to_owned()
}

#[test]
fn a_host_that_is_another_name_is_refused() {
    let emulator = Emulator::builder().name("emulator.test").start().unwrap();
    let port = emulator.address().port();
    for own in [
        "localhost".to_owned(),
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        "LocalHost.:1".to_owned(),
        "[::1]".to_owned(),
        format!("[::1]:{port}"),
        "Emulator.Test".to_owned(),
        "imtag.localhost".to_owned(),
    ] {
        let answer = asked(&emulator, &format!("Host: {own}\r\n"));
        assert_eq!(answer.status, 200, "{own}");
    }
    let port = port.to_string();
    for foreign in [
        "rebound.example",
        "rebound.example:PORT",
        "localhost.rebound.example",
        "console.tim.qq.com",
        "10.0.0.1:PORT",
        "0.0.0.0:PORT",
        "user@localhost",
        "localhost, rebound.example",
        "",
        "标签",
    ] {
        let host = foreign.replace("PORT", &port);
        let text = error(&asked(&emulator, &format!("Host: {host}\r\n")));
        assert!(text.ends_with("and to no other Host"), "{host}: {text}");
    }
}

#[test]
fn each_place_of_the_host_counts_and_none_may_be_left_out() {
    let emulator = Emulator::builder().start().unwrap();
    let ask = |request: &str| send(&emulator, request).status;
    assert_eq!(ask("GET /emulator/users/a HTTP/1.0\r\n\r\n"), 200);
    let twice = "Host: localhost\r\nHost: rebound.example\r\n";
    assert_eq!(asked(&emulator, twice).status, 403);
    let absolute = |url: &str, host: &str| {
        ask(&format!(
            "GET http://{url}/emulator/users/a HTTP/1.1\r\nHost: {host}\r\n\r\n"
        ))
    };
    assert_eq!(absolute("localhost", "localhost"), 200);
    assert_eq!(absolute("rebound.example", "localhost"), 403);
    assert_eq!(absolute("localhost", "rebound.example"), 403);
}

#[test]
fn a_page_of_another_site_is_refused() {
    let emulator = Emulator::builder().start().unwrap();
    for (site, status) in [
        ("none", 200),
        ("same-origin", 200),
        ("same-site", 403),
        ("cross-site", 403),
        ("Cross-Site", 403),
        ("", 403),
    ] {
        let headers = format!("Host: localhost\r\nSec-Fetch-Site: {site}\r\n");
        assert_eq!(asked(&emulator, &headers).status, status, "{site}");
    }
    let text = error(&asked(
        &emulator,
        "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n",
    ));
    assert_eq!(
        text,
        "the admin API does not answer the pages of other sites"
    );
    let twice = "Host: localhost\r\nSec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n";
    assert_eq!(asked(&emulator, twice).status, 403);
}

#[test]
fn a_web_socket_of_a_page_is_refused() {
    let emulator = Emulator::builder().start().unwrap();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for page in [
        "Host: localhost\r\nOrigin: http://rebound.example\r\n",
        "Host: rebound.example\r\nOrigin: http://rebound.example\r\n",
        "Host: rebound.example\r\n",
    ] {
        assert_eq!(asked(&emulator, &format!("{page}{upgrade}")).status, 403);
    }
    // What is no page's is answered, and never by another protocol.
    assert_eq!(
        asked(&emulator, &format!("Host: localhost\r\n{upgrade}")).status,
        200
    );
}

#[test]
fn the_calls_of_the_service_are_answered_by_any_name() {
    let emulator = Emulator::builder().start().unwrap();
    let query = query(&emulator);
    let body = r#"{"UserTags":[{"To_Account":"a","Tags":["t"]}]}"#;
    for host in [
        "Host: rebound.example\r\n",
        "Host: console.tim.qq.com\r\n",
        "",
    ] {
        let answer = send(
            &emulator,
            &format!(
                "POST /v4/timpush/add_tag?{query} HTTP/1.1\r\n{host}Origin: http://x\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        );
        assert_eq!(answer.code(), 0, "{host}");
    }
}
