//! A proxy that fails: the error says so and says which, nothing was sent, what passes is waited out, and no secret shows.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::io::{Error, Read, Write};
use std::net::TcpListener;
use std::thread;

use imtag_core::retry::Stopped;
use imtag_transport::{Cause, ChangeRequest, Effect, ProxyFailure};
use support::behind::{HOST, LOGIN, PASSWORD, SERVICE, USER, behind};
use support::proxy::{Behaviour, Kind};
use support::*;

/// How a call ends whose proxy does this, the first time.
struct Fails {
    kind: Kind,
    behaviour: Behaviour,
    failure: ProxyFailure,
    says: &'static str,
}

fn fails() -> Vec<Fails> {
    use ProxyFailure::{Credentials, NoTunnel, Refused};
    let http = |answer: &str, failure, says| {
        [Kind::Http, Kind::Https].map(|kind| Fails {
            kind,
            behaviour: Behaviour::Says(answer.as_bytes().to_vec()),
            failure,
            says,
        })
    };
    let socks = |answer: &[u8], failure, says| Fails {
        kind: Kind::Socks5,
        behaviour: Behaviour::Says(answer.to_vec()),
        failure,
        says,
    };
    let mut fails: Vec<Fails> = [
        http(
            "HTTP/1.1 407 Proxy Authentication Required\r\nx: y\r\n\r\n",
            Credentials,
            "it answered \"HTTP/1.1 407 Proxy Authentication Required\"",
        ),
        http(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n",
            Refused,
            "it answered \"HTTP/1.1 403 Forbidden\"",
        ),
        http(
            "HTTP/1.0 403\r\n\r\nhush",
            Refused,
            "it answered \"HTTP/1.0 403\"",
        ),
        http(
            "\r\nHTTP/1.1 302 Found\r\nlocation: x\r\n\r\n",
            Refused,
            "it answered \"HTTP/1.1 302 Found\"",
        ),
        http(
            "HTTP/1.1 502 x\r\n\r\n",
            NoTunnel,
            "it answered \"HTTP/1.1 502 x\"",
        ),
        http(
            "HTTP/1.1 429 x\r\n\r\n",
            NoTunnel,
            "it answered \"HTTP/1.1 429 x\"",
        ),
        http(
            "HTTP/1.1 200 OK\r\n\r\nmore",
            Refused,
            "it sent more than its answer",
        ),
        http("HTTP/1.1 200 OK\r\n", NoTunnel, "Peer disconnected"),
        http("", NoTunnel, "Peer disconnected"),
        http(
            "SSH-2.0-x\r\n",
            Refused,
            "not an HTTP answer: \"SSH-2.0-x\"",
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    for kind in [Kind::Http, Kind::Https] {
        fails.push(Fails {
            kind,
            behaviour: Behaviour::SaysForEver(b"HTTP/1.1 200 OK\r\nx: y"),
            failure: Refused,
            says: "the answer's head is too long: \"HTTP/1.1 200 OK\"",
        });
    }
    fails.extend([
        socks(b"", NoTunnel, "Peer disconnected"),
        socks(
            b"HTTP/1.1 400 x\r\n\r\n",
            Refused,
            "it does not speak SOCKS5",
        ),
        socks(&[5, 255], Credentials, "it requires them"),
        socks(&[5, 1], Credentials, "it requires them"),
        socks(
            &[5, 0, 5],
            NoTunnel,
            "the server had sent more than its last answer",
        ),
    ]);
    fails
}

#[test]
fn what_a_proxy_does_wrong_is_named_as_its_failure_and_nothing_was_sent() {
    for Fails {
        kind,
        behaviour,
        failure,
        says,
    } in fails()
    {
        let (emulator, proxy, setup) = behind(kind, None);
        proxy.behaves(behaviour.clone());
        let what = format!("{kind:?} {behaviour:?}");
        let error = setup.once(&proxy.url("")).add_tag(&add()).unwrap_err();
        let Cause::Proxy {
            failure: its,
            source,
        } = error.cause()
        else {
            panic!("{what}: {error}");
        };
        let its = (*its, source.to_string());
        assert_eq!(its, (failure, says.to_owned()), "{what}");
        assert_eq!(
            (error.effect(), error.sent()),
            (Effect::NotApplied, 0),
            "{what}"
        );
        let url = proxy.url("");
        assert_eq!(error.proxy(), Some(url.as_str()));
        assert!(
            error
                .to_string()
                .starts_with(&format!("add: the proxy {url} ")),
            "{error}"
        );
        assert_eq!(emulator.stats().arrivals(), 0);
    }
}

#[test]
fn socks_answers_are_told_apart() {
    use ProxyFailure::{NoTunnel, Refused};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let codes = [
        (1, NoTunnel, "it answered 1, a failure of its own"),
        (2, Refused, "it answered 2, not allowed by its rules"),
        (3, NoTunnel, "it answered 3, the network is unreachable"),
        (4, NoTunnel, "it answered 4, the host is unreachable"),
        (5, NoTunnel, "it answered 5, the connection was refused"),
        (6, NoTunnel, "it answered 6, the way is too long"),
        (7, Refused, "it answered 7, it does not connect"),
        (8, Refused, "it answered 8, it takes no such address"),
        (77, NoTunnel, "it answered 77, which means nothing"),
    ];
    let server = thread::spawn(move || {
        for (code, ..) in codes {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 3]).unwrap();
            stream.write_all(&[5, 0]).unwrap();
            stream.read_exact(&mut [0; 7 + HOST.len() - 4]).unwrap();
            stream.write_all(&[5, code]).unwrap();
        }
    });
    for (_, failure, says) in codes {
        let client = builder(SERVICE).proxy(&format!("socks5://{address}"));
        let client = client.retry(ONE_ATTEMPT).build().unwrap();
        let error = client.add_tag(&add()).unwrap_err();
        let Cause::Proxy {
            failure: its,
            source,
        } = error.cause()
        else {
            panic!("{error}");
        };
        assert_eq!((*its, source.to_string().as_str()), (failure, says));
    }
    server.join().unwrap();
}

