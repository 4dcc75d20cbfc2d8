//! The end of a queue: what is under way is waited for, and nothing else is sent.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::thread;
use std::time::{Duration, Instant};

use imtag_core::{ChangeRequest, Operation};
use imtag_emulator::{Fault, ProbabilisticFault};
use support::{Home, Open, add, client, service, until};

/// Drains it in the middle of its work, and says how long that took. No request arrives after the beginning but those that were
/// on their way; nothing is in doubt, and the next start sends at once.
fn assert_drains(home: &Home, changes: Vec<ChangeRequest>) {
    let emulator = service().start().unwrap();
    let slow = ProbabilisticFault::new(Fault::delay(Duration::from_millis(50)), 1.0).unwrap();
    let slow = emulator.add_standing(slow);
    let open = home.open();
    for some in changes.chunks(10_000) {
        open.accept(some.iter().cloned());
    }
    open.send_by(client(&emulator));
    until("it sends", || emulator.stats().arrivals() > 3);
    let under_way = open.status().under_way;
    assert!(under_way > 500, "much of it is loaded: {under_way}");
    let begun = Instant::now();
    let drained = open.drain(begun + Duration::from_secs(60));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(drained.in_doubt, 0);
    assert!(drained.unsettled > 0, "all was sent");
    let arrivals = emulator.stats().arrivals();
    drop(open);
    thread::sleep(Duration::from_millis(200));
    assert_eq!(
        emulator.stats().arrivals(),
        arrivals,
        "a request was cut off"
    );
    emulator.remove_standing(slow);
    let (begun, open) = (Instant::now(), home.open());
    open.send_by(client(&emulator));
    until("it goes on", || emulator.stats().arrivals() > arrivals);
    // not after the late window
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    open.drain(Instant::now() + Duration::from_secs(60));
    assert_eq!(open.status().failures, 0);
}

#[test]
fn a_drain_sends_nothing_more_of_a_user_with_a_backlog_and_the_next_start_goes_on_at_once() {
    // one after the other, as a change and its opposite are not sent together
    let change = |nth: u32| match nth % 2 {
        0 => add("u", "vip"),
        _ => ChangeRequest::remove("u", ["vip"]),
    };
    assert_drains(&Home::new(), (0..20_000).map(change).collect());
}

#[test]
fn a_drain_sends_nothing_more_of_many_users_and_the_next_start_goes_on_at_once() {
    let changes = (0..120_000).map(|nth| add(&format!("u{nth}"), "vip"));
    assert_drains(&Home::new(), changes.collect());
}

fn opened(home: &Home, emulator: &imtag_emulator::Emulator) -> Open {
    let open = home.open();
    open.send_by(client(emulator));
    open
}

#[test]
fn a_drain_finishes_what_is_under_way_and_the_next_start_sends_the_rest() {
    let (emulator, home) = (service().start().unwrap(), Home::new());
    emulator.faults(
        Operation::Add,
        vec![Fault::delay(Duration::from_millis(200)); 3],
    );
    let open = opened(&home, &emulator);
    open.accept((0..250).map(|nth| add(&nth.to_string(), "vip")));
    until("it is under way", || emulator.stats().arrivals() > 0);
    let drained = open.drain(Instant::now() + Duration::from_secs(60));
    assert_eq!(drained.in_doubt, 0);
    assert_eq!(
        emulator.users().len() as u64,
        250 - drained.unsettled,
        "each answer is noted"
    );
    drop(open);
    let open = opened(&home, &emulator);
    // nothing is on its way: what is of another kind need not wait for the late window
    let begun = Instant::now();
    let post = open.accept([ChangeRequest::remove("7", ["vip"])]);
    open.settled(post).wait().unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    open.until_empty();
    assert_eq!(emulator.users().len(), 249);
}

/// It fails in the middle of the drain: the users are not at fault, and are sent again.
#[test]
fn what_fails_while_a_queue_is_drained_is_no_failure_of_a_user() {
    let (emulator, mut home) = (service().start().unwrap(), Home::new());
    home.settings.late_window = Duration::from_millis(100);
    for fault in [Fault::status(502), Fault::code(40_006), Fault::code(60_008)] {
        let fault = fault.delayed(Duration::from_millis(300));
        emulator.faults(Operation::Add, vec![fault; 3]);
        let open = opened(&home, &emulator);
        let arrivals = emulator.stats().arrivals();
        open.accept((0..250).map(|nth| add(&nth.to_string(), "vip")));
        until("it is under way", || emulator.stats().arrivals() > arrivals);
        let drained = open.drain(Instant::now() + Duration::from_secs(60));
        assert!(drained.unsettled > 0);
        drop(open);
        emulator.remove_faults();
        let open = opened(&home, &emulator);
        open.until_empty();
        assert_eq!(open.status().failures, 0);
        drop(open);
    }
}
