//! Replaces: adds to the service, in requests of their own.

use super::*;
use crate::request::Request;

/// With a producer that flushes, and with this many replaces and adds of users of their own.
fn with_users(replaces: usize, adds: usize) -> Rig {
    let mut rig = Rig::flushing();
    for user in 0..replaces {
        rig.push(replace(&format!("r{user}"), ["new"]));
    }
    rig.push_users("u", 0..adds);
    rig
}

#[test]
fn a_replace_goes_behind_its_accounts_earlier_changes_and_before_the_later_ones_of_any_producer() {
    let mut rig = Rig::flushing();
    let other = rig.plan.open(POLICY);
    rig.plan.set_flushing(other);
    rig.push(add("u", ["a"]));
    rig.push(add("u", ["b"]));
    rig.push_by(other, replace("u", ["c"]));
    rig.push(add("u", ["d"]));
    rig.push(replace("u", ["e"]));
    rig.push(replace("u", ["e"]));
    rig.push(remove("u", ["e"]));

    let [first] = rig.sends(["add u:a,b"]);
    assert!(matches!(rig.next_by(other), Next::Wait));
    rig.done(first);
    rig.waits();
    let second = rig.take_by(other);
    assert_eq!(text(&second), "replace u:c");
    rig.waits();
    rig.done(second);
    // two of one user are two requests, also where they are equal
    rig.does(["add u:d", "replace u:e", "replace u:e", "remove u:e"]);
    assert_eq!(rig.outcomes_by(other), ["2 done"]);
    assert_eq!(rig.outcomes().len(), 6);
    rig.is_empty();
}

#[test]
fn a_request_replaces_the_tags_of_all_its_users_or_of_none() {
    let mut rig = with_users(2, 2);
    let [adds, replaces] = rig.sends(["add u0:a u1:a", "replace r0:new r1:new"]);
    let rules = Rules::default();
    let json = |batch: &Batch| String::from_utf8(batch.request(&rules).json().to_vec()).unwrap();
    assert_eq!(
        json(&replaces),
        r#"{"UserTags":[{"To_Account":"r0","Tags":["new"]},{"To_Account":"r1","Tags":["new"]}],"Replace":1}"#
    );
    assert!(!json(&adds).contains("Replace"));
    assert_eq!(replaces.operation(), Operation::Add);
    for batch in [adds, replaces] {
        rig.done(batch);
    }
    assert_eq!(rig.outcomes(), ["2 done", "3 done", "0 done", "1 done"]);
    rig.is_empty();
}

#[test]
fn a_hundred_tags_of_a_user_go_in_one_request_and_fail_as_one() {
    let mut rig = Rig::flushing();
    rig.push(replace("u", tags(0, 100)));
    rig.push(replace("v", ["a"]));
    let batch = rig.take();
    let slots = batch.slots.iter().map(|slot| slot.tags().count());
    assert_eq!(slots.collect::<Vec<_>>(), [100, 1]);
    rig.fails(batch, "lost", Effect::PossiblyApplied);
    let all: Vec<usize> = (0..100).collect();
    assert_eq!(
        rig.outcomes(),
        [
            format!("0 Request(\"lost\") possibly applied {all:?}"),
            "1 Request(\"lost\") possibly applied [0]".to_owned(),
        ]
    );
    rig.is_empty();
}

#[test]
fn a_request_of_replaces_takes_a_hundred_users() {
    let mut rig = with_users(101, 0);
    assert_eq!(
        [rig.take(), rig.take()].map(|batch| batch.users()),
        [100, 1]
    );
}

#[test]
fn replaces_linger_for_others_however_many_tags_they_have() {
    let mut rig = Rig::new();
    rig.push(replace("u", tags(0, 100)));
    rig.push(replace("u", ["a"]));
    rig.waits_until(ms(1_010));
    rig.now = ms(1_005);
    rig.push(replace("v", ["a"]));
    rig.waits_until(ms(1_010));
    rig.now = ms(1_010);
    assert_eq!(rig.take().users(), 2);
}

