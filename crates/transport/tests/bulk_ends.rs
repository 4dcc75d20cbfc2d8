//! How a bulk run ends: early if all further requests would fail, through an outage, cancelled, dropped or by a panic.
//! Every change that was taken has one outcome, and nothing is sent afterwards.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use imtag_emulator::{Emulator, Fault, ProbabilisticFault};
use imtag_transport::{
    BulkOptions, CancelToken, Cause, ChangeRequest, Client, Completion, Effect, Generation,
    Operation, RunError, Scope, SecretKey, Summary,
};
use support::*;

const ADD: (Operation, Generation) = (Operation::Add, Generation::AllMemberPush);

/// Runs `options` over users without end; all that were taken, by their positions, and what it came to.
fn run_without_end(options: BulkOptions) -> (Vec<Completion>, Summary) {
    let mut run = options.run((0..).map(user));
    let mut completions: Vec<Completion> = run.by_ref().collect();
    completions.sort_by_key(|completion| completion.id);
    let ids: Vec<u64> = completions.iter().map(|completion| completion.id).collect();
    let summary = run.finish();
    assert_eq!(ids, (0..summary.progress.taken).collect::<Vec<_>>());
    assert_eq!(summary.progress.unsettled(), 0);
    (completions, summary)
}

/// The state is what the outcomes say, and stays so.
#[track_caller]
fn holds(emulator: &Emulator, completions: &[Completion]) {
    for Completion { change, result, .. } in completions {
        let is = !emulator.user(change.account()).is_empty();
        match result {
            Ok(()) => assert!(is, "{change:?}"),
            Err(error) if error.effect() == Effect::NotApplied => assert!(!is, "{error}"),
            Err(_) => {}
        }
    }
}

fn not_sent(completion: &Completion) -> bool {
    let error = completion.result.as_ref().err();
    error.is_some_and(|error| matches!(error.cause(), Cause::Ended(_)))
}

/// It was sent, and nobody knows what became of it.
fn under_way(completion: &Completion) -> bool {
    let error = completion.result.as_ref().err();
    error.is_some_and(|error| error.effect() == Effect::PossiblyApplied)
}

/// Once what is still on its way has arrived, nothing comes but this.
#[track_caller]
fn sends_nothing_more(emulator: &Emulator, client: &Client) {
    until(|| {
        let arrivals = emulator.stats().arrivals();
        for _ in 0..3 {
            let clear = client.bulk().run([ChangeRequest::clear("v")]);
            assert!(clear.finish().all_done());
        }
        emulator.stats().arrivals() == arrivals + 3
    });
}

#[test]
fn with_a_wrong_key_one_request_is_sent_and_the_rest_is_given_back() {
    let emulator = emulator();
    let key = SecretKey::new("a-key-of-another-app-and-just-as-long-as-this-one").unwrap();
    let client = builder(&emulator.endpoint()).credentials(key);
    let client = client.build().unwrap();
    let mut run = client.bulk().run(users(0..10_000));
    let completions: Vec<Completion> = run.by_ref().collect();
    assert!(completions.len() >= 100);
    for it in &completions {
        let error = it.result.as_ref().unwrap_err();
        assert_eq!(error.effect(), Effect::NotApplied);
        match error.cause() {
            Cause::Service { .. } => assert_eq!(error.scope(), Scope::App),
            Cause::Ended(RunError::Refused(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    let taken = run.progress().taken;
    assert_eq!(taken, completions.len() as u64);
    let rest: Vec<ChangeRequest> = run.into_rest().collect();
    assert_eq!(rest[0], user(completions.len()));
    assert_eq!(rest.len() + completions.len(), 10_000);
    assert_eq!(emulator.stats().arrivals(), 1);
}

#[test]
fn a_first_request_that_a_gateway_rejects_fails_alone() {
    for (rejected, failed) in [("u0", 0..100), ("u150", 100..200)] {
        let emulator = emulator();
        let gateway = ProbabilisticFault::new(Fault::status(502), 1.0).unwrap();
        emulator.add_standing(gateway.account(rejected));
        let client = client(&emulator);
        let options = client.bulk().timeout(Duration::from_secs(5));
        let mut run = options.run(users(0..500));
        let failures = run.by_ref().filter(|it| it.result.is_err());
        let failures: BTreeSet<u64> = failures.map(|it| it.id).collect();
        assert_eq!(failures, failed.collect());
        let summary = run.finish();
        assert!(summary.ended.is_none(), "{summary}");
        assert_eq!((summary.progress.done, summary.progress.failed), (400, 100));
        assert_eq!(emulator.users().len(), 400);
    }
}

/// Starts with a request that is answered, and then one that is not for long.
fn hanging() -> (Emulator, Client) {
    let emulator = emulator();
    let client = client(&emulator);
    emulator.fault(Operation::Add, Fault::delay(Duration::ZERO));
    emulator.faults(Operation::Add, vec![Fault::delay(LONG); 50]);
    (emulator, client)
}

#[test]
fn a_token_that_is_cancelled_from_another_thread_ends_all_at_once() {
    let (emulator, client) = hanging();
    let token = CancelToken::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            until(|| emulator.stats().arrivals() >= 3);
            token.cancel();
        });
        let options = client.bulk().timeout(LONG).attempt_timeout(LONG);
        let (completions, summary) = run_without_end(options.cancel(&token));
        assert!(matches!(summary.ended, Some(RunError::Cancelled)));
        assert!(completions[..100].iter().all(|it| it.result.is_ok()));
        assert!(completions.iter().any(under_way));
        assert!(completions.iter().any(not_sent));
        holds(&emulator, &completions);
        sends_nothing_more(&emulator, &client);
        assert!(emulator.stats().route(ADD).arrivals <= summary.progress.sent);
    });
}

