//! What a call allocates over a connection that is already there, in how many pieces and how much beside its body, with no
//! one listening to its events, and with one who listens to greater ones alone. A
//! program of its own, as it counts with another allocator. It counts the thread of the call, which is the only one.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use allocation_counter::{AllocationInfo, measure};
use imtag_transport::{AddTags, ChangeRequest, Client};
use support::events::Quiet;
use support::*;

/// The body of a request of 100 users with 10 tags of 20 bytes each.
const FULL_BODY: u64 = 26_914;

/// What a call allocates that adds so many tags to so many users: the least of a few, as the first ones over a connection
/// make place for answers.
fn allocated(client: &Client, users: usize, tags: usize) -> AllocationInfo {
    let users: Vec<(String, Vec<String>)> = (0..users)
        .map(|user| {
            let tags = (0..tags).map(|tag| format!("tag{tag:03}-of-20-bytes..")[..20].to_owned());
            (format!("user{user:08}"), tags.collect())
        })
        .collect();
    let call = || {
        let users = users.iter().map(|(account, tags)| (account, tags));
        client.add_tag(&AddTags::new(users).unwrap()).unwrap();
    };
    call(); // opens the connection, and makes the UserSig
    let measured = (0..5).map(|_| measure(call));
    measured.min_by_key(|it| it.count_total).unwrap()
}

#[test]
fn a_call_allocates_in_few_pieces_and_copies_its_body_nowhere() {
    let emulator = emulator();
    let client = builder(&emulator.endpoint()).build().unwrap();
    let check = || {
        let small = allocated(&client, 1, 1);
        assert_eq!(small.count_total, 4, "{small:?}");
        assert!(small.bytes_total <= 1_000, "{small:?}");
        let full = allocated(&client, 100, 10);
        assert_eq!(full.count_total, 5, "{full:?}");
        assert!(full.bytes_total <= FULL_BODY + FULL_BODY / 10, "{full:?}");
    };
    check();
    tracing::subscriber::with_default(Quiet, check);
}

/// What a thread allocates that pushes so many users with so many tags, and polls their outcomes.
fn allocated_in_a_run(client: &Client, users: usize, tags: usize) -> AllocationInfo {
    let tags: Vec<String> = (0..tags).map(|tag| format!("tag{tag:03}")).collect();
    let users: Vec<String> = (0..users).map(|user| format!("user{user:08}")).collect();
    let run = client.bulk().start();
    let counted = measure(|| {
        for (id, user) in (0..).zip(&users) {
            run.push(id, ChangeRequest::add(user, &tags)).unwrap();
        }
        run.end_of_input();
        let mut outcomes = 0;
        while outcomes < users.len() {
            let polled = run.poll(LONG);
            assert!(!polled.is_empty() && polled.iter().all(|it| it.result.is_ok()));
            outcomes += polled.len();
        }
    });
    assert!(run.finish().all_done());
    counted
}

/// The plan's own count has what the run's threads do with them.
#[test]
fn a_run_allocates_for_a_user_its_texts_what_shares_them_and_where_they_end() {
    let emulator = emulator();
    let client = builder(&emulator.endpoint()).build().unwrap();
    for (tags, allocations) in [(1, 2), (10, 3)] {
        let counted = allocated_in_a_run(&client, 4_000, tags);
        // lists that grow, and waits
        let at_most = 4_000 * allocations + 1_000;
        assert!(counted.count_total <= at_most, "{tags} tags: {counted:?}");
    }
}
