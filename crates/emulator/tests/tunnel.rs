//! `CONNECT`: a tunnel to the emulator itself, for clients whose host is fixed.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use caller::{ADD, Answer, Caller, GET, accounts, secure, socket, tags};
use imtag_core::Region;
use imtag_emulator::{Emulator, Fault};
use rustls::{ClientConnection, StreamOwned};

type Tunnelled<S> = Caller<StreamOwned<ClientConnection, S>>;

fn emulator() -> Emulator {
    Emulator::builder().tls(true).start().unwrap()
}

/// What is answered to the head of a request; nothing behind it is read.
fn answer(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "closed after {head:?}");
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A caller behind a tunnel to `authority`, for which the emulator proves to be `host` there.
fn within<S: Read + Write>(
    mut stream: S,
    emulator: &Emulator,
    authority: &str,
    host: &str,
) -> Tunnelled<S> {
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let head = answer(&mut stream);
    assert!(head.starts_with("HTTP/1.1 200 "), "{authority}: {head}");
    assert!(!head.to_lowercase().contains("content-length"), "{head}");
    Caller::over(
        secure::over(stream, secure::config(emulator), host),
        emulator,
    )
}

fn official(emulator: &Emulator) -> Tunnelled<TcpStream> {
    let host = Region::China.host();
    within(socket(emulator), emulator, &format!("{host}:443"), host)
}

fn refused(emulator: &Emulator, authority: &str) -> Answer {
    let mut caller = Caller::new(emulator);
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: x\r\n\r\n");
    caller.stream().write_all(request.as_bytes()).unwrap();
    caller.receive().unwrap()
}

#[test]
fn a_tunnel_to_any_name_of_the_certificate_leads_to_the_emulator() {
    let builder = Emulator::builder().tls(true).calls_per_second(1000);
    let emulator = builder.name("*.dev.example").start().unwrap();
    let hosts = Region::all().flat_map(|region| [region.host(), region.spare_host()]);
    let others = ["localhost", "127.0.0.1", "a.dev.example"];
    for host in hosts.chain(others) {
        let mut caller = within(socket(&emulator), &emulator, &format!("{host}:443"), host);
        assert_eq!(caller.code(GET, accounts(&["a"])), 0, "{host}");
        assert_eq!(caller.code(GET, accounts(&["a"])), 0, "{host}");
    }
    for authority in [
        "Console.Tim.QQ.com:443",
        "console.tim.qq.com.:8443",
        "console.tim.qq.com",
    ] {
        let host = Region::China.host();
        let mut caller = within(socket(&emulator), &emulator, authority, host);
        assert_eq!(caller.code(ADD, tags(&[("a", &["t"])])), 0, "{authority}");
    }
    let mut caller = within(socket(&emulator), &emulator, "[::1]:443", "::1");
    assert_eq!(caller.code(GET, accounts(&["a"])), 0);
    assert_eq!(emulator.user("a").len(), 1);
}

#[test]
fn a_proxy_over_tls_opens_tunnels_too() {
    let emulator = emulator();
    let proxy = secure::over(socket(&emulator), secure::config(&emulator), "127.0.0.1");
    let host = Region::Singapore.host();
    let mut caller = within(proxy, &emulator, &format!("{host}:443"), host);
    assert_eq!(caller.code(ADD, tags(&[("a", &["t"])])), 0);
}

#[test]
fn a_tunnel_to_another_host_is_refused_in_a_sentence() {
    let emulator = emulator();
    for authority in [
        "example.com:443",
        "qq.com:443",
        "10.1.2.3:443",
        "127.0.0.1.nip.io:80",
    ] {
        let answer = refused(&emulator, authority);
        assert_eq!(answer.status, 403, "{authority}");
        let host = authority.split(':').next().unwrap();
        let expected = format!(
            "the emulator stands for this machine and the hosts of the service, and not for {host:?}: give it other \
             names when it starts (--name)"
        );
        assert_eq!(answer.json()["error"], expected);
    }
    // What is no host at all is none of its names either.
    for authority in ["/v4/timpush/add_tag", "*", ":443"] {
        let answer = refused(&emulator, authority);
        assert!(
            [400, 403].contains(&answer.status),
            "{authority}: {answer:?}"
        );
    }
}

#[test]
fn an_emulator_without_tls_says_that_a_tunnel_needs_it() {
    let emulator = Emulator::builder().start().unwrap();
    let answer = refused(&emulator, "console.tim.qq.com:443");
    assert_eq!(answer.status, 501);
    let text = "a tunnel needs a certificate: start the emulator with TLS (--tls)";
    assert_eq!(answer.json()["error"], text);
}

#[test]
fn there_is_no_tunnel_in_a_tunnel() {
    let emulator = emulator();
    let mut caller = official(&emulator);
    let request = "CONNECT console.tim.qq.com:443 HTTP/1.1\r\nHost: x\r\n\r\n";
    caller.stream().write_all(request.as_bytes()).unwrap();
    let answer = caller.receive().unwrap();
    assert_eq!(answer.status, 403);
    let text = "a tunnel leads to the emulator already";
    assert_eq!(answer.json()["error"], text);
    assert_eq!(caller.code(GET, accounts(&["a"])), 0);
}

#[test]
fn faults_and_disconnects_reach_into_a_tunnel() {
    let emulator = emulator();
    let drip = Fault::drip(Duration::from_micros(10));
    emulator.faults(ADD, [drip, Fault::cut_after()]);
    let mut caller = official(&emulator);
    assert_eq!(caller.code(ADD, tags(&[("a", &["t"])])), 0);
    caller.call(ADD, tags(&[("b", &["t"])])).unwrap_err();
    assert_eq!(emulator.users().len(), 2);
    let mut caller = official(&emulator);
    assert_eq!(caller.code(GET, accounts(&["a"])), 0);
    emulator.disconnect();
    caller.call(GET, accounts(&["a"])).unwrap_err();
    assert_eq!(emulator.stats().connections, 2);
}

#[test]
fn a_tunnel_without_tls_in_it_is_closed() {
    let builder = Emulator::builder().tls(true);
    let emulator = builder
        .read_timeout(Duration::from_millis(200))
        .start()
        .unwrap();
    for within in ["", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03"] {
        let mut stream = socket(&emulator);
        let request = "CONNECT console.tim.qq.com:443 HTTP/1.0\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        assert!(answer(&mut stream).contains(" 200 "));
        stream.write_all(within.as_bytes()).unwrap();
        let mut rest = Vec::new();
        // An alert of TLS may come first, and a reset after it.
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.starts_with(b"HTTP"));
    }
}

#[test]
fn the_admin_api_is_not_asked_by_the_name_of_a_host_of_the_service() {
    let emulator = emulator();
    let mut caller = official(&emulator);
    for (host, status) in [("console.tim.qq.com", 403), ("localhost", 200)] {
        let request = format!("GET /emulator/users HTTP/1.1\r\nHost: {host}\r\n\r\n");
        caller.stream().write_all(request.as_bytes()).unwrap();
        // The users are sent in chunks, so the head alone says it.
        let head = answer(caller.stream());
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        if status == 403 {
            caller = official(&emulator);
        }
    }
}