#[test]
fn a_drained_run_finishes_what_is_under_way_and_sends_nothing_more() {
    let emulator = emulator();
    let client = client(&emulator);
    let held = Fault::delay(Duration::ZERO).answer_delayed(Duration::from_millis(150));
    emulator.faults(Operation::Add, vec![held; 1_000]);
    let token = CancelToken::new();
    let (completions, summary) = thread::scope(|scope| {
        scope.spawn(|| {
            until(|| emulator.stats().arrivals() >= 3);
            token.cancel();
        });
        run_without_end(client.bulk().drain(&token))
    });
    assert!(matches!(summary.ended, Some(RunError::Cancelled)));
    assert_eq!(summary.progress.done, 100 * summary.progress.requests);
    assert_eq!(emulator.stats().arrivals(), summary.progress.requests);
    let done_or_not_sent = |it: &Completion| it.result.is_ok() || not_sent(it);
    assert!(completions.iter().all(done_or_not_sent));
    holds(&emulator, &completions);
}

#[test]
fn the_first_yes_to_an_interrupt_drains_and_the_second_cancels() {
    let (emulator, client) = hanging();
    let asked = Arc::new(AtomicUsize::new(0));
    let (times, this) = (Arc::clone(&asked), thread::current().id());
    let options = client.bulk().timeout(LONG).attempt_timeout(LONG);
    let options = options.interrupt(move || {
        assert_eq!(thread::current().id(), this);
        times.fetch_add(1, Ordering::SeqCst) >= 1
    });
    let (completions, summary) = run_without_end(options);
    assert!(matches!(summary.ended, Some(RunError::Cancelled)));
    // no, yes, yes, and maybe once more while a slow machine ends what was under way
    assert!(asked.load(Ordering::SeqCst) >= 3);
    assert!(completions.iter().any(not_sent));
    holds(&emulator, &completions);
}

#[test]
fn an_interrupt_is_asked_even_if_outcomes_come_fast() {
    let emulator = emulator();
    let client = client(&emulator);
    // without end, if it is never asked
    let (completions, summary) = run_without_end(client.bulk().interrupt(|| true));
    assert!(matches!(summary.ended, Some(RunError::Cancelled)));
    holds(&emulator, &completions);
}

#[test]
fn a_token_that_was_cancelled_before_lets_nothing_be_sent() {
    let emulator = emulator();
    let client = client(&emulator);
    let token = CancelToken::new();
    token.cancel();
    for options in [client.bulk().cancel(&token), client.bulk().drain(&token)] {
        let mut run = options.run(users(0..10));
        assert!(run.next().is_none());
        assert_eq!(run.into_rest().count(), 10);
    }
    assert_eq!(emulator.stats().arrivals(), 0);
}

