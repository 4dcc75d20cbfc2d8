//! How changes end without being sent: out of time, withdrawn, their producer ended.

use super::*;
use crate::request::Request;

const NOT_SENT: &str = "Request(\"ended\") not applied [0]";

#[test]
fn a_change_that_is_out_of_time_is_not_sent() {
    let mut rig = Rig::new();
    rig.push_until(add("u", ["a"]), ms(1_005));
    rig.push(remove("u", ["b"]));
    rig.push_until(add("v", ["a"]), ms(1_011));
    rig.now = ms(1_010);
    let _ = rig.sends(["add v:a", "remove u:b"]);
    assert_eq!(rig.outcomes(), ["0 Expired not applied [0]"]);
}

#[test]
fn nor_is_one_that_would_share_a_slot_or_that_has_many() {
    let mut rig = Rig::new();
    rig.push(add("u", ["a"]));
    rig.push_until(add("u", ["b"]), ms(1_010));
    rig.push(add("u", ["c"]));
    rig.push_until(clear("w"), ms(1_010));
    rig.push_until(remove("v", tags(0, 9)), ms(1_010));
    rig.push_until(remove("x", tags(0, 12)), ms(1_010));
    rig.plan.admitted(rig.producer, Operation::Remove);
    rig.now = ms(1_010);
    let [batch] = rig.sends(["add u:a,c"]);
    let undone: Vec<usize> = (0..12).collect();
    assert_eq!(
        rig.outcomes(),
        [
            "3 Expired not applied []".to_owned(),
            format!("5 Expired not applied {undone:?}"),
            format!("4 Expired not applied {:?}", &undone[..9]),
            "1 Expired not applied [0]".to_owned(),
        ]
    );
    rig.done(batch);
    rig.outcomes();
    rig.is_empty();
}

#[test]
fn a_change_of_which_a_part_was_sent_goes_on_past_its_time() {
    let mut rig = Rig::new();
    rig.push_until(add("u", tags(0, 12)), ms(1_005));
    let first = rig.take();
    rig.done(first);
    rig.now = ms(1_010);
    rig.does(["add u:t10,t11"]);
    assert_eq!(rig.outcomes(), ["0 done"]);
}

#[test]
fn a_withdrawn_change_is_not_sent_and_has_no_outcome() {
    let mut rig = Rig::new();
    let front = rig.push(add("u", ["a"]));
    let blocked = rig.push(remove("u", ["b"]));
    rig.push(remove("u", ["c"]));
    let last = rig.push(add("u", ["d"]));
    for id in [blocked, front, last] {
        assert!(rig.plan.withdraw(id, rig.now));
        assert!(!rig.plan.withdraw(id, rig.now));
    }
    rig.now = ms(1_010);
    rig.does(["remove u:c"]);
    assert_eq!(rig.outcomes(), ["2 done"]);
    rig.is_empty();
}

#[test]
fn a_full_slot_that_is_withdrawn_sends_no_later_change_at_once() {
    let mut rig = Rig::new();
    let full = rig.push(add("u", tags(0, 10)));
    assert!(rig.plan.withdraw(full, rig.now));
    rig.push(add("v", ["a"]));
    rig.waits_until(ms(1_010));
}

#[test]
fn an_end_sends_nothing_more_and_what_is_under_way_goes_on() {
    let mut rig = Rig::new();
    let other = rig.plan.open(POLICY);
    rig.push(add("u", tags(0, 21)));
    rig.push(remove("u", ["a"]));
    rig.push(add("v", ["a"]));
    rig.push_by(other, clear("v"));
    rig.push_by(other, clear("u"));
    let batch = rig.take();
    rig.plan.admitted(rig.producer, Operation::Add);
    rig.push(add("w", ["a"]));
    rig.end();
    rig.waits();
    assert_eq!(
        rig.outcomes(),
        [format!("1 {NOT_SENT}"), format!("5 {NOT_SENT}")]
    );
    assert_eq!(rig.plan.unsettled(rig.producer), 2);
    rig.done(batch);
    let undone: Vec<usize> = (10..21).collect();
    assert_eq!(
        rig.outcomes(),
        [
            format!("0 Request(\"ended\") not applied {undone:?}"),
            "2 done".to_owned()
        ]
    );
    // what others have for the same accounts goes on
    rig.now = ms(1_010);
    let batch = rig.take_by(other);
    assert_eq!(text(&batch), "clear u: v:");
    rig.done(batch);
    rig.plan.close(rig.producer);
    rig.producer = other;
    rig.is_empty();
}

