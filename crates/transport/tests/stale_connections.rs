//! Connections that died while they were idle, unseen: a call meets one of them at most, and goes over a new one then.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use imtag_emulator::{Emulator, Fault};
use imtag_transport::{ChangeRequest, Client, Effect, Operation};
use support::network::{Death, Network};
use support::*;

/// Calls that are all under way before the first is answered, so that so many connections are idle afterwards.
fn fill_pool(network: &Network, client: &Client, connections: usize) {
    network.hold_until(connections);
    thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| client.call(&get(), &within(LONG)));
        }
    });
    network.hold_until(0);
}

/// A service, the network before it, and a client whose calls make one attempt, with so many idle connections.
fn idle(connections: usize) -> (Emulator, Network, Client) {
    let emulator = emulator();
    let network = Network::to(emulator.address());
    let client = builder(&network.endpoint("http")).retry(ONE_ATTEMPT);
    let client = client.timeout(LONG).build().unwrap();
    fill_pool(&network, &client, connections);
    (emulator, network, client)
}

/// Requests that reached the service.
fn adds(emulator: &Emulator) -> usize {
    let requests = emulator.requests();
    let adds = requests.iter().filter(|it| it.body.contains("UserTags"));
    adds.count()
}

#[test]
fn however_many_idle_connections_are_dead_a_call_meets_one_of_them() {
    for (connections, death) in [
        (1, Death::Reset),
        (4, Death::Reset),
        (4, Death::Close),
        (12, Death::Reset),
        (100, Death::Reset),
        (100, Death::Close),
    ] {
        let (emulator, network, client) = idle(connections);
        network.doom(death);
        let outcome = client.add_tag(&add()).unwrap();
        let what = format!("{connections} {death:?}");
        assert_eq!((outcome.attempts, outcome.sent), (2, 2), "{what}");
        assert_eq!(network.lost(), 1, "{what}");
        assert_eq!(network.connections(), connections + 1, "{what}");
        // all that were idle are gone, and the new one stays
        for _ in 0..3 {
            assert_eq!(client.add_tag(&add()).unwrap().attempts, 1, "{what}");
        }
        assert_eq!(network.connections(), connections + 1, "{what}");
        assert_eq!(adds(&emulator), 4, "{what}");
    }
}

#[test]
fn a_connection_that_ends_in_bytes_that_are_no_tls_is_dead_as_any_other() {
    for death in [Death::Garbage, Death::Reset, Death::Close] {
        let emulator = tls_emulator();
        let network = Network::to(emulator.address());
        let ca = ca_file(&emulator);
        let client = builder(&network.endpoint("https")).ca_file(ca.path());
        let client = client.retry(ONE_ATTEMPT).timeout(LONG).build().unwrap();
        // TLS has words of its own before the request's
        for _ in 0..2 {
            client.add_tag(&add()).unwrap();
        }
        network.doom(death);
        let outcome = client.add_tag(&add()).unwrap();
        assert_eq!((outcome.attempts, outcome.sent), (2, 2), "{death:?}");
        assert_eq!(network.connections(), 2, "{death:?}");
    }
}

#[test]
fn if_every_connection_dies_after_its_first_answer_each_call_is_still_done() {
    let (emulator, network, client) = idle(0);
    network.one_word_each(Death::Reset);
    let attempts: Vec<u32> = (0..5)
        .map(|_| client.add_tag(&add()).unwrap().attempts)
        .collect();
    assert_eq!(attempts, [1, 2, 2, 2, 2]);
    assert_eq!((network.connections(), adds(&emulator)), (5, 5));
}

#[test]
fn a_thread_meets_one_dead_connection_at_most_however_many_call_at_once() {
    let (emulator, network, client) = idle(50);
    network.doom(Death::Reset);
    let sent = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                let outcome = client.add_tag(&add()).unwrap();
                assert!(outcome.sent <= 2, "{outcome:?}");
                sent.fetch_add(outcome.sent as usize, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(sent.into_inner(), 50 + network.lost());
    assert_eq!(adds(&emulator), 50);
}

#[test]
fn a_dead_connection_costs_no_change_of_a_run_or_a_batcher() {
    let (emulator, network, client) = idle(12);
    network.doom(Death::Reset);
    let summary = client.bulk().run([ChangeRequest::add("b", ["t"])]).finish();
    assert!(summary.all_done());
    let progress = summary.progress;
    assert_eq!((progress.requests, progress.attempts), (1, 2));

    fill_pool(&network, &client, 12);
    network.doom(Death::Reset);
    let batcher = client.batcher().start();
    batcher.add_tag("c", ["t"]).unwrap();
    assert_eq!(network.lost(), 2);
    assert_eq!([tags(&emulator, "b"), tags(&emulator, "c")], [["t"], ["t"]]);
}

#[test]
fn what_was_sent_over_a_dead_connection_stays_possibly_applied_if_no_new_one_is_made() {
    let (_emulator, network, client) = idle(4);
    network.doom(Death::Close);
    // takes no new connections; the idle ones stay
    network.stop_listening();
    let error = client.add_tag(&add()).unwrap_err();
    assert_eq!(cause(&error), "network while connecting");
    assert_eq!(error.effect(), Effect::PossiblyApplied);
    assert_eq!((error.attempts(), error.sent()), (2, 1));
}

#[test]
fn after_a_pooled_connection_stayed_silent_the_next_attempt_goes_over_a_new_one() {
    let (_emulator, network, _) = idle(0);
    let client = builder(&network.endpoint("http")).timeout(LONG);
    let client = client.build().unwrap();
    fill_pool(&network, &client, 4);
    network.doom(Death::Silence);
    // the first attempt is silent for half of the time
    let options = within(Duration::from_secs(20));
    let outcome = client.call(&add(), &options).unwrap();
    assert_eq!((outcome.attempts, outcome.sent), (2, 2));
    assert_eq!((network.lost(), network.connections()), (1, 5));
}

#[test]
fn after_a_call_whose_time_was_up_in_silence_the_next_call_goes_over_a_new_connection() {
    let (_emulator, network, client) = idle(4);
    network.doom(Death::Silence);
    let options = within(Duration::from_millis(200));
    let error = client.call(&add(), &options).unwrap_err();
    assert_eq!(cause(&error), "timeout while waiting for the answer");
    assert_eq!(client.add_tag(&add()).unwrap().attempts, 1);
    assert_eq!((network.lost(), network.connections()), (1, 5));
}

#[test]
fn an_answer_that_is_a_failure_ends_no_connection() {
    let (emulator, network, client) = idle(4);
    emulator.fault(Operation::Add, Fault::code(91000));
    client.add_tag(&add()).unwrap_err();
    client.add_tag(&add()).unwrap();
    assert_eq!(network.connections(), 4);
}
