//! Once a byte of a call was written to a host, the call is bound to it: all further attempts go there, while its client's
//! other calls go to the spare host.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::{Emulator, Fault};
use imtag_transport::{AddTags, ChangeRequest, Client, Effect, Error, Operation};
use support::network::{Death, Network};
use support::*;

/// Longer than the waits of a call that finds its host away, and shorter than the test.
const TIME: Duration = Duration::from_secs(2);

/// A first host that takes one connection and is away then, its spare, which is always there, and a client.
fn hosts(first: Network, timeout: Duration) -> (Network, Emulator, Client) {
    let spare = emulator();
    first.accepts(1);
    let client = builder(&first.endpoint("http")).spare_endpoint(spare.endpoint());
    (first, spare, client.timeout(timeout).build().unwrap())
}

/// One that closes each connection once it has heard a request.
fn deaf() -> Network {
    let network = Network::to(emulator().address());
    network.lose_all(Death::Close);
    network
}

/// One that breaks off in its answer.
fn half() -> Network {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\n{\"ActionStatus\"";
    let server = answering(move |_, stream| {
        say(stream, half);
        false
    });
    Network::to(server.strip_prefix("http://").unwrap().parse().unwrap())
}

/// That a call was written to the first host alone, and ended in its time.
#[track_caller]
fn was_bound(error: &Error, began: Instant, spare: &Emulator) {
    assert_eq!(cause(error), "network while connecting");
    assert_eq!((error.effect(), error.sent()), (Effect::PossiblyApplied, 1));
    assert!(error.attempts() > 1, "{error}");
    assert!(error.retryable());
    assert!(began.elapsed() < TIME, "{:?}", began.elapsed());
    assert_eq!(spare.stats().arrivals(), 0);
}

#[test]
fn a_call_that_was_written_to_a_host_goes_there_alone_and_ends_in_its_time() {
    for first in [deaf(), half()] {
        let (_first, spare, client) = hosts(first, TIME);
        let began = Instant::now();
        let error = client.add_tag(&add()).unwrap_err();
        was_bound(&error, began, &spare);
        // it has handed nothing over, and others do
        client.add_tag(&add()).unwrap();
        assert_eq!(spare.stats().arrivals(), 1);
    }
}

#[test]
fn so_does_a_batchers_request() {
    for first in [deaf(), half()] {
        let (_first, spare, client) = hosts(first, TIME);
        let batcher = client.batcher().timeout(TIME).start();
        let began = Instant::now();
        let error = batcher.add_tag("u", ["t"]).unwrap_err();
        was_bound(error.error(), began, &spare);
        batcher.add_tag("v", ["t"]).unwrap();
        assert_eq!(tags(&spare, "v"), ["t"]);
    }
}

#[test]
fn so_does_a_bulk_runs_request_and_its_others_go_to_the_spare() {
    for first in [deaf(), half()] {
        let (_first, spare, client) = hosts(first, TIME);
        let summary = client.bulk().timeout(TIME).run(users(0..300)).finish();
        let progress = &summary.progress;
        assert_eq!((progress.done, progress.failed), (200, 100), "{summary}");
        assert_eq!(spare.stats().arrivals(), 2);
        assert_eq!(spare.users().len(), 200);
    }
}

#[test]
fn so_does_what_was_written_to_a_pooled_connection_that_proved_dead() {
    for death in [Death::Reset, Death::Close] {
        let service = emulator();
        let first = Network::to(service.address());
        let spare = emulator();
        let client = builder(&first.endpoint("http")).spare_endpoint(spare.endpoint());
        let client = client.retry(ONE_ATTEMPT).timeout(LONG).build().unwrap();
        client.add_tag(&add()).unwrap();
        first.doom(death);
        first.stop_listening();
        let error = client.add_tag(&add()).unwrap_err();
        assert_eq!(cause(&error), "network while connecting");
        assert_eq!((error.effect(), error.sent()), (Effect::PossiblyApplied, 1));
        assert_eq!(spare.stats().arrivals(), 0);
        client.add_tag(&add()).unwrap();
        assert_eq!(spare.stats().arrivals(), 1);
    }
}

#[test]
fn calls_that_are_left_behind_hold_up_no_other_and_are_done_once_their_host_is_back() {
    const BOUND: usize = 8;
    let service = emulator();
    let first = Network::to(service.address());
    first.hold_until(BOUND + 1); // so many are under way at once
    let spare = emulator();
    let client = builder(&first.endpoint("http")).spare_endpoint(spare.endpoint());
    let client = client.timeout(LONG).build().unwrap();
    thread::scope(|scope| {
        let bound: Vec<_> = (0..BOUND)
            .map(|number| {
                let client = &client;
                scope.spawn(move || {
                    let account = format!("b{number}");
                    let request = AddTags::new([(account.as_str(), ["t"])]).unwrap();
                    client.add_tag(&request)
                })
            })
            .collect();
        until(|| first.held() == BOUND);
        first.refuse();
        // others go to the spare, over connections that the bound calls do not take, and no outage holds them up
        let began = Instant::now();
        for _ in 0..20 {
            let outcome = client.add_tag(&add()).unwrap();
            assert_eq!((outcome.attempts, outcome.sent), (1, 1));
        }
        assert!(began.elapsed() < Duration::from_secs(5));
        assert!(!client.stats().in_outage);
        assert!(bound.iter().all(|call| !call.is_finished()));
        assert_eq!(spare.stats().arrivals(), 20);
        first.hold_until(0);
        first.restore();
        for call in bound {
            let outcome = call.join().unwrap().unwrap();
            assert_eq!(outcome.sent, 2);
        }
        assert_eq!(spare.stats().arrivals(), 20);
        assert_eq!(service.users().len(), BOUND);
        // nor have they handed back
        assert_eq!(client.add_tag(&add()).unwrap().attempts, 1);
        assert_eq!(spare.stats().arrivals(), 21);
    });
}

#[test]
fn an_outage_of_both_hosts_ends_for_calls_that_can_go_to_the_spare_as_soon_as_it_is_back() {
    const BOUND: usize = 8;
    let (service, other) = (emulator(), emulator());
    let (first, spare) = (Network::to(service.address()), Network::to(other.address()));
    let client = builder(&first.endpoint("http")).spare_endpoint(spare.endpoint("http"));
    let client = client.timeout(LONG).build().unwrap();
    first.hold_until(BOUND + 1);
    thread::scope(|scope| {
        for _ in 0..BOUND {
            scope.spawn(|| client.add_tag(&add()).unwrap());
        }
        until(|| first.held() == BOUND);
        spare.refuse();
        first.refuse();
        let free: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| client.add_tag(&add())))
            .collect();
        until(|| client.stats().in_outage);
        spare.restore();
        for call in free {
            assert_eq!(call.join().unwrap().unwrap().sent, 1);
        }
        assert_eq!(
            (other.stats().arrivals(), service.stats().arrivals()),
            (2, 0)
        );
        first.hold_until(0);
        first.restore();
    });
    // each bound call twice: what was held is handed on late
    until(|| service.stats().arrivals() == 16);
    assert_eq!(other.stats().arrivals(), 2);
}

#[test]
fn a_host_that_answers_with_errors_is_waited_for_in_one_outage_as_before() {
    let (service, spare) = (emulator(), emulator());
    service.fault(Operation::Add, Fault::status(502));
    let client = builder(&service.endpoint()).spare_endpoint(spare.endpoint());
    let client = client.timeout(LONG).build().unwrap();
    let outcome = client.add_tag(&add()).unwrap();
    assert_eq!((outcome.attempts, outcome.sent), (2, 2));
    let summary = client.bulk().run([ChangeRequest::add("b", ["t"])]).finish();
    assert!(summary.all_done(), "{summary}");
    assert_eq!(spare.stats().arrivals(), 0);
}
