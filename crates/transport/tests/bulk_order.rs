//! The order of an account's changes: an attempt that arrives late undoes nothing, and mixed kinds take hardly more
//! requests than the fewest.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::time::Duration;

use imtag_emulator::{Emulator, Fault};
use imtag_transport::{BulkOptions, ChangeError, ChangeRequest, Client, Effect, Operation};
use support::*;

/// An attempt is abandoned after this,
const ATTEMPT: Duration = Duration::from_millis(50);
/// has its effect after this,
const LATE: Duration = Duration::from_millis(250);
/// and the account's next change waits this long from when the first is settled.
const LATE_WINDOW: Duration = Duration::from_millis(900);

/// Adds a tag, of which one attempt arrives late, and removes it.
type AddAndRemove = fn(&Client) -> [Result<(), ChangeError>; 2];

fn bulk_options(client: &Client) -> BulkOptions {
    let options = client.bulk().attempt_timeout(ATTEMPT);
    options.late_window(LATE_WINDOW)
}

fn in_one_run(client: &Client) -> [Result<(), ChangeError>; 2] {
    let add = ChangeRequest::add("u", ["a"]);
    let run = bulk_options(client).run([add, ChangeRequest::remove("u", ["a"])]);
    let mut completions: Vec<_> = run.collect();
    completions.sort_by_key(|completion| completion.id);
    [completions.remove(0).result, completions.remove(0).result]
}

fn in_one_batcher(client: &Client) -> [Result<(), ChangeError>; 2] {
    let options = client.batcher().attempt_timeout(ATTEMPT);
    let batcher = options.late_window(LATE_WINDOW).start();
    [batcher.add_tag("u", ["a"]), batcher.remove_tag("u", ["a"])]
}

fn by_a_run_and_a_batcher(client: &Client) -> [Result<(), ChangeError>; 2] {
    let add = ChangeRequest::add("u", ["a"]);
    let added = bulk_options(client).run([add]).next().unwrap().result;
    [added, client.batcher().start().remove_tag("u", ["a"])]
}

const SCENES: [AddAndRemove; 3] = [in_one_run, in_one_batcher, by_a_run_and_a_batcher];

/// When the first remove arrived, after the first add.
fn removed_after(emulator: &Emulator) -> Duration {
    let requests = emulator.requests();
    let first = |operation| {
        let mut of = requests
            .iter()
            .filter(|it| it.route.unwrap().operation == operation);
        of.next().unwrap().at
    };
    first(Operation::Remove) - first(Operation::Add)
}

#[test]
fn an_add_that_timed_out_and_arrives_late_never_undoes_a_later_remove() {
    for add_and_remove in SCENES {
        let emulator = emulator();
        let client = client(&emulator);
        emulator.fault(Operation::Add, Fault::delay(LATE));
        let [added, removed] = add_and_remove(&client);
        added.unwrap(); // by the second attempt
        removed.unwrap();
        assert!(emulator.settle(Duration::from_secs(10)));
        assert!(emulator.user("u").is_empty());
        // at the service, so no machine is too slow for it
        assert!(removed_after(&emulator) > LATE);
    }
}

#[test]
fn an_add_without_an_answer_is_possibly_applied_and_never_undoes_a_later_remove() {
    for add_and_remove in SCENES {
        let emulator = emulator();
        let client = client_of_one_attempt(&emulator);
        emulator.fault(Operation::Add, Fault::delay(LATE));
        let [added, removed] = add_and_remove(&client);
        assert_eq!(added.unwrap_err().effect(), Effect::PossiblyApplied);
        removed.unwrap();
        assert!(emulator.settle(Duration::from_secs(10)));
        assert!(emulator.user("u").is_empty());
    }
}

#[test]
fn after_a_refusal_the_next_change_of_the_account_does_not_wait() {
    let emulator = emulator();
    let client = client(&emulator);
    emulator.fault(Operation::Add, Fault::code(90001));
    // a wait would never end
    let batcher = client.batcher().late_window(Duration::MAX).start();
    batcher.add_tag("u", ["a"]).unwrap_err();
    batcher.remove_tag("u", ["a"]).unwrap();
}

#[test]
fn a_clear_and_an_add_of_the_same_users_keep_their_order_and_take_the_fewest_requests() {
    let emulator = emulator();
    let client = client(&emulator);
    let users: Vec<String> = (0..500).map(|user| format!("u{user}")).collect();
    users.iter().for_each(|user| emulator.tag(user, ["old"]));
    let clear_and_add = |user| {
        [
            ChangeRequest::clear(user),
            ChangeRequest::add(user, ["new"]),
        ]
    };
    let changes = users.iter().flat_map(clear_and_add);
    let options = client.bulk().linger(Duration::MAX);
    let summary = options.run(changes).finish();
    assert!(summary.all_done());
    assert_eq!(summary.progress.requests, 10);
    for user in &users {
        assert_eq!(tags(&emulator, user), ["new"]);
    }
}

#[test]
fn removes_among_many_adds_take_at_most_1_in_100_requests_more_than_the_fewest() {
    let emulator = emulator();
    let client = client(&emulator);
    let user = |user| format!("u{user}");
    let changes = (0..20_000).flat_map(|number| {
        let add = ChangeRequest::add(user(number), ["a", "b"]);
        let removes = number % 50 == 49;
        // of one that was just added, and of one from long ago
        let just = removes.then(|| ChangeRequest::remove(user(number), ["a"]));
        let long_ago = removes.then(|| ChangeRequest::remove(user(number / 2 - 1), ["b"]));
        [Some(add), just, long_ago].into_iter().flatten()
    });
    let summary = client.bulk().linger(Duration::MAX).run(changes).finish();
    assert!(summary.all_done());
    let least = 20_000 / 100 + 800 / 100;
    assert!(summary.progress.requests <= least * 101 / 100, "{summary}");
    assert_eq!(tags(&emulator, "u49"), ["b"]);
    assert_eq!(tags(&emulator, "u23"), ["a"]);
}
