//! Replaces in bulk runs and batchers, against the emulator: their order, which requests they share, and what is said of
//! those that fail.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::time::Duration;

use imtag_emulator::{Emulator, Fault};
use imtag_transport::{CallOptions, Cause, ChangeRequest, Client, Effect, Generation, Operation};
use support::*;

fn timpush(emulator: &Emulator) -> Client {
    let builder = builder(&emulator.endpoint()).generation(Generation::Timpush);
    builder.retry(ONE_ATTEMPT).build().unwrap()
}

#[test]
fn a_replace_of_a_batcher_keeps_its_place_among_the_changes_of_a_bulk_run() {
    let emulator = emulator();
    let client = timpush(&emulator);
    let (bulk, batcher) = (client.bulk().start(), client.batcher().start());
    bulk.push(0, ChangeRequest::add("u", ["before"])).unwrap();
    let replace = ChangeRequest::replace("u", ["new", "other"]);
    batcher.submit(0, replace).unwrap();
    bulk.push(1, ChangeRequest::remove("u", ["other"])).unwrap();
    batcher
        .submit(1, ChangeRequest::add("u", ["after"]))
        .unwrap();
    bulk.end_of_input();
    batcher.close(&CallOptions::new()).unwrap();
    assert!(bulk.finish().all_done());
    assert_eq!(
        emulator.user("u"),
        ["after", "new"].map(str::to_owned).into()
    );
    assert_eq!(emulator.stats().arrivals(), 4);
}

#[test]
fn replaces_of_many_users_are_few_calls_of_the_adds_quota_and_figures() {
    let emulator = emulator();
    let client = timpush(&emulator);
    client.batcher().start().add_tag("u7", ["old"]).unwrap();
    let tags: Vec<String> = (0..100).map(|tag| format!("t{tag}")).collect();
    let replaces = (0..250).map(|user| ChangeRequest::replace(format!("u{user}"), &tags));
    let summary = client.bulk().run(replaces).finish();
    assert!(summary.all_done(), "{summary}");
    assert_eq!((summary.progress.requests, summary.progress.done), (3, 250));
    assert_eq!(emulator.user("u7").len(), 100);
    assert_eq!(client.stats().operation(Operation::Add).ended("done"), 4);
    // a hundred users with a hundred tags each are no more than the emulator takes
    assert_eq!(emulator.users().len(), 250);
}

#[test]
fn a_replace_that_failed_is_said_to_be_an_add_whose_tags_are_all_undone() {
    let emulator = emulator();
    let client = timpush(&emulator);
    let batcher = client.batcher().late_window(Duration::ZERO).start();
    emulator.fault(Operation::Add, Fault::cut_after());
    let error = batcher.replace_tags("u", ["a", "b"]).unwrap_err();
    assert_eq!(error.effect(), Effect::PossiblyApplied);
    assert_eq!(error.operation(), Operation::Add);
    assert_eq!(error.undone(), ["a", "b"]);
    assert!(error.to_string().starts_with(r#"add "u": "#), "{error}");
    emulator.fault(Operation::Add, Fault::leave_out(["v"], 70107));
    let error = batcher.replace_tags("v", ["a"]).unwrap_err();
    assert!(matches!(error.cause(), Cause::LeftOut { .. }), "{error}");
    batcher.replace_tags("v", ["a"]).unwrap();
    assert_eq!(emulator.user("v"), ["a".to_owned()].into());
}

#[test]
fn on_the_older_paths_a_replace_is_invalid_and_nothing_is_sent() {
    let emulator = emulator();
    let batcher = client(&emulator).batcher().start();
    let error = batcher.replace_tags("u", ["a"]).unwrap_err();
    assert!(matches!(error.cause(), Cause::Invalid(_)));
    let why = "replace: not possible on the all_member_push paths (choose the generation timpush, or clear the tags and add new ones)";
    assert!(error.to_string().contains(why), "{error}");
    assert_eq!(emulator.stats().arrivals(), 0);
}