#[test]
fn the_effect_of_a_run_is_the_strongest_of_its_failures() {
    let emulator = emulator();
    let client = client(&emulator);
    let options = || client.bulk().timeout(LONG).attempt_timeout(LONG);
    let linger = Duration::MAX;

    let empty = options().start();
    assert_eq!(empty.finish().effect, Effect::NotApplied);

    let invalid = options().start();
    invalid.push(0, ChangeRequest::add("", ["a"])).unwrap();
    let summary = invalid.finish();
    assert!(!summary.all_done() && summary.ended.is_none() && !summary.retryable());
    assert_eq!(summary.effect, Effect::NotApplied);

    let unsent = options().linger(linger).start();
    unsent.push(0, user(0)).unwrap();
    unsent.cancel();
    let summary = unsent.finish();
    assert!(matches!(summary.ended, Some(RunError::Cancelled)) && summary.retryable());
    assert_eq!((summary.progress.failed, summary.progress.requests), (1, 0));
    assert_eq!(summary.effect, Effect::NotApplied);

    let invalid = unsent.push(1, ChangeRequest::clear("")).unwrap_err();
    assert!(matches!(invalid.cause(), Cause::Invalid(_)), "{invalid}");
    assert_eq!(unsent.summary().progress.taken, 1);

    emulator.fault(Operation::Add, Fault::delay(LONG));
    let sent = options().linger(Duration::ZERO).capacity(1).start();
    sent.push(0, user(0)).unwrap();
    until(|| emulator.stats().arrivals() == 1);
    sent.push(1, ChangeRequest::add("", ["a"])).unwrap();
    sent.cancel();
    sent.cancel();
    let summary = sent.finish();
    assert_eq!(summary.progress.failed, 2);
    assert_eq!(summary.effect, Effect::PossiblyApplied);
}

#[test]
fn an_input_that_panics_leaves_no_account_blocked_for_other_runs() {
    let (_emulator, client) = hanging();
    let changes = (0..500).map(|number| match number {
        450 => panic!("of the test"),
        _ => user(number),
    });
    let options = client.bulk().timeout(LONG).late_window(Duration::ZERO);
    let run = AssertUnwindSafe(|| options.run(changes).finish());
    assert!(catch_unwind(run).is_err());
    let clear = |number: usize| ChangeRequest::clear(format!("u{number}"));
    assert!(client.bulk().run((200..500).map(clear)).finish().all_done());
}

#[test]
fn an_input_may_use_the_client() {
    let emulator = emulator();
    let client = client(&emulator);
    let changes = (0..20).map(|number| {
        let before = ChangeRequest::add(format!("u{number}"), ["before"]);
        assert!(client.bulk().run([before]).finish().all_done());
        user(number)
    });
    assert!(client.bulk().run(changes).finish().all_done());
    assert_eq!(tags(&emulator, "u19"), ["a", "before"]);
}

#[test]
fn a_run_dropped_in_the_middle_ends_its_requests_and_sends_nothing_more() {
    let (emulator, client) = hanging();
    let options = client.bulk().timeout(LONG).attempt_timeout(LONG);
    let mut run = options.run((0..).map(user));
    assert!(run.next().unwrap().result.is_ok());
    until(|| emulator.stats().arrivals() >= 3);
    drop(run); // hangs where a thread goes on
    sends_nothing_more(&emulator, &client);
}

#[test]
fn changes_pushed_while_another_thread_finishes_are_done_or_refused() {
    for _ in 0..5 {
        let emulator = emulator();
        let client = client(&emulator);
        let bulk = client.bulk().start();
        let taken = thread::scope(|scope| {
            let pushing = scope.spawn(|| {
                let mut changes = (0..).map(user).zip(0..);
                let refused = changes.find_map(|(change, id)| bulk.push(id, change).err());
                let refused = refused.unwrap();
                assert!(matches!(refused.cause(), Cause::Closed));
                bulk.progress().taken
            });
            until(|| bulk.progress().taken > 0);
            let _ = bulk.finish();
            pushing.join().unwrap()
        });
        let summary = bulk.finish();
        assert_eq!(
            (summary.progress.done, summary.progress.taken),
            (taken, taken)
        );
        assert_eq!(bulk.poll(Duration::ZERO).len() as u64, taken);
    }
}
