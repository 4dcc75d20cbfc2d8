//! A gateway that answers in the place of a service which is away, in any of the ways in which gateways do, and a service
//! that says nothing. Neither fails a call or a change once the service has answered.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use imtag_core::retry::Stopped;
use imtag_emulator::{Emulator, Fault, ProbabilisticFault};
use imtag_transport::{AddTags, Client, ClientBuilder, Effect};
use support::network::{Death, Network};
use support::*;

/// What gateways say, each with its status.
fn away() -> [(u16, Fault); 11] {
    let status = |status, body| (status, Fault::status(status).body(body));
    let ok = |body| (200, Fault::garbage().body(body));
    [
        status(404, "default backend - 404"),
        status(403, ""),
        status(401, ""),
        status(405, ""),
        status(302, ""),
        status(307, ""),
        status(408, ""),
        status(429, "slow down"),
        status(530, ""),
        ok("<html>Back soon</html>"),
        ok(""),
    ]
}

/// From now on a gateway answers so in the service's place.
fn goes(emulator: &Emulator, away: Fault) {
    emulator.add_standing(ProbabilisticFault::new(away, 1.0).unwrap());
}

fn patient(emulator: &Emulator) -> ClientBuilder {
    builder(&emulator.endpoint()).timeout(LONG)
}

/// A service, and a client that it has answered.
fn that_answered() -> (Emulator, Client) {
    let emulator = emulator();
    let client = patient(&emulator).build().unwrap();
    client.add_tag(&add()).unwrap();
    (emulator, client)
}

/// Does `work` while a gateway answers so, until more requests have met it than a call has attempts.
fn while_away(emulator: &Emulator, away: &Fault, work: impl FnOnce() + Send) {
    goes(emulator, away.clone());
    thread::scope(|scope| {
        let working = scope.spawn(work);
        until(|| emulator.standing()[0].met > 5 || working.is_finished());
        emulator.remove_faults();
        working.join().unwrap();
    });
}

#[test]
fn a_gateway_without_its_service_costs_no_call_and_no_change_once_the_service_was_there() {
    thread::scope(|scope| {
        for (status, away) in away() {
            scope.spawn(move || {
                let (emulator, client) = that_answered();
                while_away(&emulator, &away, || {
                    let outcome = client.add_tag(&add()).unwrap();
                    assert!(outcome.attempts > 5, "{status}");
                });
                while_away(&emulator, &away, || {
                    let batcher = client.batcher().timeout(LONG).start();
                    batcher.add_tag("u", ["t"]).unwrap();
                });
                while_away(&emulator, &away, || {
                    let summary = client.bulk().timeout(LONG).run(users(0..300)).finish();
                    assert!(summary.all_done(), "{status}: {summary}");
                });
            });
        }
    });
}

#[test]
fn before_its_first_answer_a_strange_status_is_a_wrong_endpoint_and_an_overload_is_waited_out() {
    for (status, away) in away() {
        let emulator = emulator();
        goes(&emulator, away);
        let client = patient(&emulator).timeout(Duration::from_secs(2));
        let error = client.build().unwrap().add_tag(&add()).unwrap_err();
        let overload = "try again; the service itself always answers 200";
        let maybe_wrong = "check the endpoint: this may not be the service";
        let wrong = "check the endpoint: this is not the service";
        let expected = match status {
            408 | 429 | 530 => (Stopped::OutageTooLong, overload),
            200 => (Stopped::AttemptsSpent, maybe_wrong),
            _ => (Stopped::Permanent, wrong),
        };
        let is = (error.stopped(), error.remedy());
        assert_eq!(is, (Some(expected.0), expected.1), "{status}");
    }
}

#[test]
fn an_outage_that_looks_like_a_wrong_endpoint_and_lasts_too_long_says_try_again() {
    let gateway = "try again; a gateway answers in the service's place";
    let overload = "try again; the service itself always answers 200";
    let [not_found, .., page, _] = away();
    let timeout = (408, Fault::status(408));
    for ((_, away), remedy) in [(not_found, gateway), (page, gateway), (timeout, overload)] {
        let (emulator, client) = that_answered();
        goes(&emulator, away);
        let options = within(Duration::from_secs(2));
        let error = client.call(&add(), &options).unwrap_err();
        assert_eq!(error.stopped(), Some(Stopped::OutageTooLong), "{error}");
        assert_eq!(error.remedy(), remedy);
        assert!(error.retryable());
        assert_eq!(error.effect(), Effect::PossiblyApplied);
    }
}

#[test]
fn a_service_that_is_silent_for_less_than_half_of_a_call_s_time_costs_no_call() {
    let emulator = emulator();
    let network = Network::to(emulator.address());
    for was_there in [false, true] {
        let client = builder(&network.endpoint("http")).build().unwrap();
        if was_there {
            client.add_tag(&add()).unwrap();
        }
        let lost = network.lost();
        network.lose_all(Death::Silence);
        thread::scope(|scope| {
            // of 20 s, the first attempt has 10
            let options = within(Duration::from_secs(20));
            let client = &client;
            let call = scope.spawn(move || client.call(&add(), &options).unwrap());
            until(|| network.lost() > lost);
            network.lose_none();
            let outcome = call.join().unwrap();
            assert_eq!((outcome.attempts, outcome.sent), (2, 2), "{was_there}");
        });
    }
}

/// Calls until it is stopped: so others are answered all the time.
fn call_until(client: &Client, stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        client.add_tag(&add()).unwrap();
    }
}

#[test]
fn a_request_that_a_gateway_rejects_ends_while_others_are_answered() {
    let emulator = emulator();
    let gateway = ProbabilisticFault::new(Fault::status(502), 1.0).unwrap();
    emulator.add_standing(gateway.account("poison"));
    let client = patient(&emulator).build().unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| call_until(&client, &stop));
        let request = AddTags::new([("poison", ["t"])]).unwrap();
        let error = client.add_tag(&request).unwrap_err();
        stop.store(true, Ordering::SeqCst);
        assert_eq!(error.stopped(), Some(Stopped::AttemptsSpent), "{error}");
        assert!((9..20).contains(&error.attempts()), "{error}");
    });
}
