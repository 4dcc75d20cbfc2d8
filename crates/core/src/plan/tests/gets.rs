//! Gets: they share requests and slots as changes do, and have no order with changes.

use std::sync::Arc;

use super::service::run;
use super::*;
use crate::answer::AccountTags;

/// The answer to a get: each account with its tags.
fn read<const N: usize>(users: [(&str, &[&str]); N]) -> BatchResult<Failed> {
    let users = users.map(|(account, tags)| AccountTags {
        account: account.to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
    });
    BatchResult::Done {
        left_out: vec![],
        read: users.to_vec(),
    }
}

#[test]
fn gets_of_one_account_share_a_slot_and_each_has_a_copy() {
    let mut rig = Rig::new();
    for _ in 0..12 {
        rig.push(get("u"));
    }
    rig.push(get("v"));
    rig.push(get("w"));
    rig.waits_until(ms(1_010));
    rig.now = ms(1_010);
    let [batch] = rig.sends(["get u: v: w:"]);
    rig.settle(batch, read([("v", &[]), ("u", &["a", "b"])]));
    let each = (0..12).map(|get| format!("{get} read Some([\"a\", \"b\"])"));
    // the answer does not name w
    let others = ["12 read Some([])", "13 read None"].map(str::to_owned);
    let all: Vec<String> = each.chain(others).collect();
    assert_eq!(rig.outcomes(), all);
    rig.is_empty();
}

#[test]
fn a_get_that_comes_while_one_is_in_a_request_is_sent_anew_as_a_change_may_have_been_answered_between()
 {
    let mut rig = Rig::flushing();
    rig.push(get("u"));
    let [first] = rig.sends(["get u:"]);
    rig.push(get("u"));
    rig.waits();
    rig.settle(first, read([("u", &[])]));
    let [second] = rig.sends(["get u:"]);
    rig.settle(second, read([("u", &["a"])]));
    assert_eq!(rig.outcomes(), ["0 read Some([])", "1 read Some([\"a\"])"]);
    rig.is_empty();
}

#[test]
fn gets_wait_for_no_change_and_no_late_window_and_changes_wait_for_no_get() {
    let mut rig = Rig::flushing();
    rig.push(add("u", ["a"]));
    rig.push(remove("u", ["a"]));
    rig.push(get("u"));
    rig.push(clear("u"));
    let [add_u, get_u] = rig.sends(["add u:a", "get u:"]);
    rig.done_late(add_u);
    rig.push(get("v"));
    // its answer is unknown, and yet it can undo nothing
    rig.plan.settle(get_u, read([("u", &["a"])]), true, rig.now);
    let [get_v] = rig.sends(["get v:"]);
    rig.waits_until(ms(3_000));
    rig.push(get("u"));
    let [get_u] = rig.sends(["get u:"]);
    rig.now = ms(3_000);
    let [remove_u] = rig.sends(["remove u:a"]);
    rig.done(remove_u);
    rig.does(["clear u:"]);
    rig.settle(get_u, read([("u", &[])]));
    rig.settle(get_v, read([("v", &[])]));
    assert_eq!(
        rig.outcomes(),
        [
            "0 done",
            "2 read Some([\"a\"])",
            "1 done",
            "3 done",
            "5 read Some([])",
            "4 read Some([])",
        ]
    );
    rig.is_empty();
}

#[test]
fn a_refused_request_is_split_until_only_the_gets_at_fault_fail_and_the_account_then_goes_alone() {
    let mut rig = Rig::with(|policy| policy.remember_rejected = false);
    rig.flush();
    for user in 0..100 {
        rig.push(get(&format!("u{user}")));
    }
    rig.push(get("u77")); // shares the slot
    let is_u77 = |slot: &Slot| slot.account() == "u77";
    let requests = run(&mut rig, Scope::Account, is_u77);
    assert!(requests <= 16, "{requests}");
    let outcomes = rig.outcomes().into_iter();
    let (read, failed): (Vec<_>, Vec<_>) = outcomes.partition(|it| it.contains("read None"));
    assert_eq!(read.len(), 99);
    let refused = ["77", "100"].map(|get| format!("{get} Request(\"bad\") not read []"));
    assert_eq!(failed, refused);

    rig.push(get("u76"));
    rig.push(get("u77"));
    for batch in rig.sends(["get u77:", "get u76:"]) {
        rig.done(batch);
    }
    rig.is_empty();
}

