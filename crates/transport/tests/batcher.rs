//! Batchers against the emulator, beyond the conformance cases: many threads, waits for capacity, polls, flushes and an
//! abandoned batcher.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::Fault;
use imtag_transport::{CallOptions, CancelToken, Cause, Effect, Operation};
use support::*;

#[test]
fn nothing_is_sent_for_a_caller_whose_time_is_up_or_that_is_cancelled_already() {
    let emulator = emulator();
    let client = client(&emulator);
    // sends at once, so that a change that is handed in cannot be taken back
    let batcher = client.batcher().linger(Duration::ZERO).start();
    let token = CancelToken::new();
    token.cancel();
    for options in [
        CallOptions::new().cancel(&token),
        CallOptions::new().drain(&token),
        within(Duration::ZERO),
    ] {
        for number in 0..20 {
            let error = batcher.call(user(number), &options).unwrap_err();
            assert_eq!(error.effect(), Effect::NotApplied);
            let cause = error.cause();
            assert!(matches!(cause, Cause::Abandoned | Cause::Expired));
        }
    }
    let submitted = batcher.submit_within(0, user(0), Duration::ZERO);
    assert!(matches!(submitted.unwrap_err().cause(), Cause::Expired));
    assert_eq!(batcher.unsettled(), 0);
    assert_eq!(emulator.stats().arrivals(), 0);
}

#[test]
fn an_abandoned_batcher_counts_what_had_no_outcome_and_blocks_no_account() {
    let emulator = emulator();
    let client = client(&emulator);
    let options = client.batcher().linger(LONG).late_window(Duration::ZERO);
    let batcher = options.start();
    for id in 0..42 {
        batcher.submit(id, user(id)).unwrap();
    }
    assert_eq!(batcher.abandon(), 42);
    assert_eq!(emulator.stats().arrivals(), 0);
    client.batcher().start().clear_tags("u0").unwrap();
}

#[test]
fn two_thousand_threads_at_the_documented_quota_are_never_too_frequent() {
    let emulator = service().calls_per_second(100).start().unwrap();
    let client = builder(&emulator.endpoint()).calls_per_second(100);
    let batcher = client.build().unwrap().batcher().start();
    thread::scope(|scope| {
        for user in 0..2_000 {
            let batcher = &batcher;
            let caller = thread::Builder::new().stack_size(128 * 1024);
            let call = move || batcher.add_tag(format!("u{user}"), ["a"]).unwrap();
            caller.spawn_scoped(scope, call).unwrap();
        }
    });
    assert_eq!(emulator.users().len(), 2_000);
    assert_eq!(emulator.stats().code(60007), 0);
}

#[test]
fn after_a_crash_a_batcher_waits_for_what_the_process_before_it_may_have_sent() {
    let emulator = emulator();
    let options = client(&emulator).batcher().linger(Duration::ZERO);
    let late_window = Duration::from_millis(300);
    let batcher = options.late_window(late_window).after_crash(true).start();
    let began = Instant::now();
    // the first of an account repeats what was sent, and goes at once; the next one could be undone by it
    batcher.call(user(0), &CallOptions::new()).unwrap();
    batcher.remove_tag("u0", ["a"]).unwrap();
    assert!(began.elapsed() >= late_window);
    assert_eq!(tags(&emulator, "u0"), [""; 0]);
}

#[test]
fn a_flush_that_ends_early_has_its_changes_sent_and_later_ones_linger() {
    let emulator = emulator();
    let options = client(&emulator).batcher().linger(Duration::MAX);
    let batcher = options.timeout(Duration::MAX).start();
    let flush = |options: &CallOptions| batcher.flush(options).is_err();
    let cancelled = CancelToken::new();
    cancelled.cancel();
    let panics = CallOptions::new().interrupt(|| panic!("the host's"));
    let panics = || catch_unwind(AssertUnwindSafe(|| batcher.flush(&panics))).is_err();
    let flushes: [&dyn Fn() -> bool; 3] = [
        &|| flush(&within(Duration::ZERO)),
        &|| flush(&CallOptions::new().cancel(&cancelled)),
        &panics,
    ];
    for (id, flush_ends_early) in (0..).zip(flushes) {
        // so the host is asked before the answer
        let answered_late = Fault::delay(Duration::from_millis(400));
        emulator.fault(Operation::Add, answered_late);
        batcher.submit(id, user(id)).unwrap();
        assert!(flush_ends_early());
        // else nothing ever sends it
        let polled = changes_of(batcher.poll(LONG));
        assert_eq!(polled.iter().map(|it| it.id).collect::<Vec<_>>(), [id]);
        assert!(polled[0].result.is_ok());
    }
    batcher.submit(3, user(3)).unwrap();
    assert!(batcher.poll(Duration::from_millis(50)).is_empty());
    assert_eq!((batcher.unsettled(), emulator.stats().arrivals()), (1, 3));
}

#[test]
fn each_user_of_a_request_that_ends_by_a_panic_has_an_outcome_that_says_if_it_was_sent() {
    // in the worker's thread, before the first attempt, or before the second
    for (panics_in, attempts, effect) in
        [(1, 0, Effect::NotApplied), (2, 1, Effect::PossiblyApplied)]
    {
        let emulator = emulator();
        // the service calls the first UserSig expired: a second is asked for
        emulator.fault(Operation::Add, Fault::code(70001));
        let client = client_whose_usersigs_panic(&emulator, panics_in);
        let mut run = client.bulk().run(users(0..3));
        let mut outcomes: Vec<_> = run.by_ref().collect();
        let progress = run.finish().progress;
        assert_eq!((progress.taken, progress.failed), (3, 3));
        let counted = [progress.requests, progress.attempts, progress.sent];
        assert_eq!(counted, [u64::from(attempts); 3]);
        assert_eq!(emulator.stats().arrivals(), u64::from(attempts));
        outcomes.sort_by_key(|outcome| outcome.id);
        assert_eq!(outcomes.len(), 3);
        for (id, outcome) in outcomes.into_iter().enumerate() {
            let error = outcome.result.unwrap_err();
            assert!(matches!(error.cause(), Cause::Defect), "{error}");
            assert_eq!(
                (error.account(), error.effect()),
                (format!("u{id}").as_str(), effect)
            );
            assert_eq!(error.undone(), ["a"]);
            let error = error.error();
            assert_eq!((error.attempts(), error.sent()), (attempts, attempts));
        }
    }
}

#[test]
fn a_late_window_without_an_end_ends_no_worker_and_concerns_no_other_account() {
    let emulator = emulator();
    emulator.fault(Operation::Add, Fault::cut_before());
    let client = client_of_one_attempt(&emulator);
    let options = client.batcher().linger(Duration::ZERO);
    let batcher = options.late_window(Duration::MAX).start();
    batcher.call(user(0), &CallOptions::new()).unwrap_err();
    assert!(batcher.poll(Duration::from_millis(100)).is_empty());
    for id in 1..3 {
        batcher.call(user(id), &within(LONG)).unwrap();
    }
}
