//! Submitted changes whose callers wait no longer, against the emulator; and callers that wait for capacity by
//! themselves.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use imtag_emulator::{Emulator, Fault};
use imtag_transport::{
    Batcher, CallOptions, Cause, ChangeError, ChangeRequest, Completion, Effect, Operation,
    RetryPolicy, WaitEnd, WhenFull,
};
use support::*;

/// A batcher with a change under way that is never answered: `add "u0" ["a"]`, as number 0.
fn hanging(emulator: &Emulator) -> Batcher {
    emulator.fault(Operation::Add, Fault::delay(LONG));
    let options = client(emulator).batcher().linger(LONG).timeout(LONG);
    let batcher = options.attempt_timeout(LONG).start();
    batcher.submit(0, user(0)).unwrap();
    // it is sent, though the flush does not wait for it
    let flushed = batcher.flush(&within(Duration::ZERO));
    assert_eq!(flushed.unwrap_err().changes, 1);
    until(|| emulator.stats().arrivals() == 1);
    batcher
}

/// The one outcome that is there, or comes.
#[track_caller]
fn outcome(batcher: &Batcher) -> (u64, Result<(), ChangeError>) {
    let mut completions: Vec<Completion> = changes_of(batcher.poll(LONG));
    assert_eq!(completions.len(), 1);
    let it = completions.remove(0);
    (it.id, it.result)
}

#[track_caller]
fn message(batcher: &Batcher, id: u64) -> String {
    let (of, result) = outcome(batcher);
    assert_eq!(of, id);
    result.unwrap_err().to_string()
}

#[test]
fn a_change_that_is_in_no_request_is_not_sent_and_not_applied() {
    let emulator = emulator();
    let batcher = lingering(&client(&emulator));
    batcher.submit(7, user(0)).unwrap();
    batcher.submit(8, user(1)).unwrap();
    batcher.withdraw(7, WaitEnd::TimedOut);
    assert_eq!(
        message(&batcher, 7),
        "add \"u0\": not sent: its time was up (not applied; allow more time, or try again)"
    );
    batcher.withdraw(8, WaitEnd::Cancelled);
    assert_eq!(
        message(&batcher, 8),
        "add \"u1\": cancelled by its caller (not applied; send it again if it is still wanted)"
    );
    assert_eq!(batcher.unsettled(), 0);
    batcher.close(&CallOptions::new()).unwrap();
    assert!(batcher.poll(LONG).is_empty());
    assert_eq!(emulator.stats().arrivals(), 0);
}

#[test]
fn a_change_behind_an_earlier_one_of_its_account_says_so_and_how_long_that_may_arrive() {
    let emulator = emulator();
    emulator.fault(Operation::Add, Fault::delay(LONG));
    let hour = Duration::from_secs(3_600);
    let batcher = client(&emulator).batcher();
    let batcher = batcher.attempt_timeout(LONG).late_window(hour).start();
    batcher.submit(7, user(0)).unwrap();
    until(|| emulator.stats().arrivals() == 1);
    let remove = || ChangeRequest::remove("u0", ["a"]);
    batcher.submit(8, remove()).unwrap();
    batcher.withdraw(8, WaitEnd::TimedOut);
    assert_eq!(
        message(&batcher, 8),
        "remove \"u0\": not sent: its time was up, and an earlier change of the account has no answer yet \
         (not applied; allow more time, or try again)"
    );
    // its connection is cut, and it is made again
    emulator.disconnect();
    assert!(outcome(&batcher).1.is_ok());
    batcher.submit(9, remove()).unwrap();
    batcher.withdraw(9, WaitEnd::TimedOut);
    let why = message(&batcher, 9);
    let (start, rest) = why.split_once(" for ").unwrap();
    assert_eq!(
        start,
        "remove \"u0\": not sent: its time was up, and an earlier change of the account, which had no answer, may still \
         arrive"
    );
    let (seconds, rest) = rest.split_once(" s ").unwrap();
    assert!(
        (3_500..=3_600).contains(&seconds.parse::<u32>().unwrap()),
        "{why}"
    );
    assert_eq!(rest, "(not applied; try again after that time)");
}

