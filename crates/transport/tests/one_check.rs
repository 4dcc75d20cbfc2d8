//! Each account and tag is checked once on its way to the service.

#![allow(clippy::unwrap_used)] // all of it is test code
#![cfg(debug_assertions)] // checks are not counted in release builds

mod support;

use imtag_core::{ChangeOperation, counted};
use imtag_transport::{AddTags, CallOptions, ChangeRequest, ClearTags, GetTags, RemoveTags};
use support::*;

const ACCOUNT: &str = "counted-account";
const TAGS: [&str; 3] = ["counted-a", "counted-b", "counted-c"];

/// One of the account and one of each tag.
const ONE_CHECK: usize = 4;

fn changes() -> [ChangeRequest; 3] {
    [
        ChangeRequest::add(ACCOUNT, TAGS),
        // as bindings give it
        ChangeRequest::from_bytes(
            ChangeOperation::Remove,
            ACCOUNT.as_bytes(),
            TAGS.map(str::as_bytes),
        ),
        ChangeRequest::clear(ACCOUNT),
    ]
}

#[test]
fn a_change_is_checked_once_whichever_way_it_goes_in() {
    let emulator = emulator();
    let client = client(&emulator);
    counted::take();

    client
        .add_tag(&AddTags::new([(ACCOUNT, TAGS)]).unwrap())
        .unwrap();
    assert_eq!(counted::take(), ONE_CHECK, "add");
    client
        .remove_tag(&RemoveTags::new([(ACCOUNT.as_bytes(), TAGS.map(str::as_bytes))]).unwrap())
        .unwrap();
    assert_eq!(counted::take(), ONE_CHECK, "remove");
    client.get_tag(&GetTags::new([ACCOUNT]).unwrap()).unwrap();
    assert_eq!(counted::take(), 1, "get");
    client
        .clear_tags(&ClearTags::new([ACCOUNT]).unwrap())
        .unwrap();
    assert_eq!(counted::take(), 1, "clear");

    assert!(client.bulk().run(changes()).finish().all_done());
    assert_eq!(counted::take(), 2 * ONE_CHECK + 1, "an iterator");
    // capacity for one, so that a change is offered again until it is taken
    let bulk = client.bulk().capacity(1).start();
    for (id, change) in (0..).zip(changes()) {
        bulk.push(id, change).unwrap();
    }
    assert!(bulk.finish().all_done());
    assert_eq!(counted::take(), 2 * ONE_CHECK + 1, "a run fed by hand");

    let batcher = client.batcher().start();
    for change in changes() {
        batcher.call(change, &CallOptions::new()).unwrap();
    }
    assert_eq!(counted::take(), 2 * ONE_CHECK + 1, "a batcher's call");
    for (id, change) in (0..).zip(changes()) {
        batcher.submit(id, change).unwrap();
    }
    batcher.close(&CallOptions::new()).unwrap();
    assert_eq!(counted::take(), 2 * ONE_CHECK + 1, "a submitted change");
}
