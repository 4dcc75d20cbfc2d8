//! What listens to events may panic at each of them: no call, change or thread is lost by that. A program of its own, as it
//! listens to all of its process.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::panic;
use std::sync::Mutex;

use imtag_emulator::Fault;
use imtag_transport::{CallOptions, ChangeRequest, Operation};
use support::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

static HEARD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

struct Panics;

impl Subscriber for Panics {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "imtag"
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        HEARD.lock().unwrap().insert(message.0);
        panic!("the host's");
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[test]
fn a_listener_that_panics_loses_no_call_no_change_and_no_thread() {
    panic::set_hook(Box::new(|info| {
        let is_ours = info.payload().downcast_ref() == Some(&"the host's");
        if !is_ours {
            eprintln!("{info}");
        }
    }));
    tracing::subscriber::set_global_default(Panics).unwrap();
    let emulator = emulator_without(["u2"]);
    // a name, which is looked up
    let endpoint = emulator.endpoint().replace("127.0.0.1", "localhost");
    let client = builder(&endpoint).calls_per_second(2).build().unwrap();
    emulator.fault(Operation::Add, Fault::code(60007));
    client.add_tag(&add()).unwrap();
    // more than the quota is at once: each has given its turn back
    for _ in 0..3 {
        emulator.fault(Operation::Add, Fault::code(90001));
        client.add_tag(&add()).unwrap_err();
    }

    let batcher = lingering(&client);
    for user in 0..4 {
        let change = ChangeRequest::add(format!("u{user}"), ["a"]);
        batcher.submit(user, change).unwrap();
    }
    batcher.close(&CallOptions::new()).unwrap();
    let outcomes = batcher.poll(LONG);
    let failed = outcomes
        .into_iter()
        .filter(|it| it.clone().into_result().is_err());
    let failed: Vec<_> = failed.map(|it| it.id()).collect();
    assert_eq!(failed, [2]);
    let run = client
        .bulk()
        .run((0..4).map(|user| ChangeRequest::remove(format!("u{user}"), ["a"])));
    assert_eq!(run.finish().progress.unsettled(), 0);

    let heard = HEARD.lock().unwrap();
    for message in [
        "attempt ended",
        "call failed",
        "connection opened",
        "host looked up",
        "new UserSig",
        "rejected as too frequent",
        "request formed",
        "request split",
        "session began",
        "session ended",
        "trying again",
        "waited for the quota",
    ] {
        assert!(heard.contains(message), "{message}: {heard:?}");
    }
    let add = client.stats().operation(Operation::Add).clone();
    assert_eq!(add.in_flight, 0);
}
