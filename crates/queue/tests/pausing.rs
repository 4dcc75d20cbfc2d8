//! An operator's pause: what is sent before it, in it and after it.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::time::{Duration, Instant};

use imtag_core::{ChangeRequest, Operation};
use imtag_emulator::{Fault, ProbabilisticFault};
use imtag_queue::{Filter, PauseReason};
use support::{Home, add, client, many, service, until};

#[test]
fn an_operators_pause_lasts_over_restarts_until_the_resume() {
    let (emulator, home) = (service().start().unwrap(), Home::new());
    let open = home.open();
    open.pause().wait().unwrap();
    open.send_by(client(&emulator));
    open.post(many(5)).wait().unwrap();
    drop(open);
    let open = home.open();
    open.send_by(client(&emulator));
    open.post(many(5)).wait().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let status = open.status();
    assert_eq!(status.pauses[0].reason, PauseReason::Operator);
    assert_eq!((status.changes, status.under_way), (10, 0));
    assert_eq!(emulator.stats().arrivals(), 0);
    open.resume().wait().unwrap();
    open.until_empty();
    assert_eq!(open.status().pauses, []);
}

#[test]
fn what_waits_behind_a_request_goes_back_to_the_queue_in_a_pause_and_can_be_purged() {
    let (emulator, home) = (service().start().unwrap(), Home::new());
    let open = home.open();
    // one after the other, as a change and its opposite are not sent together
    open.accept((0..200).map(|nth| match nth % 2 {
        0 => add("u", "vip"),
        _ => ChangeRequest::remove("u", ["vip"]),
    }));
    emulator.fault(Operation::Remove, Fault::delay(Duration::from_secs(30)));
    open.send_by(client(&emulator));
    until("the second is under way", || {
        emulator.stats().arrivals() == 2
    });
    open.pause().wait().unwrap();
    assert_eq!(open.status().under_way, 0);
    let purged = open.purge(Filter::default()).wait().unwrap();
    assert_eq!(purged.under_way, 0);
    assert!(purged.deleted >= 198, "{}", purged.deleted);
    assert_eq!(emulator.stats().arrivals(), 2);
    assert_eq!(open.status().changes, 0);
}

/// Each request takes a while, so that most of what is loaded is not sent yet.
#[test]
fn once_a_pause_is_answered_nothing_is_sent_before_the_resume() {
    let (emulator, mut home) = (service().start().unwrap(), Home::new());
    // what a pause has cut off is waited for
    home.settings.late_window = Duration::from_secs(1);
    let slow = ProbabilisticFault::new(Fault::delay(Duration::from_millis(20)), 1.0).unwrap();
    emulator.add_standing(slow);
    let mut open = home.open();
    for _ in 0..3 {
        open.post(many(10_000)).wait().unwrap();
    }
    open.send_by(client(&emulator));
    for round in 0..3 {
        let before = emulator.stats().arrivals();
        until("it sends", || emulator.stats().arrivals() > before + 5);
        if round == 1 {
            // one hands over to another, and has time for that
            open.send_by(client(&emulator));
        }
        open.pause().wait().unwrap();
        let (status, arrivals) = (open.status(), emulator.stats().arrivals());
        assert_eq!(status.under_way, 0);
        assert!(status.changes > 0, "all was sent");
        if round == 2 {
            drop(open);
            open = home.open();
            open.send_by(client(&emulator));
        }
        // longer than a session that is stuck waits for the next
        std::thread::sleep(Duration::from_millis(1_200));
        let later = emulator.stats().arrivals();
        // a request that was cancelled may arrive a moment later
        assert!(later <= arrivals + 2, "{arrivals} {later}");
        open.resume().wait().unwrap();
    }
    open.until_empty();
    assert_eq!(
        (emulator.users().len(), open.status().failures),
        (10_000, 0)
    );
}

#[test]
fn a_resume_tries_a_refused_app_again_at_once() {
    let (emulator, home) = (service().start().unwrap(), Home::new());
    emulator.fault(Operation::Add, Fault::code(70_009));
    let open = home.open();
    // before there is a pause it resumes nothing
    open.resume().wait().unwrap();
    open.send_by(client(&emulator));
    open.post(many(5)).wait().unwrap();
    until("it pauses", || !open.status().pauses.is_empty());
    assert_eq!(open.status().pauses[0].reason, PauseReason::App);
    let begun = Instant::now();
    open.resume().wait().unwrap();
    open.until_empty();
    // by itself it would go on after a minute
    assert!(begun.elapsed() < Duration::from_secs(30));
    until("it is over", || open.status().pauses.is_empty());
    assert_eq!(open.status().failures, 0);
}

#[test]
fn what_an_outage_holds_up_can_be_deleted_once_an_operator_has_paused_the_queue() {
    let (emulator, home) = (service().start().unwrap(), Home::new());
    let open = home.open();
    let away = ProbabilisticFault::new(Fault::status(502), 1.0).unwrap();
    let away = emulator.add_standing(away);
    open.send_by(client(&emulator));
    open.post(many(50)).wait().unwrap();
    until("it pauses", || {
        let pauses = open.status().pauses;
        pauses.iter().any(|it| it.reason == PauseReason::Service)
    });
    let purged = open.purge(Filter::default()).wait().unwrap();
    assert_eq!((purged.deleted, purged.under_way), (0, 50));
    open.pause().wait().unwrap();
    let purged = open.purge(Filter::default()).wait().unwrap();
    assert_eq!((purged.deleted, purged.under_way), (50, 0));
    emulator.remove_standing(away);
    open.resume().wait().unwrap();
    open.accept([add("later", "vip")]);
    open.until_empty();
    assert_eq!(emulator.users().len(), 1);
}
