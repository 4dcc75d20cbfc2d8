//! A service that goes away and comes back: it costs time, and no call and no change whose time is long enough.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use imtag_core::retry::{RetryPolicy, Stopped};
use imtag_emulator::{Emulator, Fault, ProbabilisticFault};
use imtag_transport::{CallOptions, CancelToken, Client, ClientBuilder};
use support::network::{Death, Network, one_at_a_time};
use support::*;

#[derive(Debug, Clone, Copy)]
enum Away {
    /// Nobody listens, and what was open is reset.
    Refuses,
    /// Connections are made, and reset at the first word.
    Resets,
    /// A gateway answers 502.
    Gateway,
    /// Connections are made, and nothing is said.
    Silent,
}

const ALL: [Away; 4] = [Away::Refuses, Away::Resets, Away::Gateway, Away::Silent];

struct Stage {
    emulator: Emulator,
    network: Network,
}

impl Stage {
    fn new() -> Stage {
        let emulator = emulator();
        let network = Network::to(emulator.address());
        Stage { emulator, network }
    }

    fn client(&self) -> ClientBuilder {
        builder(&self.network.endpoint("http")).timeout(LONG)
    }

    fn with_client() -> (Stage, Client) {
        let stage = Stage::new();
        let client = stage.client().build().unwrap();
        (stage, client)
    }

    fn goes(&self, away: Away) {
        match away {
            Away::Refuses => self.network.refuse(),
            Away::Resets => self.network.lose_all(Death::Reset),
            Away::Silent => self.network.lose_all(Death::Silence),
            Away::Gateway => {
                let standing = ProbabilisticFault::new(Fault::status(502), 1.0).unwrap();
                self.emulator.add_standing(standing);
            }
        }
    }

    /// Comes back once more requests have failed than a call has attempts.
    fn comes_back(&self, away: Away) {
        match away {
            // nobody counts refusals; how long it lasts decides nothing
            Away::Refuses => {
                thread::sleep(Duration::from_millis(300));
                self.network.restore();
            }
            Away::Resets | Away::Silent => {
                until(|| self.network.lost() > 4);
                self.network.lose_none();
            }
            Away::Gateway => {
                until(|| self.met() > 6);
                self.emulator.remove_faults();
            }
        }
    }

    /// Requests that the gateway answered.
    fn met(&self) -> u64 {
        self.emulator.standing().first().map_or(0, |it| it.met)
    }

    /// Does `work` while the service is away for a moment.
    fn while_away(&self, away: Away, work: impl FnOnce() + Send) {
        self.goes(away);
        thread::scope(|scope| {
            let working = scope.spawn(work);
            self.comes_back(away);
            working.join().unwrap();
        });
    }
}

fn options() -> CallOptions {
    CallOptions::new().attempt_timeout(Duration::from_millis(800))
}

fn call_by_200_threads(client: &Client) {
    thread::scope(|scope| {
        for _ in 0..200 {
            let call = || client.call(&add(), &options()).unwrap();
            scope.spawn(call);
        }
    });
}

#[test]
fn an_outage_fails_no_call_whether_the_service_answered_before_or_not() {
    for away in ALL {
        for was_there in [false, true] {
            let (stage, client) = Stage::with_client();
            if was_there {
                client.add_tag(&add()).unwrap();
            }
            stage.while_away(away, || {
                let outcome = client.call(&add(), &options()).unwrap();
                assert!(
                    outcome.attempts > 4 || matches!(away, Away::Refuses),
                    "{away:?}"
                );
            });
        }
    }
}

#[test]
fn an_outage_fails_none_of_two_hundred_calls_at_once() {
    let _turn = one_at_a_time();
    for away in ALL {
        let (stage, client) = Stage::with_client();
        call_by_200_threads(&client);
        stage.while_away(away, || call_by_200_threads(&client));
    }
}

#[test]
fn an_outage_fails_no_change_of_a_run_whether_the_service_answered_before_or_not() {
    for away in ALL {
        let (stage, client) = Stage::with_client();
        let run = |from: usize| {
            let options = client.bulk().timeout(LONG);
            let options = options.attempt_timeout(Duration::from_millis(800));
            let summary = options.run(users(from..from + 2_000)).finish();
            assert!(summary.all_done(), "{away:?}: {summary}");
        };
        stage.while_away(away, || run(0));
        stage.while_away(away, || run(2_000));
        assert_eq!(stage.emulator.users().len(), 4_000);
    }
}

