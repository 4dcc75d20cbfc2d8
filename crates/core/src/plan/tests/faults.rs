//! Accounts that are named as at fault: remembered, tried again, failed.

use super::*;

/// Sends all there is, and leaves `u` out of every request of this operation. The requests, in words.
fn run_without_u(rig: &mut Rig, refused: Operation, scope: Scope) -> Vec<String> {
    let mut requests = Vec::new();
    while let Next::Send(batch) = rig.next() {
        rig.plan.admitted(rig.producer, batch.operation());
        requests.push(text(&batch));
        let is_refused = batch.operation() == refused;
        let left_out = is_refused.then(|| left_out("u", scope, None));
        rig.settle(batch, done(left_out.into_iter().collect()));
    }
    requests
}

fn add_remove_add(scope: Scope, remember_rejected: bool) -> (Vec<String>, Vec<String>) {
    let mut rig = Rig::with(|policy| policy.remember_rejected = remember_rejected);
    rig.flush();
    rig.push(add("u", tags(0, 10)));
    rig.push(add("u", ["b"]));
    rig.push(remove("u", ["c"]));
    rig.push(add("u", ["d"]));
    let requests = run_without_u(&mut rig, Operation::Add, scope);
    let outcomes = rig.outcomes();
    rig.is_empty();
    (requests, outcomes)
}

#[test]
fn an_account_at_fault_is_not_sent_again() {
    let (requests, outcomes) = add_remove_add(Scope::Account, true);
    assert_eq!(requests, ["add u:t0,t1,t2,t3,t4,t5,t6,t7,t8,t9"]);
    assert_eq!(
        outcomes,
        [
            "0 Request(\"bad\") not applied [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]",
            "1 PreviouslyRejected(\"bad\") not applied [0]",
            "2 PreviouslyRejected(\"bad\") not applied [0]",
            "3 PreviouslyRejected(\"bad\") not applied [0]",
        ]
    );
}

#[test]
fn an_operation_that_failed_is_not_sent_again_until_another_one_has_changed_the_account() {
    let (requests, outcomes) = add_remove_add(Scope::Request, true);
    assert_eq!(requests[1..], ["remove u:c", "add u:d"]);
    assert_eq!(
        outcomes[1..],
        [
            "1 PreviouslyRejected(\"bad\") not applied [0]",
            "2 done",
            "3 Request(\"bad\") not applied [0]",
        ]
    );
}

#[test]
fn tags_at_fault_and_producers_that_remember_nothing_stop_nothing() {
    for (scope, remember_rejected) in [(Scope::Tag, true), (Scope::Account, false)] {
        let (requests, outcomes) = add_remove_add(scope, remember_rejected);
        assert_eq!(requests[1..], ["add u:b", "remove u:c", "add u:d"]);
        assert_eq!(outcomes[2], "2 done");
    }
}

#[test]
fn two_operations_at_fault_are_both_remembered() {
    let mut rig = Rig::flushing();
    rig.push(add("u", ["a"]));
    rig.push(remove("u", ["b"]));
    rig.push(add("u", ["c"]));
    rig.push(remove("u", ["d"]));
    rig.push(clear("u"));
    rig.push(add("u", ["e"]));
    for _ in 0..2 {
        let batch = rig.take();
        rig.settle(batch, done(vec![left_out("u", Scope::Request, None)]));
    }
    rig.does(["clear u:"]);
    let _ = rig.sends(["add u:e"]);
    assert_eq!(
        rig.outcomes()[2..],
        [
            "2 PreviouslyRejected(\"bad\") not applied [0]",
            "3 PreviouslyRejected(\"bad\") not applied [0]",
            "4 done",
        ]
    );
}

#[test]
fn another_producer_that_changed_the_account_lifts_what_is_remembered_too() {
    let mut rig = Rig::new();
    let other = rig.plan.open(POLICY);
    rig.flush();
    rig.push(add("u", ["a"]));
    let batch = rig.take();
    rig.settle(batch, done(vec![left_out("u", Scope::Request, None)]));
    rig.plan.set_flushing(other);
    rig.push_by(other, remove("u", ["b"]));
    let batch = rig.take_by(other);
    rig.done(batch);
    rig.push(add("u", ["c"]));
    let _ = rig.sends(["add u:c"]);
}

#[test]
fn the_rest_of_a_change_is_not_sent_where_its_account_is_at_fault() {
    let mut rig = Rig::flushing();
    rig.push(add("u", tags(0, 35)));
    rig.push(add("v", tags(0, 11)));
    let (first, second) = (rig.take(), rig.take());
    rig.settle(second, done(vec![left_out("u", Scope::Account, None)]));
    rig.settle(first, done(vec![]));
    let undone: Vec<usize> = (10..35).collect();
    assert_eq!(
        rig.outcomes(),
        [
            format!("0 Request(\"bad\") not applied {undone:?}"),
            "1 done".to_owned()
        ]
    );
    rig.waits();
    rig.is_empty();
}

#[test]
fn undone_tags_stand_in_ascending_order_whichever_request_failed_first() {
    let mut rig = Rig::flushing();
    rig.push(add("u", tags(0, 12)));
    let (first, second) = (rig.take(), rig.take());
    rig.fails(second, "late", Effect::NotApplied);
    rig.fails(first, "lost", Effect::PossiblyApplied);
    let undone: Vec<usize> = (0..12).collect();
    assert_eq!(
        rig.outcomes(),
        [format!("0 Request(\"late\") possibly applied {undone:?}")]
    );
}

#[test]
fn who_is_left_out_is_tried_again_at_its_time_and_the_tries_are_counted() {
    let mut rig = Rig::flushing();
    for user in ["u", "v", "w"] {
        rig.push(add(user, ["a"]));
    }
    let first = rig.take();
    assert_eq!(first.tries(), 0);
    let again = vec![
        left_out("u", Scope::Request, Some(ms(1_200))),
        left_out("w", Scope::Request, Some(ms(1_300))),
    ];
    rig.settle(first, done(again));
    assert_eq!(rig.outcomes(), ["1 done"]);
    rig.waits_until(ms(1_300));
    rig.now = ms(1_300);
    let [again] = rig.sends(["add u:a w:a"]);
    assert_eq!(again.tries(), 1);
    rig.settle(
        again,
        done(vec![left_out("w", Scope::Request, Some(rig.now))]),
    );
    let [again] = rig.sends(["add w:a"]);
    assert_eq!(again.tries(), 2);
    rig.settle(again, done(vec![left_out("w", Scope::Request, None)]));
    assert_eq!(
        rig.outcomes(),
        ["0 done", "2 Request(\"bad\") not applied [0]"]
    );
    rig.is_empty();
}

#[test]
fn an_account_left_out_for_tags_is_split_from_those_who_share_its_slot() {
    let mut rig = Rig::flushing();
    rig.push(add("u", ["good"]));
    rig.push(add("u", ["bad"]));
    rig.push(add("v", ["good"]));
    let [batch] = rig.sends(["add u:good,bad v:good"]);
    rig.settle(batch, done(vec![left_out("u", Scope::Tag, None)]));
    let [bad, good] = rig.sends(["add u:bad", "add u:good"]);
    rig.done(good);
    rig.settle(bad, done(vec![left_out("u", Scope::Tag, None)]));
    assert_eq!(
        rig.outcomes(),
        ["2 done", "0 done", "1 Request(\"bad\") not applied [0]"]
    );
    assert_eq!(rig.plan.searched(rig.producer).0, 1);
    rig.is_empty();
}