#[test]
fn a_change_under_way_is_possibly_applied_and_its_answer_is_no_second_outcome() {
    let emulator = emulator();
    let late = Fault::delay(Duration::ZERO).answer_delayed(Duration::from_millis(500));
    emulator.fault(Operation::Add, late);
    let batcher = client(&emulator).batcher().start();
    batcher.submit(7, user(0)).unwrap();
    until(|| emulator.stats().arrivals() == 1);
    batcher.withdraw(7, WaitEnd::Cancelled);
    assert_eq!(
        message(&batcher, 7),
        "add \"u0\": cancelled by its caller (possibly applied; send it again if it is still wanted)"
    );
    batcher.withdraw(7, WaitEnd::Cancelled); // it has its outcome
    batcher.close(&CallOptions::new()).unwrap();
    assert!(batcher.poll(LONG).is_empty());
    assert_eq!(tags(&emulator, "u0"), ["a"]);
}

#[test]
fn a_change_whose_time_is_up_under_way_is_abandoned_where_no_answer_comes() {
    let emulator = emulator();
    let batcher = hanging(&emulator);
    thread::scope(|scope| {
        let polling = scope.spawn(|| message(&batcher, 0)); // also asleep already
        batcher.withdraw(0, WaitEnd::TimedOut);
        batcher.withdraw(0, WaitEnd::TimedOut);
        assert_eq!(
            polling.join().unwrap(),
            "add \"u0\": its time was up before it was answered (possibly applied; allow more time, or try again)"
        );
    });
    batcher.withdraw(0, WaitEnd::Cancelled);
    assert!(batcher.poll(Duration::from_millis(200)).is_empty());
    assert_eq!(batcher.abandon(), 0);
}

#[test]
fn a_change_that_has_its_outcome_keeps_it() {
    let emulator = emulator();
    let batcher = client(&emulator).batcher().start();
    for (id, why) in [(1, WaitEnd::TimedOut), (2, WaitEnd::Cancelled)] {
        batcher.submit(id, user(id)).unwrap();
        batcher.flush(&CallOptions::new()).unwrap();
        batcher.withdraw(id, why);
        let (of, result) = outcome(&batcher);
        assert_eq!(of, id);
        result.unwrap();
        batcher.withdraw(id, why);
    }
    batcher.submit(3, ChangeRequest::add("", ["a"])).unwrap();
    batcher.withdraw(3, WaitEnd::Cancelled);
    let (_, invalid) = outcome(&batcher);
    let invalid = invalid.unwrap_err();
    assert!(matches!(invalid.cause(), Cause::Invalid(_)));
    batcher.withdraw(4, WaitEnd::Cancelled); // never submitted
    batcher.close(&CallOptions::new()).unwrap();
    assert!(batcher.poll(LONG).is_empty());
}

#[test]
fn of_changes_with_one_number_the_last_is_withdrawn_and_each_has_an_outcome() {
    let emulator = emulator();
    let batcher = lingering(&client(&emulator));
    batcher.submit(7, user(0)).unwrap();
    batcher.submit(7, user(1)).unwrap();
    batcher.withdraw(7, WaitEnd::Cancelled);
    let (_, result) = outcome(&batcher);
    assert_eq!(result.unwrap_err().account(), "u1");
    batcher.withdraw(7, WaitEnd::Cancelled);
    batcher.close(&CallOptions::new()).unwrap();
    let (_, result) = outcome(&batcher);
    result.unwrap();
    assert_eq!(emulator.users().len(), 1);
}

