//! Sessions that pause where a bulk run would end early: they send nothing, lose nothing, and go on when they are told.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::time::Duration;

use imtag_emulator::Fault;
use imtag_transport::{
    CallOptions, Cause, ChangeError, ChangeRequest, Completion, Operation, RunError, WaitEnd,
};
use support::*;

/// No permission for the app, by its owner.
const APP_REFUSED: i32 = 70009;

/// Outcomes in the order of the numbers.
fn sorted(mut completions: Vec<Completion>) -> Vec<(u64, Result<(), ChangeError>)> {
    completions.sort_by_key(|it| it.id);
    let outcomes = completions.into_iter().map(|it| (it.id, it.result));
    outcomes.collect()
}

#[test]
fn a_run_that_pauses_is_refused_once_and_does_everything_after_the_resume() {
    let emulator = emulator();
    emulator.faults(Operation::Add, vec![Fault::code(APP_REFUSED); 2]);
    let options = client(&emulator).bulk().linger(Duration::ZERO);
    let run = options.pause_when_unavailable(true).start();
    run.push(0, user(0)).unwrap();
    for arrivals in 1..=2 {
        until(|| run.paused().is_some());
        assert!(matches!(run.paused(), Some(RunError::Refused(_))));
        // it takes changes, and sends none: of one account they keep their order
        run.push(2 * arrivals - 1, ChangeRequest::remove("u0", ["a"]))
            .unwrap();
        run.push(
            2 * arrivals,
            ChangeRequest::add("u0", [format!("t{arrivals}")]),
        )
        .unwrap();
        assert!(run.poll(Duration::from_millis(100)).is_empty());
        assert_eq!(emulator.stats().arrivals(), arrivals);
        run.resume();
    }
    let summary = run.finish();
    assert!(summary.all_done(), "{summary}");
    assert!(run.paused().is_none());
    let outcomes = sorted(run.poll(Duration::ZERO));
    let ids: Vec<u64> = outcomes.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4]);
    assert_eq!(tags(&emulator, "u0"), ["t1", "t2"]);
}

/// More than any test here meets.
fn outage() -> Vec<Fault> {
    vec![Fault::status(502); 1_000]
}

#[test]
fn a_batcher_pauses_at_the_twentieth_failure_in_a_row_and_loses_none() {
    let emulator = emulator();
    emulator.faults(Operation::Add, outage());
    let client = client_of_one_attempt(&emulator);
    let options = client.batcher().linger(Duration::ZERO);
    let options = options.timeout(LONG).pause_when_unavailable(true);
    let batcher = options.start();
    for id in 0..20 {
        batcher.submit(id, user(id)).unwrap();
        until(|| emulator.stats().arrivals() > id);
    }
    for _ in 0..2 {
        until(|| batcher.paused().is_some());
        assert!(matches!(batcher.paused(), Some(RunError::Unavailable(_))));
        // a caller's time goes on
        let called = batcher.call(user(99), &within(Duration::from_millis(50)));
        assert!(matches!(called.unwrap_err().cause(), Cause::Expired));
        assert_eq!(batcher.unsettled(), 20);
        batcher.resume();
    }
    until(|| batcher.paused().is_some());
    emulator.remove_faults();
    batcher.resume();
    batcher.flush(&CallOptions::new()).unwrap();
    let outcomes = sorted(changes_of(batcher.poll(Duration::ZERO)));
    assert_eq!(outcomes.len(), 20);
    assert!(outcomes.iter().all(|(_, result)| result.is_ok()));
    batcher.close(&CallOptions::new()).unwrap();
}

#[test]
fn a_run_that_pauses_loses_nothing_in_an_outage() {
    let emulator = emulator();
    let client = client_of_one_attempt(&emulator);
    let options = client.bulk().linger(Duration::ZERO);
    let run = options.pause_when_unavailable(true).start();
    // from the beginning, and after the service has answered
    for first in [0, 100] {
        emulator.faults(Operation::Add, outage());
        let before = emulator.stats().arrivals();
        for number in 0..25 {
            run.push(first + number, user(first + number)).unwrap();
            until(|| run.paused().is_some() || emulator.stats().arrivals() > before + number);
        }
        until(|| run.paused().is_some());
        assert!(run.poll(Duration::ZERO).is_empty());
        emulator.remove_faults();
        run.resume();
        let mut done = 0;
        while done < 25 {
            done += run.poll(LONG).len();
        }
    }
    let summary = run.finish();
    assert!(summary.all_done(), "{summary}");
    assert_eq!(summary.progress.done, 50);
}