#[test]
fn an_outage_fails_no_change_of_two_hundred_callers_of_a_batcher() {
    let _turn = one_at_a_time();
    for away in ALL {
        let (stage, client) = Stage::with_client();
        let options = client.batcher().timeout(LONG);
        let batcher = options.attempt_timeout(Duration::from_millis(800)).start();
        let call = |round: u32| {
            thread::scope(|scope| {
                for user in 0..200 {
                    let batcher = &batcher;
                    scope.spawn(move || {
                        batcher
                            .add_tag(format!("u{user}"), [format!("t{round}")])
                            .unwrap();
                    });
                }
            });
        };
        call(0);
        stage.while_away(away, || call(1));
        let users = stage.emulator.users();
        assert_eq!(users.len(), 200);
        assert!(users.values().all(|tags| tags.len() == 2), "{away:?}");
    }
}

#[test]
fn one_request_at_a_time_asks_whether_the_service_is_back() {
    let _turn = one_at_a_time();
    let stage = Stage::new();
    let client = stage.client().retry(RetryPolicy::default());
    let client = client.build().unwrap();
    call_by_200_threads(&client);
    stage.goes(Away::Gateway);
    let done = AtomicU64::new(0);
    let met = thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                client.add_tag(&add()).unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        // its length decides nothing: the waits between two probes grow
        thread::sleep(Duration::from_secs(1));
        let met = stage.met();
        stage.emulator.remove_faults();
        met
    });
    println!("{met} requests of 200 calls in an outage of a second");
    assert_eq!(done.into_inner(), 200);
    // what was under way when the first failed, and the probes
    assert!((2..=200 + 50).contains(&met), "{met}");
}

#[test]
fn a_call_that_begins_in_an_outage_ends_with_the_last_failure() {
    let (stage, client) = Stage::with_client();
    stage.goes(Away::Gateway);
    let token = CancelToken::new();
    let first = CallOptions::new().cancel(&token);
    thread::scope(|scope| {
        let first = scope.spawn(|| client.call(&add(), &first).unwrap_err());
        until(|| stage.met() > 0);
        let options = within(Duration::from_secs(4));
        let error = client.call(&add(), &options).unwrap_err();
        assert_eq!(cause(&error), "status 502");
        assert_eq!(error.stopped(), Some(Stopped::OutageTooLong));
        token.cancel();
        let first = first.join().unwrap();
        assert_eq!(cause(&first), "cancelled while waiting to try again");
        assert!(first.attempts() > 0);
    });
    // nobody waits any more: a new call tries at once
    stage.emulator.remove_faults();
    assert_eq!(client.add_tag(&add()).unwrap().attempts, 1);
}

#[test]
fn a_call_of_one_attempt_does_not_wait_for_the_end_of_an_outage() {
    let stage = Stage::new();
    let client = stage.client().retry(ONE_ATTEMPT).build().unwrap();
    stage.network.refuse();
    let error = client.add_tag(&add()).unwrap_err();
    assert_eq!(error.attempts(), 1);
    assert_eq!(error.stopped(), Some(Stopped::AttemptsSpent));
}

#[test]
fn a_drain_and_an_interrupt_end_the_wait_for_the_end_of_an_outage() {
    let stage = Stage::new();
    // no probe is due while the test lasts: a cancel that meets a call in its probe ends that, and no wait
    let never = RetryPolicy {
        first_backoff: Duration::MAX,
        longest_backoff: Duration::MAX,
        ..RetryPolicy::default()
    };
    let client = stage.client().retry(never).build().unwrap();
    stage.network.refuse();
    let drain = CancelToken::new();
    let drained = CallOptions::new().drain(&drain);
    thread::scope(|scope| {
        let drained = scope.spawn(|| client.call(&add(), &drained).unwrap_err());
        // a call begins in an outage, and makes no attempt, only where the other has failed and waits
        until(|| {
            let options = CallOptions::new().interrupt(|| true);
            let error = client.call(&add(), &options).unwrap_err();
            error.attempts() == 0 && cause(&error) == "cancelled while waiting to try again"
        });
        drain.cancel();
        let error = drained.join().unwrap();
        assert_eq!(cause(&error), "cancelled while waiting to try again");
        assert_eq!(error.attempts(), 1);
    });
}