#[test]
fn an_end_fails_halves_that_wait_with_what_they_may_have_done() {
    let mut rig = Rig::flushing();
    rig.push(add("u", ["a"]));
    rig.push(add("v", ["a"]));
    let batch = rig.take();
    let possibly = Failed {
        effect: Effect::PossiblyApplied,
        ..fault(Scope::Account)
    };
    rig.settle(batch, BatchResult::Ambiguous(possibly));
    let half = rig.take();
    rig.end();
    assert_eq!(
        rig.outcomes(),
        ["1 Request(\"ended\") possibly applied [0]"]
    );
    rig.settle(half, bad(Scope::Account));
    assert_eq!(rig.outcomes(), ["0 Request(\"bad\") possibly applied [0]"]);
    rig.is_empty();
}

#[test]
fn after_an_end_nothing_is_split_and_nothing_is_tried_again() {
    const U: &str = "0 Request(\"bad\") not applied [0]";
    const V: &str = "1 Request(\"bad\") not applied [0]";
    let left_out = left_out("v", Scope::Tag, Some(ms(9_000)));
    for (result, outcomes) in [
        (done(vec![left_out]), ["0 done", V]),
        (bad(Scope::Account), [U, V]),
    ] {
        let mut rig = Rig::flushing();
        rig.push(add("u", ["a"]));
        rig.push(add("v", ["a"]));
        rig.push(clear("v"));
        let batch = rig.take();
        rig.end();
        assert_eq!(rig.outcomes(), ["2 Request(\"ended\") not applied []"]);
        rig.settle(batch, result);
        rig.waits();
        assert_eq!(rig.outcomes(), outcomes);
        assert_eq!(rig.plan.searched(rig.producer).0, 0);
        rig.is_empty();
    }
}

#[test]
fn a_change_that_is_pushed_after_the_end_is_not_sent() {
    let mut rig = Rig::new();
    rig.end();
    rig.push(add("u", ["a"]));
    assert_eq!(rig.outcomes(), [format!("0 {NOT_SENT}")]);
    rig.is_empty();
}

#[test]
fn producers_are_ready_for_what_concerns_them_and_only_once() {
    let mut rig = Rig::new();
    let other = rig.plan.open(POLICY);
    let ready = |rig: &mut Rig| {
        let ready = std::iter::from_fn(|| rig.plan.next_ready_producer());
        ready.collect::<Vec<_>>()
    };
    rig.push(add("u", ["a"]));
    assert_eq!(ready(&mut rig), [rig.producer]);
    assert_eq!(ready(&mut rig), []);
    // it may have reached its capacity
    rig.push_by(other, remove("u", ["a"]));
    assert_eq!(ready(&mut rig), [other]);
    rig.now = ms(1_010);
    let batch = rig.take();
    // it is to look when the late window is over
    rig.done_late(batch);
    assert_eq!(ready(&mut rig), [rig.producer, other]);
    rig.now = ms(3_010);
    rig.waits();
    assert_eq!(ready(&mut rig), []);
    assert_eq!(rig.plan.poll(other, rig.now), Readiness::Ready);
    assert_eq!(ready(&mut rig), [other]);
    rig.plan
        .end(other, failed("ended", Effect::NotApplied), rig.now);
    assert_eq!(ready(&mut rig), [other]);
}