#[test]
fn a_change_withdrawn_at_any_moment_has_one_outcome_that_is_true() {
    let emulator = emulator();
    let batcher = client(&emulator)
        .batcher()
        .linger(Duration::from_millis(1))
        .start();
    let mut outcomes: BTreeMap<u64, Result<(), ChangeError>> = BTreeMap::new();
    let mut polls = |batcher: &Batcher| {
        for it in changes_of(batcher.poll(Duration::ZERO)) {
            assert!(
                outcomes.insert(it.id, it.result).is_none(),
                "{} twice",
                it.id
            );
        }
        outcomes.len()
    };
    for id in 0..2_000 {
        let change = ChangeRequest::add(format!("u{}", id % 40), [format!("t{id}")]);
        batcher.submit(id, change).unwrap();
        // some at once, some a little later, some when they are under way or done
        for (behind, why) in [
            (0, WaitEnd::Cancelled),
            (3, WaitEnd::TimedOut),
            (50, WaitEnd::Cancelled),
        ] {
            if id % 7 == behind % 7 && id >= behind {
                batcher.withdraw(id - behind, why);
            }
        }
        polls(&batcher);
    }
    batcher.close(&CallOptions::new()).unwrap();
    assert_eq!(polls(&batcher), 2_000);
    for (id, result) in outcomes {
        let there = emulator
            .user(&format!("u{}", id % 40))
            .contains(&format!("t{id}"));
        match result.map_err(|error| error.effect()) {
            Ok(()) => assert!(there, "{id} is done"),
            Err(Effect::NotApplied) => assert!(!there, "{id} is not applied"),
            Err(effect) => assert_eq!(effect, Effect::PossiblyApplied),
        }
    }
}

#[test]
fn a_waiting_poll_returns_once_when_there_is_capacity_for_a_refused_change() {
    for (when_full, signals) in [(WhenFull::Signal, true), (WhenFull::Fail, false)] {
        let emulator = emulator();
        emulator.faults(Operation::Add, vec![Fault::delay(LONG); 2]);
        let options = client(&emulator).batcher().linger(LONG).timeout(LONG);
        let options = options.attempt_timeout(LONG).capacity(1);
        let batcher = options.when_full(when_full).start();
        batcher.submit(0, user(0)).unwrap(); // goes out at once, as no more can come
        until(|| emulator.stats().arrivals() == 1);
        batcher.submit(1, user(1)).unwrap(); // lingers
        let refused = batcher.submit(2, user(2)).unwrap_err();
        assert!(matches!(refused.cause(), Cause::Full));
        let (heard, hears) = mpsc::channel();
        thread::scope(|scope| {
            let polling = scope.spawn(|| {
                if signals {
                    assert!(batcher.poll(LONG).is_empty());
                }
                heard.send(()).unwrap();
                outcome(&batcher).0
            });
            // makes a request of what lingers, whose outcome does not come
            batcher.flush(&within(Duration::ZERO)).unwrap_err();
            until(|| emulator.stats().arrivals() == 2);
            hears.recv().unwrap();
            batcher.submit(2, ChangeRequest::clear("u0")).unwrap();
            batcher.withdraw(2, WaitEnd::Cancelled);
            assert_eq!(polling.join().unwrap(), 2);
        });
        assert_eq!(batcher.abandon(), 2);
    }
}

#[test]
fn what_a_closed_batcher_would_send_again_for_no_caller_holds_up_no_account() {
    let emulator = emulator();
    let left_out = Fault::leave_out(["u0"], 91000).answer_delayed(Duration::from_millis(200));
    emulator.fault(Operation::Add, left_out);
    // it would be tried again in the next minutes
    let retry = RetryPolicy {
        first_backoff: LONG,
        longest_backoff: LONG,
        ..RetryPolicy::default()
    };
    let client = builder(&emulator.endpoint()).retry(retry).build().unwrap();
    let batcher = client.batcher().start();
    batcher.submit(0, user(0)).unwrap();
    until(|| emulator.stats().arrivals() == 1);
    batcher.withdraw(0, WaitEnd::Cancelled);
    batcher.close(&CallOptions::new()).unwrap();
    let other = client.batcher().late_window(Duration::ZERO).start();
    other
        .call(ChangeRequest::clear("u0"), &within(LONG / 2))
        .unwrap();
    assert_eq!(emulator.stats().arrivals(), 2);
    assert_eq!(batcher.abandon(), 0);
}