#[test]
fn a_proxy_that_cannot_be_reached_is_said_so_with_its_place_and_the_remedy() {
    let (emulator, proxy, setup) = behind(Kind::Https, None);
    let nobody = nobody();
    let remedy = "(not applied; check that the proxy runs, and the setting `proxy`, or HTTPS_PROXY and ALL_PROXY)";
    let error = setup.once(&nobody).add_tag(&add()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "add: the proxy {nobody} cannot be reached: Connection refused (os error 111) {remedy}"
        )
    );
    // its certificate is not trusted
    let ca = ca_file(&emulator);
    let client = setup.builder(&proxy.url("")).ca_file(ca.path());
    let client = client.retry(ONE_ATTEMPT).build().unwrap();
    let error = client.add_tag(&add()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "add: the proxy {} cannot be reached: invalid peer certificate: UnknownIssuer {remedy}",
            proxy.url("")
        )
    );
    // it has no address
    let client = builder(SERVICE).proxy("http://proxy.test:3128");
    let client = client.resolver(|_, _| Err(Error::other("no such host")));
    let error = client
        .retry(ONE_ATTEMPT)
        .build()
        .unwrap()
        .add_tag(&add())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "add: the proxy http://proxy.test:3128 cannot be reached: proxy.test: no such host {remedy}"
        )
    );
}

#[test]
fn a_refusal_is_final_and_says_what_to_do_and_what_passes_is_waited_out() {
    for (kind, given) in [
        (Kind::Http, ""),
        (Kind::Https, "u:p@"),
        (Kind::Socks5, ""),
        (Kind::Socks5, "u:p@"),
    ] {
        let (_emulator, proxy, setup) = behind(kind, Some((USER, PASSWORD)));
        let client = setup.builder(&proxy.url(given)).build().unwrap();
        let error = client.add_tag(&add()).unwrap_err();
        assert_eq!((error.attempts(), error.sent()), (1, 0));
        assert_eq!(error.stopped(), Some(Stopped::Permanent));
        assert!(!error.retryable());
        assert_eq!(
            error.remedy(),
            "give the proxy's user and password in the setting `proxy`, as user:password@ before the host"
        );
        let mut run = client.bulk().run([ChangeRequest::add("u", ["t"])]);
        assert!(run.by_ref().all(|completion| completion.result.is_err()));
        assert!(run.finish().ended.is_some());
    }
    // the host comes back, and the proxy reaches it again
    for kind in Kind::ALL {
        let (emulator, proxy, setup) = behind(kind, None);
        proxy.leads(
            HOST,
            nobody().strip_prefix("http://").unwrap().parse().unwrap(),
        );
        let client = setup.builder(&proxy.url("")).build().unwrap();
        thread::scope(|scope| {
            let call = scope.spawn(|| client.add_tag(&add()));
            until(|| proxy.asked().len() > 2);
            proxy.leads(HOST, emulator.address());
            let outcome = call.join().unwrap().unwrap();
            assert!(outcome.attempts > 2 && outcome.sent == 1, "{outcome:?}");
        });
    }
}

#[test]
fn no_error_and_no_debug_shows_the_login() {
    let token = "Y29ycFxtZTpodXNoOmhAc2gv"; // of user and password
    let mut shown = String::new();
    for kind in Kind::ALL {
        let (_emulator, proxy, setup) = behind(kind, Some((USER, "another")));
        let client = setup.builder(&proxy.url(LOGIN));
        shown += &format!("{client:?}\n");
        let client = client.retry(ONE_ATTEMPT).build().unwrap();
        shown += &format!("{client:?}\n");
        for behaviour in [
            Behaviour::Connects,
            Behaviour::Says(format!("HTTP/1.1 407 {PASSWORD} {token}\r\n\r\n").into()),
            Behaviour::Says(format!("{token}{PASSWORD}\r\n\r\n").into()),
            Behaviour::SaysForEver(b"hush:h@sh/"),
        ] {
            proxy.behaves(behaviour);
            let error = client.add_tag(&add()).unwrap_err();
            shown += &format!("{error} {error:?} {error:#?}\n");
        }
    }
    for text in ["http://u:hush@p:x", "ftp://u:hush@p", "socks5://u:hush@"] {
        let builder = builder(SERVICE).proxy(text);
        shown += &format!("{builder:?}");
        let refused = builder.build().unwrap_err();
        shown += &format!("{refused} {refused:?}");
    }
    for secret in ["hush", "h%40sh", "h@sh", "corp", token, &token[4..20]] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("http://***@127.0.0.1:"), "{shown}");
}
