//! The service behind an egress proxy: what works without one works through it, in the same time and with the same
//! effects.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::Fault;
use imtag_transport::{AddTags, CancelToken, Client, Effect, Limits, Operation, Phase, Region};
use support::behind::{HOST, LOGIN, PASSWORD, SERVICE, Setup, USER, behind};
use support::proxy::{Behaviour, EgressProxy, Kind};
use support::*;

#[test]
fn calls_runs_and_batchers_go_through_each_kind_of_proxy_with_and_without_a_login() {
    for kind in Kind::ALL {
        for (login, before_host) in [(None, ""), (None, LOGIN), (Some((USER, PASSWORD)), LOGIN)] {
            let (emulator, proxy, setup) = behind(kind, login);
            let client = setup.once(&proxy.url(before_host));
            for _ in 0..3 {
                assert_eq!(client.add_tag(&add()).unwrap().accounts, 2);
            }
            // one after the other over one connection
            assert_eq!(
                (proxy.connections(), proxy.asked()),
                (1, vec![HOST.to_owned()])
            );
            let summary = client.bulk().run(users(0..500)).finish();
            assert!(summary.all_done(), "{summary}");
            let batcher = client.batcher().start();
            batcher.add_tag("b", ["t"]).unwrap();
            assert_eq!(tags(&emulator, "u499"), ["a"]);
            assert_eq!(tags(&emulator, "b"), ["t"]);
        }
    }
}

#[test]
fn a_request_of_megabytes_goes_through_too() {
    let mut limits = Limits::DOCUMENTED;
    limits.tag_bytes = usize::MAX;
    let emulator = service().tls(true).limits(limits).start().unwrap();
    let ca = ca_file(&emulator);
    let tag = "t".repeat(3 << 20);
    for scheme in ["http", "https"] {
        let proxy = format!("{scheme}://{}", emulator.address());
        let client = builder(SERVICE)
            .ca_file(ca.path())
            .proxy(&proxy)
            .timeout(LONG);
        let client = client.limits(limits).retry(ONE_ATTEMPT).build().unwrap();
        let request = AddTags::with_rules(client.rules(), [(scheme, [tag.as_str()])]).unwrap();
        client.add_tag(&request).unwrap();
        assert!(tags(&emulator, scheme) == [tag.as_str()]);
    }
}

#[test]
fn an_emulator_is_a_proxy_too() {
    let (emulator, _, setup) = behind(Kind::Http, None);
    for scheme in ["http", "https"] {
        let client = setup.once(&format!("{scheme}://{}", emulator.address()));
        assert_eq!(client.add_tag(&add()).unwrap().accounts, 2);
    }
}

/// Clients whose proxy hangs, each with where.
fn hangs() -> Vec<(Phase, EgressProxy, Setup)> {
    let mut hangs = Vec::new();
    for kind in Kind::ALL {
        for behaviour in [Behaviour::Stalls, Behaviour::IsSilent] {
            let is_silent = matches!(behaviour, Behaviour::IsSilent);
            let (_, proxy, setup) = behind(kind, None);
            proxy.behaves(behaviour);
            let phase = if kind == Kind::Https && is_silent {
                Phase::Proxy
            } else {
                Phase::Tunnel
            };
            hangs.push((phase, proxy, setup));
        }
    }
    hangs
}

#[test]
fn a_call_ends_at_its_deadline_and_when_it_is_cancelled_in_each_step_of_a_proxy() {
    // enough for a busy machine to come to the step that hangs
    let timeout = Duration::from_millis(1_500);
    thread::scope(|scope| {
        for (phase, proxy, setup) in hangs() {
            scope.spawn(move || {
                let url = proxy.url("");
                let when = match phase {
                    Phase::Proxy => format!("while connecting to the proxy {url}"),
                    _ => format!("while the proxy {url} connects to the service"),
                };
                let says = format!(
                    "add: time is up {when} (not applied; check the proxy, and try again, or allow more time)"
                );
                let client = setup.once(&url);
                let began = Instant::now();
                let error = client.call(&add(), &within(timeout)).unwrap_err();
                assert!(began.elapsed() >= timeout);
                assert_eq!((error.to_string(), error.sent()), (says.clone(), 0));
                let connecting = setup.builder(&url).connect_timeout(timeout);
                let connecting = connecting.retry(ONE_ATTEMPT).build().unwrap();
                assert_eq!(connecting.add_tag(&add()).unwrap_err().to_string(), says);

                let token = CancelToken::new();
                let options = within(LONG).cancel(&token);
                let before = proxy.connections();
                let error = thread::scope(|scope| {
                    let call = scope.spawn(|| client.call(&add(), &options).unwrap_err());
                    until(|| proxy.connections() > before);
                    token.cancel();
                    call.join().unwrap()
                });
                // the step that hangs, or the one before it
                assert!(cause(&error).starts_with("cancelled while"), "{error}");
                assert_eq!((error.effect(), error.sent()), (Effect::NotApplied, 0));
            });
        }
    });
}