#[test]
fn one_that_was_refused_is_found_among_others() {
    let mut rig = with_users(100, 0);
    let is_bad = |slot: &Slot| slot.account() == "r42";
    // one of all, both halves of the last three, and one of each half before
    assert!((8..=16).contains(&service::run(&mut rig, Scope::Request, is_bad)));
    let outcomes = rig.outcomes();
    let failed: Vec<&String> = outcomes.iter().filter(|it| !it.ends_with("done")).collect();
    assert_eq!(outcomes.len(), 100);
    assert_eq!(failed, ["42 Request(\"bad\") not applied [0]"]);
    rig.is_empty();
}

#[test]
fn a_refusal_to_replace_keeps_no_add_back_and_one_that_is_done_lifts_what_is_remembered() {
    let mut rig = Rig::flushing();
    let refuse = |rig: &mut Rig, words| {
        let [batch] = rig.sends([words]);
        rig.settle(batch, done(vec![left_out("u", Scope::Request, None)]));
    };
    rig.push(replace("u", ["a"]));
    refuse(&mut rig, "replace u:a");
    rig.push(replace("u", ["b"]));
    rig.push(add("u", ["c"]));
    refuse(&mut rig, "add u:c");
    rig.push(add("u", ["d"]));
    rig.push(clear("u"));
    rig.does(["clear u:"]);
    rig.push(add("u", ["e"]));
    refuse(&mut rig, "add u:e");
    rig.push(replace("u", ["f"]));
    rig.does(["replace u:f"]);
    rig.push(add("u", ["g"]));
    rig.does(["add u:g"]);
    assert_eq!(
        rig.outcomes(),
        [
            "0 Request(\"bad\") not applied [0]",
            "1 PreviouslyRejected(\"bad\") not applied [0]",
            "2 Request(\"bad\") not applied [0]",
            "3 PreviouslyRejected(\"bad\") not applied [0]",
            "4 done",
            "5 Request(\"bad\") not applied [0]",
            "6 done",
            "7 done",
        ]
    );
    rig.is_empty();
}

#[test]
fn adds_and_replaces_share_what_an_operation_has_under_way() {
    let mut rig = Rig::with(|policy| {
        policy.linger = Duration::ZERO;
        policy.requests_at_once = 2;
    });
    rig.push(add("u", ["a"]));
    let first = rig.form();
    // one awaits its turn in the quota, which both have
    rig.push(replace("v", ["a"]));
    rig.waits();
    rig.plan.admitted(rig.producer, Operation::Add);
    let _second = rig.sends(["replace v:a"]);
    rig.push(add("w", ["a"]));
    rig.push(replace("x", ["a"]));
    rig.waits();
    rig.push(remove("y", ["a"]));
    let _ = rig.sends(["remove y:a"]);
    rig.done(first);
    let _third = rig.take();
    rig.waits();
}

#[test]
fn adds_and_replaces_take_turns_whatever_goes_between() {
    let mut rig = Rig::with(|policy| policy.capacity = 10_000);
    rig.flush();
    for user in 0..400 {
        rig.push(add(&format!("u{user}"), ["a"]));
        rig.push(replace(&format!("r{user}"), ["a"]));
        rig.push(get(&format!("g{user}")));
    }
    let mut forms = Vec::new();
    for _ in 0..4 {
        // an add's operation awaits its turn while the get goes
        let both = [rig.form(), rig.form()];
        forms.extend(both.iter().map(|it| it.form).filter(|it| *it != Form::Get));
        for batch in both {
            rig.plan.admitted(rig.producer, batch.operation());
            rig.done(batch);
        }
    }
    assert_eq!(forms, [Form::Add, Form::Replace].repeat(2));
}

#[test]
fn a_replace_is_taken_back_or_expires_whole() {
    let mut rig = Rig::flushing();
    let first = rig.push(replace("u", tags(0, 100)));
    rig.push_until(replace("u", ["a", "b"]), ms(1_001));
    rig.push(add("u", ["c"]));
    assert!(rig.plan.withdraw(first, rig.now));
    rig.now = ms(1_001);
    rig.does(["add u:c"]);
    assert_eq!(rig.outcomes(), ["1 Expired not applied [0, 1]", "2 done"]);
    rig.is_empty();
}
