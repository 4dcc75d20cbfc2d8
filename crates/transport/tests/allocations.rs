//! What a call allocates over a connection that is already there, in how many pieces and how much beside its body. A
//! program of its own, as it counts with another allocator. It counts the thread of the call, which is the only one.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use allocation_counter::{AllocationInfo, measure};
use imtag_transport::{AddTags, Client};
use support::*;

/// The body of a request of 100 users with 10 tags of 20 bytes each.
const FULL_BODY: u64 = 26_914;

/// What a call allocates that adds so many tags to so many users.
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
    measure(call)
}

#[test]
fn a_call_allocates_in_few_pieces_and_copies_its_body_nowhere() {
    let emulator = emulator();
    let client = builder(&emulator.endpoint()).build().unwrap();
    let small = allocated(&client, 1, 1);
    assert!(small.count_total <= 5, "{small:?}");
    assert!(small.bytes_total <= 1_000, "{small:?}");
    let full = allocated(&client, 100, 10);
    assert!(full.count_total <= 6, "{full:?}");
    assert!(full.bytes_total <= FULL_BODY + FULL_BODY / 10, "{full:?}");
}