#[test]
fn a_get_whose_caller_is_gone_is_not_sent_again_and_holds_up_nothing() {
    let mut rig = Rig::flushing();
    let gone = rig.push(get("u"));
    rig.push(get("v"));
    let [first] = rig.sends(["get u: v:"]);
    rig.push(get("u"));
    rig.plan.disown(gone);
    rig.settle(first, postponed(Effect::NotRead));
    let [v, later] = rig.sends(["get v:", "get u:"]);
    assert_eq!(rig.outcomes(), ["0 Expired not read []"]);
    rig.done(v);
    rig.done(later);
    assert_eq!(rig.outcomes(), ["1 read None", "2 read None"]);
    rig.is_empty();
}

#[test]
fn a_get_whose_caller_is_gone_in_a_pause_is_settled_at_once() {
    let mut rig = Rig::flushing();
    let gone = rig.push(get("u"));
    let [first] = rig.sends(["get u:"]);
    rig.plan.pause(rig.producer);
    rig.settle(first, postponed(Effect::NotRead));
    rig.waits();
    while rig.plan.next_ready_producer().is_some() {}
    rig.plan.disown(gone);
    assert_eq!(rig.plan.next_ready_producer(), Some(rig.producer));
    rig.waits();
    assert_eq!(rig.outcomes(), ["0 Expired not read []"]);
    rig.is_empty();
}

#[test]
fn a_flush_waits_for_no_second_get_of_a_user_while_another_request_hangs() {
    let mut rig = Rig::new();
    rig.push(add("w", ["a"]));
    rig.push(get("v"));
    let _ = rig.plan.flush(rig.producer);
    let [add_w, get_v] = rig.sends(["add w:a", "get v:"]);
    rig.push(get("u"));
    rig.push(get("u"));
    let _ = rig.plan.flush(rig.producer);
    let [get_u] = rig.sends(["get u:"]);
    for batch in [add_w, get_v, get_u] {
        rig.done(batch);
    }
    assert_eq!(rig.outcomes().len(), 4);
    rig.is_empty();
}

#[test]
fn gets_that_share_a_slot_have_one_list_of_tags() {
    let mut rig = Rig::flushing();
    rig.push(get("u"));
    rig.push(get("u"));
    let [batch] = rig.sends(["get u:"]);
    rig.settle(batch, read([("u", &["a"])]));
    let settled: Vec<_> = rig.plan.take_settled(rig.producer).collect();
    let lists: Vec<_> = settled.iter().map(|it| it.read.as_ref().unwrap()).collect();
    assert!(Arc::ptr_eq(lists[0], lists[1]));
    rig.is_empty();
}

#[test]
fn gets_and_changes_take_nothing_of_each_others_capacity() {
    let mut rig = Rig::with(|policy| policy.capacity = 2);
    let has = |rig: &Rig| {
        [Operation::Add, Operation::Clear, Operation::Get]
            .map(|operation| rig.plan.has_capacity(rig.producer, operation))
    };
    rig.push(get("u"));
    rig.push(add("u", ["a"]));
    rig.push(get("v"));
    assert_eq!(has(&rig), [true, true, false]);
    // they are full, and nothing under way makes space for them
    let [gets] = rig.sends(["get u: v:"]);
    assert_eq!(has(&rig), [true, true, true]);
    rig.push(clear("v"));
    assert_eq!(has(&rig), [false, false, true]);
    let [clear_v] = rig.sends(["clear v:"]);
    assert_eq!(has(&rig), [true, true, true]);
    rig.flush();
    let [add_u] = rig.sends(["add u:a"]);
    for batch in [gets, clear_v, add_u] {
        rig.done(batch);
    }
    assert_eq!(rig.outcomes().len(), 4);
    rig.is_empty();
}