#[test]
fn a_change_whose_time_is_up_while_its_batcher_pauses_has_its_outcome_and_no_flush_waits_for_it() {
    let emulator = emulator();
    emulator.fault(Operation::Add, Fault::code(APP_REFUSED));
    let options = client(&emulator).batcher().linger(Duration::ZERO);
    let batcher = options.timeout(LONG).pause_when_unavailable(true).start();
    batcher.submit(0, user(0)).unwrap();
    until(|| batcher.paused().is_some());
    let soon = Duration::from_millis(50);
    batcher.submit_within(1, user(1), soon).unwrap();
    let [(1, Err(expired))] = &sorted(changes_of(batcher.poll(LONG)))[..] else {
        panic!("another outcome");
    };
    assert!(matches!(expired.cause(), Cause::Expired));
    batcher.submit_within(2, user(2), soon).unwrap();
    batcher.withdraw(0, WaitEnd::Cancelled);
    batcher.flush(&CallOptions::new()).unwrap();
    batcher.submit_within(3, user(3), soon).unwrap();
    batcher.close(&CallOptions::new()).unwrap();
    let outcomes = sorted(changes_of(batcher.poll(Duration::ZERO)));
    let causes = outcomes.iter().map(|(id, result)| {
        let error = result.as_ref().unwrap_err();
        format!("{id} {:?}", error.cause())
    });
    let causes: Vec<String> = causes.collect();
    assert_eq!(causes, ["0 Abandoned", "2 Expired", "3 Expired"]);
    assert_eq!(emulator.stats().arrivals(), 1);
}

#[test]
fn what_was_under_way_before_a_pause_says_nothing_after_the_resume() {
    let emulator = emulator();
    let options = client(&emulator).batcher().linger(Duration::ZERO);
    let batcher = options.timeout(LONG).pause_when_unavailable(true).start();
    batcher.call(user(9), &CallOptions::new()).unwrap();
    let refused = |millis| {
        let fault = Fault::code(APP_REFUSED);
        fault.answer_delayed(Duration::from_millis(millis))
    };
    emulator.faults(Operation::Add, vec![refused(150), refused(750)]);
    for id in 0..2 {
        batcher.submit(id, user(id)).unwrap();
        until(|| emulator.stats().arrivals() == id + 2);
    }
    until(|| batcher.paused().is_some());
    batcher.resume();
    batcher.flush(&CallOptions::new()).unwrap();
    assert!(batcher.paused().is_none());
    let outcomes = sorted(changes_of(batcher.poll(Duration::ZERO)));
    assert!(outcomes.iter().all(|(_, result)| result.is_ok()));
    assert_eq!((outcomes.len(), emulator.stats().arrivals()), (2, 5));
}

#[test]
fn a_batcher_does_not_pause_as_time_is_up_while_requests_wait_for_its_own_quota() {
    let emulator = emulator();
    let slow = builder(&emulator.endpoint()).calls_per_second(1.0);
    let client = slow.fresh_start(true).build().unwrap();
    let options = client.batcher().linger(Duration::ZERO);
    let batcher = options.pause_when_unavailable(true).start();
    for number in 0..40 {
        let _ = batcher.call(user(number), &within(Duration::from_millis(20)));
        assert!(batcher.paused().is_none());
    }
    // what was first and had no turn keeps no other from going
    batcher.call(user(41), &within(LONG)).unwrap();
}

#[test]
fn a_run_that_is_cancelled_while_it_pauses_fails_what_was_not_sent() {
    let emulator = emulator();
    emulator.fault(Operation::Add, Fault::code(APP_REFUSED));
    let options = client(&emulator).bulk().linger(Duration::ZERO);
    let run = options.pause_when_unavailable(true).start();
    run.push(0, user(0)).unwrap();
    until(|| run.paused().is_some());
    run.push(1, user(1)).unwrap();
    run.cancel();
    let summary = run.finish();
    assert!(matches!(summary.ended, Some(RunError::Cancelled)));
    assert_eq!(
        (summary.progress.failed, emulator.stats().arrivals()),
        (2, 1)
    );
}

#[test]
fn a_run_over_an_iterator_ends_and_never_pauses() {
    let emulator = emulator();
    emulator.fault(Operation::Add, Fault::code(APP_REFUSED));
    let options = client(&emulator).bulk().pause_when_unavailable(true);
    let summary = options.run(users(0..3)).finish();
    assert!(matches!(summary.ended, Some(RunError::Refused(_))));
}

#[test]
fn a_batcher_that_is_held_sends_nothing_more_and_what_fails_meanwhile_has_no_outcome() {
    let emulator = emulator();
    let slow = |fault: Fault| fault.delayed(Duration::from_millis(300));
    let ends = [
        (slow(Fault::status(502)), false),
        (slow(Fault::code(APP_REFUSED)), false),
        (Fault::delay(Duration::from_millis(300)), true),
    ];
    for (fault, is_done) in ends {
        let before = emulator.stats().arrivals();
        emulator.fault(Operation::Add, fault);
        let options = client(&emulator).batcher().linger(Duration::ZERO);
        let batcher = options.pause_when_unavailable(true).start();
        batcher.submit(0, user(0)).unwrap();
        until(|| emulator.stats().arrivals() > before);
        batcher
            .submit(1, ChangeRequest::remove("u0", ["a"]))
            .unwrap();
        let brief = CallOptions::new().timeout(Duration::ZERO);
        assert!(!batcher.hold(&brief), "it is under way");
        assert!(batcher.hold(&CallOptions::new()));
        assert_eq!(batcher.requests_under_way(), 0);
        // nothing goes on, and nothing more is taken
        batcher.resume();
        batcher.submit(2, user(1)).unwrap_err();
        let outcomes = batcher.poll(Duration::from_millis(100));
        assert_eq!(outcomes.len(), usize::from(is_done));
        assert_eq!(emulator.stats().arrivals(), before + 1);
        assert_eq!(batcher.unsettled(), 2 - outcomes.len());
    }
}
