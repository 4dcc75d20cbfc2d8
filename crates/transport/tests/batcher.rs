//! Batchers against the emulator.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::thread;

use imtag_transport::CallOptions;
use support::*;

#[test]
fn threads_share_requests_and_each_has_its_own_outcome() {
    let emulator = emulator();
    let client = client(&emulator);
    let batcher = client.batcher().start();
    thread::scope(|scope| {
        for user in 0..200 {
            let batcher = &batcher;
            scope.spawn(move || {
                for tag in 0..5 {
                    batcher
                        .add_tag(format!("u{user}"), [format!("t{tag}")])
                        .unwrap();
                }
            });
        }
    });
    batcher.close(&CallOptions::new()).unwrap();
    assert_eq!(emulator.users().len(), 200);
}