#[test]
fn a_disowned_change_is_counted_no_more_and_keeps_its_place_before_the_next_one() {
    let mut rig = Rig::new();
    let first = rig.push(add("u", ["a"]));
    rig.flush();
    let batch = rig.take();
    let flush = rig.plan.flush(rig.producer);
    rig.push(remove("u", ["a"]));
    rig.plan.disown(first);
    rig.plan.disown(first);
    assert!(rig.plan.is_flushed(rig.producer, flush));
    assert_eq!(rig.plan.unsettled(rig.producer), 1);
    rig.waits();
    rig.settle(batch, done(vec![]));
    assert_eq!(rig.outcomes(), ["0 done"]);
    assert_eq!(rig.plan.unsettled(rig.producer), 1);
    let batch = rig.take();
    assert_eq!(text(&batch), "remove u:a");
    rig.settle(batch, done(vec![]));
    assert_eq!(rig.outcomes(), ["1 done"]);
    rig.is_empty();
}

/// The request as it is sent at its turn, and whether anything is.
fn sent(rig: &mut Rig, batch: &Batch) -> Option<String> {
    let recalled = rig.plan.sends(batch);
    let body = batch.request_without(&Rules::default(), &recalled);
    let json = String::from_utf8(body.json().to_vec()).unwrap();
    (!recalled.is_all()).then_some(json)
}

#[test]
fn until_its_turn_a_change_is_recalled_from_its_request_and_the_others_are_sent() {
    let mut rig = Rig::new();
    let alone = rig.push(add("u", ["a"]));
    let shares = rig.push(add("v", ["b"]));
    rig.push(add("v", ["c"]));
    rig.push(add("w", tags(0, 2)));
    rig.now = ms(1_010);
    let batch = rig.form();
    let next = rig.push(remove("u", ["a"]));
    for id in [alone, shares] {
        assert!(rig.plan.recall(id));
        assert!(!rig.plan.recall(id) && !rig.plan.withdraw(id, rig.now));
        assert!(rig.plan.get_mut(id).is_none());
    }
    assert!(!rig.plan.recall(next), "it is in no request");
    assert_eq!(rig.plan.unsettled(rig.producer), 3);
    assert_eq!(
        sent(&mut rig, &batch).unwrap(),
        r#"{"UserTags":[{"To_Account":"v","Tags":["c"]},{"To_Account":"w","Tags":["t0","t1"]}]}"#
    );
    rig.done(batch);
    assert_eq!(rig.outcomes(), ["2 done", "3 done"]);
    rig.now = ms(1_030);
    rig.does(["remove u:a"]);
    assert_eq!(rig.outcomes(), ["4 done"]);
    rig.is_empty();
}

#[test]
fn of_a_request_that_is_recalled_as_a_whole_nothing_is_sent_and_nothing_is_left() {
    let mut rig = Rig::new();
    let all = ["u", "v"].map(|account| rig.push(add(account, tags(0, 12))));
    let batch = rig.form();
    rig.now = ms(1_010);
    for id in all {
        assert!(rig.plan.recall(id), "its other slot lingers");
    }
    assert_eq!(sent(&mut rig, &batch), None);
    rig.plan.settle(
        batch,
        BatchResult::Failed(Failed::expired()),
        false,
        rig.now,
    );
    assert!(rig.outcomes().is_empty());
    rig.is_empty();
}

#[test]
fn a_change_that_was_sent_or_whose_request_is_over_is_not_recalled() {
    let mut rig = Rig::new();
    let id = rig.push(add("u", ["a"]));
    rig.now = ms(1_010);
    let batch = rig.form();
    assert!(sent(&mut rig, &batch).is_some());
    assert!(!rig.plan.recall(id));
    // one that had no turn, and goes again
    let result = BatchResult::Postponed {
        effect: Effect::NotApplied,
        again_at: rig.now,
    };
    rig.plan.settle(batch, result, false, rig.now);
    assert!(!rig.plan.recall(id));
    rig.does(["add u:a"]);
    assert_eq!(rig.outcomes(), ["0 done"]);
    rig.is_empty();
}
