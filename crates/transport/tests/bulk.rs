//! Bulk runs against the emulator, beyond the conformance cases: how few requests a run takes, what it says of them, and
//! how input and outcomes go on side by side.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::thread;
use std::time::Duration;

use imtag_emulator::Fault;
use imtag_transport::{
    ChangeError, ChangeRequest, Client, Completion, Generation, Operation, Summary,
};
use support::*;

fn run(
    client: &Client,
    changes: impl IntoIterator<Item = ChangeRequest>,
) -> (Vec<(u64, ChangeError)>, Summary) {
    let mut run = client.bulk().run(changes);
    let failed = run.by_ref().filter_map(|completion| {
        let Completion { id, result, .. } = completion;
        result.err().map(|error| (id, error))
    });
    let mut failed: Vec<_> = failed.collect();
    failed.sort_by_key(|(id, _)| *id);
    (failed, run.finish())
}

#[test]
fn a_change_that_was_left_out_has_the_attempts_and_the_request_id_of_its_request() {
    let emulator = emulator();
    let left_out = Fault::leave_out(["u1", "u2"], 70107);
    emulator.faults(Operation::Add, [Fault::code(91000), left_out]);
    let (failed, summary) = run(&client(&emulator), users(0..4));
    assert_eq!(summary.progress.requests, 1);
    let [(1, one), (2, other)] = failed.as_slice() else {
        panic!("{failed:?}");
    };
    for error in [one.error(), other.error()] {
        assert_eq!((error.attempts(), error.sent()), (2, 2));
    }
    let request_id = one.error().request_id();
    assert!(request_id.is_some_and(|id| !id.is_empty()));
    assert_eq!(request_id, other.error().request_id());
    // the account is in the sentence of the change, and not in that of its error
    assert!(
        one.to_string()
            .starts_with("add \"u1\": the service left it out: 70107")
    );
    assert!(
        one.error()
            .to_string()
            .starts_with("add: the service left it out: 70107")
    );
}

#[test]
fn the_summary_says_what_timpush_would_have_saved() {
    let of = |generation| {
        let emulator = emulator_without(["u1"]);
        let client = builder(&emulator.endpoint());
        let client = client.generation(generation).build().unwrap();
        let (failed, summary) = run(&client, users(0..4));
        assert_eq!(failed.len(), 1);
        summary
    };
    let older = of(Generation::AllMemberPush);
    assert_eq!(older.timpush_would_save(), 4);
    assert_eq!(
        older.to_string(),
        "4 changes: 3 done, 1 failed; 5 requests, 0 retries; 4 of the requests looked for accounts at fault, which the \
         timpush paths name"
    );
    let newer = of(Generation::Timpush);
    assert_eq!(newer.timpush_would_save(), 0);
    assert_eq!(
        newer.to_string(),
        "4 changes: 3 done, 1 failed; 1 request, 0 retries"
    );
}

#[test]
fn a_slow_input_delays_no_change() {
    let emulator = emulator();
    let client = client(&emulator);
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let sender = sender; // closed at the end
            for number in 0..3 {
                sender.send(user(number)).unwrap();
                until(|| emulator.users().len() == number + 1);
            }
        });
        let bulk = client.bulk().linger(Duration::from_millis(5));
        let mut run = bulk.run(receiver);
        assert_eq!(run.by_ref().filter(|it| it.result.is_ok()).count(), 3);
        assert_eq!(run.finish().progress.requests, 3);
    });
}

#[test]
fn outcomes_are_yielded_while_the_input_goes_on() {
    let emulator = emulator();
    let client = client(&emulator);
    let yielded = std::cell::Cell::new(0_usize);
    let mut most_ahead = 0;
    let input = users(0..60_000).enumerate().map(|(pulled, change)| {
        most_ahead = most_ahead.max(pulled - yielded.get());
        change
    });
    for completion in client.bulk().capacity(200).run(input) {
        completion.result.unwrap();
        yielded.set(yielded.get() + 1);
    }
    assert_eq!(yielded.get(), 60_000);
    // what is held, and what 500 workers have under way if the service pauses
    assert!(most_ahead < 55_000, "{most_ahead}");
}
