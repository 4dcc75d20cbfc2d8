//! What holds for the changes of one account.

use super::*;

#[test]
fn changes_of_an_account_go_one_after_the_other_in_their_order_across_sources() {
    let mut rig = Rig::with_policy(BatchPolicy {
        linger: Duration::ZERO,
        ..POLICY
    });
    let (one, other) = (rig.producer, rig.plan.open(POLICY));
    rig.push(change::add("u", ["a"]));
    rig.push_by(other, change::remove("u", ["a"]));
    rig.push(change::clear("u"));
    rig.plan.set_flushing(other, true);

    let [first] = rig.sends(["add u:a"]);
    assert!(matches!(rig.next_by(other), Next::Wait));
    rig.done(first);
    assert!(matches!(rig.next(), Next::Wait));
    let second = rig.take_by(other);
    assert_eq!(text(&second), "remove u:a");
    assert!(matches!(rig.next(), Next::Wait));
    rig.done(second);
    let [third] = rig.sends(["clear u:"]);
    rig.done(third);

    assert_eq!(rig.outcomes_by(one), ["0 done", "2 done"]);
    assert_eq!(rig.outcomes_by(other), ["1 done"]);
    rig.is_empty();
}

#[test]
fn after_an_attempt_that_may_land_the_opposite_waits_for_the_late_window() {
    for (first, second) in [
        (change::add("u", ["a"]), change::remove("u", ["a"])),
        (change::add("u", ["a"]), change::clear("u")),
        (change::remove("u", ["a"]), change::add("u", ["a"])),
        (change::clear("u"), change::add("u", ["a"])),
    ] {
        let mut rig = Rig::new();
        rig.flush();
        rig.push(first);
        rig.push(second.clone());
        let batch = rig.take();
        rig.now += ms(500);
        rig.done_late(batch);
        assert_eq!(rig.outcomes(), ["0 done"]);
        rig.waits_until(ms(3_500));
        rig.now = ms(3_499);
        rig.waits_until(ms(3_500));
        rig.now = ms(3_500);
        let batch = rig.take();
        assert_eq!(batch.operation(), second.operation());
        rig.done(batch);
        assert_eq!(rig.outcomes(), ["1 done"]);
        rig.is_empty();
    }
}

#[test]
fn after_an_attempt_that_may_land_one_of_a_commuting_kind_goes_at_once() {
    for (first, second) in [
        (change::add("u", tags(0, 10)), change::add("u", ["b"])),
        (change::remove("u", tags(0, 10)), change::clear("u")),
        (change::clear("u"), change::remove("u", ["b"])),
    ] {
        let mut rig = Rig::new();
        rig.flush();
        rig.push(first);
        rig.push(second);
        let batch = rig.take();
        rig.done_late(batch);
        let batch = rig.take();
        rig.done(batch);
        assert_eq!(rig.outcomes(), ["0 done", "1 done"]);
        rig.is_empty();
    }
}

#[test]
fn what_may_land_is_remembered_past_later_changes_of_its_kind_and_of_an_account_without_changes() {
    let mut rig = Rig::new();
    rig.flush();
    rig.push(change::add("u", ["a"]));
    let batch = rig.take();
    rig.done_late(batch);
    rig.now += ms(1_000);
    rig.push(change::add("u", ["b"]));
    let batch = rig.take();
    rig.done(batch);
    rig.now += ms(500);
    rig.push(change::remove("u", ["a"]));
    rig.waits_until(ms(3_000));
    rig.now = ms(3_000);
    let batch = rig.take();
    rig.done(batch);
    assert_eq!(rig.outcomes(), ["0 done", "1 done", "2 done"]);
    rig.is_empty();
}

#[test]
fn the_slots_of_one_change_may_be_under_way_together_and_the_next_change_waits_for_all() {
    let mut rig = Rig::new();
    rig.flush();
    rig.push(change::add("u", tags(0, 25)));
    rig.push(change::remove("u", ["t0"]));
    let batches: Vec<Batch> = (0..3).map(|_| rig.take()).collect();
    let state = batches.iter().map(|batch| batch.slots()[0].tags().count());
    assert_eq!(state.collect::<Vec<_>>(), [10, 10, 5]);
    let mut tags: Vec<String> = Vec::new();
    for batch in batches {
        rig.waits();
        assert_eq!(rig.outcomes(), [""; 0]);
        tags.extend(batch.slots()[0].tags().map(str::to_owned));
        rig.done(batch);
    }
    assert_eq!(tags, super::tags(0, 25));
    assert_eq!(rig.outcomes(), ["0 done"]);
    let _ = rig.sends(["remove u:t0"]);
}

#[test]
fn neighbours_of_the_same_kind_share_a_slot_up_to_ten_distinct_tags_each_with_its_own_outcome() {
    let mut rig = Rig::new();
    rig.push(change::add("u", tags(0, 6)));
    rig.push(change::add("u", tags(3, 6)));
    rig.push(change::add("u", ["t9", "t0"]));
    rig.push(change::add("u", ["t10"]));
    rig.push(change::add("u", ["t0"]));
    let [first] = rig.sends(["add u:t0,t1,t2,t3,t4,t5,t6,t7,t8,t9"]);
    rig.now += ms(10);
    rig.waits();
    rig.done(first);
    assert_eq!(rig.outcomes(), ["0 done", "1 done", "2 done"]);
    let [second] = rig.sends(["add u:t10,t0"]);
    rig.done(second);
    assert_eq!(rig.outcomes(), ["3 done", "4 done"]);
    rig.is_empty();
}

#[test]
fn neighbours_of_another_kind_or_source_share_no_slot() {
    let mut rig = Rig::new();
    let other = rig.plan.open(POLICY);
    rig.push(change::add("u", ["a"]));
    rig.push(change::remove("u", ["b"]));
    rig.push(change::add("u", ["c"]));
    rig.push_by(other, change::add("u", ["d"]));
    rig.now += ms(10);
    for words in ["add u:a", "remove u:b", "add u:c"] {
        let [batch] = rig.sends([words]);
        rig.done(batch);
    }
    assert_eq!(text(&rig.take_by(other)), "add u:d");
}

#[test]
fn a_change_of_many_slots_shares_its_last_one() {
    let mut rig = Rig::new();
    rig.flush();
    rig.push(change::add("u", tags(0, 12)));
    rig.push(change::add("u", ["z"]));
    let first = rig.take();
    rig.now += ms(10);
    let [second] = rig.sends(["add u:t10,t11,z"]);
    rig.done(second);
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
    rig.push(change::clear("u"));
    rig.push(change::add("u", ["a"]));
    rig.push(change::add("v", ["a"]));
    let [clear] = rig.sends(["clear u:"]);
    rig.now += ms(500);
    rig.done(clear);
    let [add] = rig.sends(["add v:a"]);
    rig.done(add);
    rig.waits_until(ms(3_000));
    rig.now = ms(3_000);
    let [add] = rig.sends(["add u:a"]);
    rig.done(add);
    // from here on it is a run like any other
    rig.push(change::clear("u"));
    let [clear] = rig.sends(["clear u:"]);
    rig.done(clear);
    rig.push(change::add("u", ["b"]));
    let [add] = rig.sends(["add u:b"]);
    rig.done(add);
    assert_eq!(rig.outcomes().len(), 5);
    rig.is_empty();
}
