//! What holds for the changes of one account.

use super::*;

#[test]
fn changes_of_an_account_go_one_after_the_other_in_their_order_across_producers() {
    let mut rig = Rig::with(|policy| policy.linger = Duration::ZERO);
    let (one, other) = (rig.producer, rig.plan.open(POLICY));
    rig.push(add("u", ["a"]));
    rig.push_by(other, remove("u", ["a"]));
    rig.push(clear("u"));
    rig.plan.set_flushing(other);

    let [first] = rig.sends(["add u:a"]);
    assert!(matches!(rig.next_by(other), Next::Wait));
    rig.done(first);
    rig.waits();
    let second = rig.take_by(other);
    assert_eq!(text(&second), "remove u:a");
    rig.waits();
    rig.done(second);
    rig.does(["clear u:"]);

    assert_eq!(rig.outcomes_by(one), ["0 done", "2 done"]);
    assert_eq!(rig.outcomes_by(other), ["1 done"]);
    rig.is_empty();
}

#[test]
fn after_an_attempt_that_may_arrive_late_only_what_it_could_undo_waits_for_the_late_window() {
    for (first, second, waits) in [
        (add("u", ["a"]), remove("u", ["a"]), true),
        (add("u", ["a"]), clear("u"), true),
        (remove("u", ["a"]), add("u", ["a"]), true),
        (clear("u"), add("u", ["a"]), true),
        (add("u", ["a"]), replace("u", ["b"]), true),
        (remove("u", ["a"]), replace("u", ["a"]), true),
        (clear("u"), replace("u", ["a"]), true),
        (replace("u", ["a"]), add("u", ["b"]), true),
        (replace("u", ["a"]), remove("u", ["a"]), true),
        (replace("u", ["a"]), clear("u"), true),
        (replace("u", ["a"]), replace("u", ["b"]), true),
        (add("u", tags(0, 10)), add("u", ["b"]), false),
        (remove("u", tags(0, 10)), clear("u"), false),
        (clear("u"), remove("u", ["b"]), false),
    ] {
        let mut rig = Rig::flushing();
        rig.push(first);
        rig.push(second.clone());
        let batch = rig.take();
        rig.now += ms(500);
        rig.done_late(batch);
        assert_eq!(rig.outcomes(), ["0 done"]);
        if waits {
            rig.waits_until(ms(3_500));
            rig.now = ms(3_499);
            rig.waits_until(ms(3_500));
            rig.now = ms(3_500);
        }
        let batch = rig.take();
        assert_eq!(batch.form, second.operation().into());
        rig.done(batch);
        assert_eq!(rig.outcomes(), ["1 done"]);
        rig.is_empty();
    }
}

#[test]
fn a_late_window_is_remembered_past_later_changes_of_its_kind_and_by_an_account_without_changes() {
    let mut rig = Rig::flushing();
    rig.push(add("u", ["a"]));
    let batch = rig.take();
    rig.done_late(batch);
    rig.now += ms(1_000);
    rig.push(add("u", ["b"]));
    rig.does(["add u:b"]);
    rig.now += ms(500);
    rig.push(remove("u", ["a"]));
    rig.waits_until(ms(3_000));
    rig.now = ms(3_000);
    rig.does(["remove u:a"]);
    assert_eq!(rig.outcomes(), ["0 done", "1 done", "2 done"]);
    rig.is_empty();
}

#[test]
fn the_slots_of_one_change_may_be_under_way_together_and_the_next_change_waits_for_all() {
    let mut rig = Rig::flushing();
    rig.push(add("u", tags(0, 25)));
    rig.push(remove("u", ["t0"]));
    let batches = [(); 3].map(|()| rig.take());
    let slots = batches.each_ref().map(|batch| {
        let tags = batch.slots[0].tags();
        tags.map(str::to_owned).collect::<Vec<_>>()
    });
    assert_eq!(slots, [tags(0, 10), tags(10, 10), tags(20, 5)]);
    for batch in batches {
        rig.waits();
        assert_eq!(rig.outcomes(), [""; 0]);
        rig.done(batch);
    }
    assert_eq!(rig.outcomes(), ["0 done"]);
    let _ = rig.sends(["remove u:t0"]);
}

