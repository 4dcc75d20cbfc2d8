//! A gateway that answers in the place of a service which is away, in any of the ways in which gateways do, and a service
//! that says nothing. Neither fails a call or a change once the service has answered.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use imtag_core::retry::Stopped;
use imtag_emulator::{Fault, Operation};
use imtag_transport::{AddTags, Client, ClientBuilder, Effect};
use support::network::{Death, Network};
use support::*;

/// Status and body.
type Answer = (&'static str, &'static str);

/// What a gateway says, whole.
const AWAY: [Answer; 11] = [
    ("404 Not Found", "default backend - 404"),
    ("403 Forbidden", ""),
    ("401 Unauthorized", ""),
    ("405 Method Not Allowed", ""),
    ("302 Found", ""),
    ("307 Temporary Redirect", ""),
    ("408 Request Timeout", ""),
    ("429 Too Many Requests", "slow down"),
    ("530 Site Frozen", ""),
    ("200 OK", "<html>Back soon</html>"),
    ("200 OK", ""),
];

/// A service behind a gateway.
struct Stage {
    endpoint: String,
    /// What the gateway answers while the service is away.
    says: Arc<Mutex<Option<Answer>>>,
    /// Requests that the gateway answered.
    met: Arc<AtomicUsize>,
}

impl Stage {
    /// The gateway passes all requests on, except those that hold `poison`, which get 502.
    fn new() -> Stage {
        let says = Arc::new(Mutex::new(None));
        let met = Arc::new(AtomicUsize::new(0));
        let (its_says, its_met) = (Arc::clone(&says), Arc::clone(&met));
        let endpoint = answering(move |request, stream| {
            let poisoned = request.contains("poison");
            let poisoned = poisoned.then_some(("502 Bad Gateway", ""));
            let away: Option<Answer> = its_says.lock().unwrap().or(poisoned);
            its_met.fetch_add(usize::from(away.is_some()), Ordering::SeqCst);
            let (status, body) = away.unwrap_or(("200 OK", DONE));
            say(stream, answer(status, body));
            true
        });
        Stage {
            endpoint,
            says,
            met,
        }
    }

    fn client(&self) -> ClientBuilder {
        builder(&self.endpoint).timeout(LONG)
    }

    /// With a client that the service has answered.
    fn that_answered() -> (Stage, Client) {
        let stage = Stage::new();
        let client = stage.client().build().unwrap();
        client.add_tag(&add()).unwrap();
        (stage, client)
    }

    /// Does `work` while the gateway says so, until more requests have met it than a call has attempts.
    fn while_away(&self, away: Answer, work: impl FnOnce() + Send) {
        self.met.store(0, Ordering::SeqCst);
        *self.says.lock().unwrap() = Some(away);
        thread::scope(|scope| {
            let working = scope.spawn(work);
            until(|| self.met.load(Ordering::SeqCst) > 5 || working.is_finished());
            *self.says.lock().unwrap() = None;
            working.join().unwrap();
        });
    }
}

#[test]
fn a_gateway_without_its_service_costs_no_call_and_no_change_once_the_service_was_there() {
    thread::scope(|scope| {
        for away in AWAY {
            scope.spawn(move || {
                let (stage, client) = Stage::that_answered();
                stage.while_away(away, || {
                    let outcome = client.add_tag(&add()).unwrap();
                    assert!(outcome.attempts > 5, "{away:?}");
                });
                stage.while_away(away, || {
                    let batcher = client.batcher().timeout(LONG).start();
                    batcher.add_tag("u", ["t"]).unwrap();
                });
                stage.while_away(away, || {
                    let summary = client.bulk().timeout(LONG).run(users(0..300)).finish();
                    assert!(summary.all_done(), "{away:?}: {summary}");
                });
            });
        }
    });
}

#[test]
fn before_its_first_answer_a_strange_status_is_a_wrong_endpoint_and_an_overload_is_waited_out() {
    for (status, body) in AWAY {
        let stage = Stage::new();
        *stage.says.lock().unwrap() = Some((status, body));
        let client = stage.client().timeout(Duration::from_secs(2));
        let error = client.build().unwrap().add_tag(&add()).unwrap_err();
        let number: u16 = status[..3].parse().unwrap();
        let overload = "try again; the service itself always answers 200";
        let maybe_wrong = "check the endpoint: this may not be the service";
        let wrong = "check the endpoint: this is not the service";
        let expected = match number {
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
    for (away, remedy) in [(AWAY[0], gateway), (AWAY[9], gateway), (AWAY[6], overload)] {
        let (stage, client) = Stage::that_answered();
        *stage.says.lock().unwrap() = Some(away);
        let options = within(Duration::from_secs(2));
        let error = client.add_tag_with(&add(), &options).unwrap_err();
        assert_eq!(error.stopped(), Some(Stopped::OutageTooLong), "{error}");
        assert_eq!(error.remedy(), remedy);
        assert!(error.retryable());
        assert_eq!(error.effect(), Effect::PossiblyApplied);
    }
}

#[test]
fn json_that_is_not_understood_keeps_to_the_attempts_of_a_call() {
    let (stage, client) = Stage::that_answered();
    *stage.says.lock().unwrap() = Some(("200 OK", "{}"));
    let error = client.add_tag(&add()).unwrap_err();
    assert_eq!(error.attempts(), 4);
    assert_eq!(error.stopped(), Some(Stopped::AttemptsSpent));
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
            let call = scope.spawn(move || client.add_tag_with(&add(), &options).unwrap());
            until(|| network.lost() > lost);
            network.lose_none();
            let outcome = call.join().unwrap();
            assert_eq!((outcome.attempts, outcome.sent), (2, 2), "{was_there}");
        });
    }
}

#[test]
fn after_a_silent_attempt_the_next_may_take_all_the_time_that_is_left() {
    let emulator = emulator();
    let client = client(&emulator);
    let silence = Fault::delay(Duration::from_secs(60));
    emulator.faults(Operation::Add, vec![silence; 3]);
    let options = within(Duration::from_secs(2));
    let error = client.add_tag_with(&add(), &options).unwrap_err();
    assert_eq!(cause(&error), "timeout while waiting for the answer");
    assert_eq!((error.attempts(), error.sent()), (2, 2));
}

/// Calls until it is stopped: so others are answered all the time.
fn call_until(client: &Client, stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        client.add_tag(&add()).unwrap();
    }
}

#[test]
fn a_request_that_a_gateway_rejects_ends_while_others_are_answered() {
    let stage = Stage::new();
    let client = stage.client().calls_per_second(1_000).build().unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| call_until(&client, &stop));
        let request = AddTags::new([("u", ["poison"])]).unwrap();
        let error = client.add_tag(&request).unwrap_err();
        stop.store(true, Ordering::SeqCst);
        assert_eq!(error.stopped(), Some(Stopped::AttemptsSpent), "{error}");
        assert!((9..20).contains(&error.attempts()), "{error}");
    });
}
