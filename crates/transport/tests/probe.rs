//! A call that says how it came to the service: each step once, in its order, by the connection that any call opens.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::sync::{Arc, Mutex};

use imtag_emulator::{Emulator, Fault, Generation, Operation};
use imtag_transport::{CallOptions, Client, GetTags, Phase, Probe, Step};
use support::behind::{HOST, behind};
use support::proxy::Kind;
use support::{builder, emulator, nobody};

const GET: (Operation, Generation) = (Operation::Get, Generation::AllMemberPush);

fn probe(client: &Client) -> Probe {
    let request = GetTags::new(["administrator"]).unwrap();
    client.probe(&request, &CallOptions::new(), Arc::new(|_| {}))
}

/// The phases, and whether each failed.
fn phases(probe: &Probe) -> Vec<(Phase, bool)> {
    probe
        .steps
        .iter()
        .map(|it| (it.phase, it.failure.is_some()))
        .collect()
}

fn client(emulator: &Emulator) -> Client {
    builder(&emulator.endpoint()).build().unwrap()
}

#[test]
fn each_step_to_an_answer_has_its_host_its_addresses_and_its_time() {
    let emulator = emulator();
    let client = client(&emulator);
    for _ in 0..2 {
        // also where there is an idle connection
        let probe = probe(&client);
        assert!(probe.result.is_ok() && probe.date.is_some());
        assert_eq!(
            phases(&probe),
            [
                (Phase::Resolve, false),
                (Phase::Connect, false),
                (Phase::Write, false)
            ]
        );
        let address = emulator.address();
        for step in &probe.steps {
            assert_eq!(step.host, address.to_string());
        }
        for step in &probe.steps[..2] {
            assert_eq!(step.addresses, [address]);
        }
        assert!(probe.steps.iter().all(|step| !step.time.is_zero()));
    }
    assert_eq!(emulator.stats().connections, 2);
}

#[test]
fn it_is_sent_once_whatever_the_answer() {
    for code in [91000, 60007, 60004, 70001] {
        let emulator = emulator();
        emulator.fault(GET, Fault::code(code));
        let probe = probe(&client(&emulator));
        assert_eq!(probe.result.unwrap_err().code().unwrap().0, code);
        assert_eq!(emulator.stats().arrivals(), 1);
    }
}

#[test]
fn the_last_step_is_where_it_failed() {
    let client = builder(&nobody()).build().unwrap();
    let refused = probe(&client);
    assert!(refused.result.is_err() && refused.date.is_none());
    assert_eq!(
        phases(&refused),
        [(Phase::Resolve, false), (Phase::Connect, true)]
    );
}

#[test]
fn a_proxy_is_a_step_and_its_tunnel_another() {
    for kind in Kind::ALL {
        let (_emulator, proxy, setup) = behind(kind, None);
        let client = setup.builder(&proxy.url("")).build().unwrap();
        let reached = probe(&client);
        assert!(reached.result.is_ok());
        let through = Some(proxy.url(""));
        assert!(
            reached
                .steps
                .iter()
                .all(|it| it.proxy.as_deref() == through.as_deref())
        );
        assert_eq!(
            phases(&reached),
            [Phase::Proxy, Phase::Tunnel, Phase::Handshake, Phase::Write].map(|it| (it, false))
        );
        assert_eq!(reached.steps[0].host, proxy.address.to_string());
        assert_eq!(reached.steps[1].host, HOST);
    }
}

#[test]
fn a_spare_host_follows_the_first() {
    let emulator = emulator();
    let client = builder(&nobody()).spare_endpoint(emulator.endpoint());
    let probe = probe(&client.build().unwrap());
    assert!(probe.result.is_ok());
    let expected = [
        (Phase::Resolve, false),
        (Phase::Connect, true),
        (Phase::Resolve, false),
        (Phase::Connect, false),
        (Phase::Write, false),
    ];
    assert_eq!(phases(&probe), expected);
    let failure = probe.steps[1].failure.as_deref().unwrap();
    assert!(failure.starts_with("Connection refused"), "{failure}");
}

#[test]
fn each_step_is_told_as_it_begins() {
    let emulator = emulator();
    let told = Arc::new(Mutex::new(Vec::new()));
    let watcher = {
        let told = Arc::clone(&told);
        Arc::new(move |steps: &[Step]| {
            let last = steps.last().unwrap();
            assert!(last.time.is_zero());
            told.lock().unwrap().push(last.phase);
        })
    };
    let request = GetTags::new(["administrator"]).unwrap();
    let probe = client(&emulator).probe(&request, &CallOptions::new(), watcher);
    assert!(probe.result.is_ok());
    let phases: Vec<_> = probe.steps.iter().map(|it| it.phase).collect();
    assert_eq!(*told.lock().unwrap(), phases);
}
