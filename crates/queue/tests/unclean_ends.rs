//! After an end that was not clean: what is on its way, or was applied and not settled, does no harm.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use imtag_core::{ChangeRequest, Effect, Operation};
use imtag_emulator::{Fault, ProbabilisticFault};
use support::{Home, add, client, service, until};

#[test]
fn after_an_unclean_end_a_change_of_another_kind_waits_until_none_can_arrive_late() {
    let (emulator, mut home) = (service().start().unwrap(), Home::new());
    home.settings.late_window = Duration::from_secs(3);
    emulator.fault(Operation::Add, Fault::delay(Duration::from_secs(1)));
    let open = home.open();
    open.send_by(client(&emulator));
    open.accept([add("bob", "vip")]);
    until("it is under way", || emulator.stats().arrivals() > 0);
    open.accept([ChangeRequest::remove("bob", ["vip"])]);
    drop(open);
    let open = home.open();
    open.send_by(client(&emulator));
    open.until_empty();
    assert!(emulator.settle(Duration::from_secs(10)));
    assert_eq!(emulator.user("bob"), BTreeSet::new(), "the add came late");
}

#[test]
fn after_an_unclean_end_an_attempt_of_a_change_that_is_done_undoes_no_later_one() {
    let (emulator, home) = (service().start().unwrap(), Home::new());
    emulator.fault(Operation::Clear, Fault::delay(Duration::from_secs(2)));
    let open = home.open();
    open.send_by(client(&emulator));
    let cleared = open.accept([ChangeRequest::clear("bob")]);
    until("it is under way", || emulator.stats().arrivals() == 1);
    // it is sent again, and done; the first attempt is still to arrive
    emulator.disconnect();
    open.settled(cleared).wait().unwrap();
    drop(open);
    let open = home.open();
    open.send_by(client(&emulator));
    open.accept([add("bob", "vip")]);
    open.until_empty();
    assert!(emulator.settle(Duration::from_secs(10)));
    assert_eq!(emulator.user("bob").len(), 1, "the clear came late");
}

#[test]
fn after_an_unclean_end_a_change_that_fails_may_have_been_applied_before() {
    let (emulator, mut home) = (service().start().unwrap(), Home::new());
    home.settings.late_window = Duration::from_millis(100);
    let unanswered = Fault::delay(Duration::ZERO).answer_delayed(Duration::from_secs(30));
    emulator.fault(Operation::Add, unanswered);
    let open = home.open();
    open.send_by(client(&emulator));
    open.accept([add("bob", "vip")]);
    until("it is applied", || !emulator.user("bob").is_empty());
    drop(open);
    let unknown = ProbabilisticFault::new(Fault::leave_out(["bob"], 70_107), 1.0).unwrap();
    emulator.add_standing(unknown);
    let open = home.open();
    let later = open.accept([add("bob", "new")]);
    open.send_by(client(&emulator));
    open.until_empty();
    let failures = open.failures(None, 10).wait().unwrap();
    let effects: Vec<_> = failures.iter().map(|it| it.line.effect).collect();
    assert_eq!(effects, [Effect::PossiblyApplied; 2]);
    assert!(failures[1].id == later.change(0));
}