#[test]
fn a_look_up_of_the_proxy_that_hangs_ends_with_the_call() {
    let client = builder(SERVICE).proxy("http://proxy.test:3128");
    let client = client.resolver(|_, _| {
        thread::sleep(LONG);
        Ok(Vec::new())
    });
    let client = client.retry(ONE_ATTEMPT).build().unwrap();
    let error = client
        .call(&add(), &within(Duration::from_millis(500)))
        .unwrap_err();
    assert_eq!(cause(&error), "timeout while connecting to the proxy");
}

#[test]
fn a_tunnel_that_ends_is_a_connection_that_ends() {
    for kind in Kind::ALL {
        // a word for the handshake, which is one or two, and one for the request
        let (emulator, proxy, setup) = behind(kind, None);
        let client = setup.once(&proxy.url(""));
        client.add_tag(&add()).unwrap();
        emulator.disconnect(); // the proxy closes too
        let outcome = client.add_tag(&add()).unwrap();
        assert_eq!(outcome.accounts, 2);
        assert_eq!(proxy.connections(), 2);

        // before the request, and once it was sent
        proxy.behaves(Behaviour::ClosesAfter(1));
        let closed = setup.once(&proxy.url("")).add_tag(&add()).unwrap_err();
        assert_eq!(cause(&closed), "network while in the TLS handshake");
        assert_eq!((closed.effect(), closed.sent()), (Effect::NotApplied, 0));
        proxy.behaves(Behaviour::Connects);
        emulator.fault(Operation::Add, Fault::cut_after());
        let cut = setup.once(&proxy.url("")).add_tag(&add()).unwrap_err();
        assert_eq!(cause(&cut), "network while waiting for the answer");
        assert_eq!((cut.effect(), cut.sent()), (Effect::PossiblyApplied, 1));
    }
}

/// Set for the process that is started with the variables of a test.
const CHILD: &str = "IMTAG_TEST_CHILD";

/// Not a test of its own: what the started process runs.
#[test]
fn child_with_an_environment() {
    let Ok(endpoint) = std::env::var(CHILD) else {
        return;
    };
    let look_up = |host: &str, _: u16| Err(std::io::Error::other(format!("asked for {host}")));
    let key = key();
    let builder = Client::builder(1_400_000_000, "administrator", key).retry(ONE_ATTEMPT);
    let builder = match endpoint.as_str() {
        "region" => builder.region(Region::Singapore).spare_endpoint("none"),
        endpoint => builder.endpoint(endpoint),
    };
    let said = match builder.resolver(look_up).build() {
        Ok(client) => client.add_tag(&add()).unwrap_err().reason(),
        Err(refused) => refused.to_string(),
    };
    println!("said: {said}");
}

#[test]
fn the_environments_proxy_is_taken_when_no_other_is_set() {
    for (endpoint, variables, expected) in [
        (
            "region",
            vec![("HTTPS_PROXY", "http://u:p@proxy.test:1")],
            "the proxy http://proxy.test:1 cannot be reached: proxy.test: asked for proxy.test",
        ),
        (
            "region",
            vec![("all_proxy", "socks5://proxy.test")],
            "the proxy socks5://proxy.test:1080 cannot be reached: proxy.test: asked for proxy.test",
        ),
        (
            "region",
            vec![
                ("https_proxy", "http://proxy.test:1"),
                ("NO_PROXY", "x, .qcloud.com"),
            ],
            "the network failed while looking up the host: adminapisgp.im.qcloud.com: asked for adminapisgp.im.qcloud.com",
        ),
        (
            "region",
            vec![("HTTPS_PROXY", "gopher://u:hush@proxy.test:1")],
            "the proxy of HTTPS_PROXY has another scheme than http, https and socks5: set it as http://host:port, \
             https://host:port or socks5://host:port, with user:password@ before the host if it asks for them, or as direct",
        ),
        (
            "https://localhost:1",
            vec![("HTTPS_PROXY", "gopher://u:hush@proxy.test:1")],
            "the network failed while looking up the host: localhost: asked for localhost",
        ),
    ] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child_with_an_environment", "--nocapture"]);
        for name in ["HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
            child.env_remove(name).env_remove(name.to_lowercase());
        }
        let output = child.env(CHILD, endpoint).envs(variables).output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let said = output.lines().find_map(|line| line.split_once("said: "));
        assert_eq!(said.map(|it| it.1), Some(expected), "{output}");
    }
}