#[test]
fn neighbours_of_the_same_kind_share_a_slot_up_to_ten_distinct_tags_each_with_its_own_outcome() {
    let mut rig = Rig::new();
    rig.push(add("u", tags(0, 6)));
    rig.push(add("u", tags(3, 6)));
    rig.push(add("u", ["t9", "t0"]));
    rig.push(add("u", ["t10"]));
    rig.push(add("u", ["t0"]));
    let [first] = rig.sends(["add u:t0,t1,t2,t3,t4,t5,t6,t7,t8,t9"]);
    rig.now += ms(10);
    rig.waits();
    rig.done(first);
    assert_eq!(rig.outcomes(), ["0 done", "1 done", "2 done"]);
    rig.does(["add u:t10,t0"]);
    assert_eq!(rig.outcomes(), ["3 done", "4 done"]);
    rig.is_empty();
}

#[test]
fn neighbours_of_another_kind_or_producer_share_no_slot() {
    let mut rig = Rig::new();
    let other = rig.plan.open(POLICY);
    rig.push(add("u", ["a"]));
    rig.push(remove("u", ["b"]));
    rig.push(add("u", ["c"]));
    rig.push_by(other, add("u", ["d"]));
    rig.now += ms(10);
    rig.does(["add u:a", "remove u:b", "add u:c"]);
    assert_eq!(text(&rig.take_by(other)), "add u:d");
}

#[test]
fn a_change_of_many_slots_shares_its_last_one() {
    let mut rig = Rig::flushing();
    rig.push(add("u", tags(0, 12)));
    rig.push(add("u", ["z"]));
    let first = rig.take();
    rig.now += ms(10);
    rig.does(["add u:t10,t11,z"]);
    assert_eq!(rig.outcomes(), ["1 done"]);
    rig.done(first);
    assert_eq!(rig.outcomes(), ["0 done"]);
    rig.is_empty();
}

#[test]
fn after_a_crash_only_an_accounts_second_change_of_another_kind_waits_for_the_late_window() {
    let mut rig = Rig::new();
    rig.plan.after_crash(rig.producer, rig.now);
    rig.flush();
    rig.push(clear("u"));
    rig.push(add("u", ["a"]));
    rig.push(add("v", ["a"]));
    let [clear_u] = rig.sends(["clear u:"]);
    rig.now += ms(500);
    rig.done(clear_u);
    rig.does(["add v:a"]);
    rig.waits_until(ms(3_000));
    rig.now = ms(3_000);
    rig.does(["add u:a"]);
    // from here on it is a run like any other
    rig.push(clear("u"));
    rig.does(["clear u:"]);
    rig.push(add("u", ["b"]));
    rig.does(["add u:b"]);
    assert_eq!(rig.outcomes().len(), 5);
    rig.is_empty();
}

#[test]
fn a_late_window_wakes_only_the_producer_whose_change_waits_for_it() {
    let mut rig = Rig::new();
    let other = rig.plan.open(POLICY);
    rig.flush();
    rig.push(add("u", ["a"]));
    let batch = rig.take();
    rig.done_late(batch);
    // nothing waits for it: it only has to be remembered
    rig.waits();
    rig.push_by(other, remove("u", ["a"]));
    rig.plan.set_flushing(other);
    rig.waits();
    let next = rig.next_by(other);
    assert!(matches!(next, Next::WaitUntil(until) if until == ms(3_000)));
    rig.now = ms(3_000);
    rig.waits();
    let batch = rig.take_by(other);
    rig.done(batch);
    assert_eq!(rig.outcomes_by(other), ["1 done"]);
    rig.is_empty();
}
