//! When what a producer has is enough for a request.

use super::service::run;
use super::*;

/// Only a hundred users or flushing make a request.
const BULK: BatchPolicy = BatchPolicy {
    linger: Duration::MAX,
    full_slot_is_enough: false,
    ..POLICY
};

#[test]
fn a_hundred_users_are_a_request_and_ninety_nine_are_none() {
    let mut rig = Rig::with_policy(BULK);
    rig.push_users("u", 0..99);
    rig.waits();
    rig.push_users("u", 99..250);
    assert_eq!([rig.take(), rig.take()].map(|it| it.slots.len()), [100; 2]);
    rig.waits();
    assert_eq!(rig.plan.unsettled(rig.producer), 250);
}

#[test]
fn a_change_lingers_for_company_and_no_longer() {
    let mut rig = Rig::new();
    rig.push(add("u", ["a"]));
    rig.waits_until(ms(1_010));
    rig.now = ms(1_006);
    rig.push(add("v", ["a"]));
    rig.waits_until(ms(1_010));
    rig.now = ms(1_010);
    let _ = rig.sends(["add u:a v:a"]);
}

#[test]
fn who_is_left_after_a_full_request_lingers_anew() {
    let mut rig = Rig::new();
    rig.push_users("u", 0..1);
    rig.now = ms(1_009);
    rig.push_users("u", 1..150);
    assert_eq!(rig.take().slots.len(), 100);
    rig.waits_until(ms(1_019));
    rig.now = ms(1_019);
    assert_eq!(rig.take().slots.len(), 50);
}

#[test]
fn the_further_slots_of_who_has_lingered_do_not_linger_again() {
    let mut rig = Rig::with(|policy| policy.full_slot_is_enough = false);
    rig.push(add("u", tags(0, 25)));
    rig.waits_until(ms(1_010));
    rig.now = ms(1_010);
    let sizes = [(); 3].map(|()| rig.take().slots[0].tags().count());
    assert_eq!(sizes, [10, 10, 5]);
    rig.waits();
}

#[test]
fn a_full_slot_is_enough_where_the_policy_says_so() {
    for enough in [false, true] {
        let mut rig = Rig::with(|policy| policy.full_slot_is_enough = enough);
        rig.push(add("u", tags(0, 9)));
        rig.push(add("v", ["a"]));
        rig.push(add("u", tags(0, 9)));
        rig.waits_until(ms(1_010));
        rig.push(add("u", tags(9, 1)));
        if enough {
            let _ = rig.sends(["add u:t0,t1,t2,t3,t4,t5,t6,t7,t8,t9 v:a"]);
        } else {
            rig.waits_until(ms(1_010));
        }
    }
}

#[test]
fn every_full_slot_of_a_change_goes_at_once_and_the_rest_lingers() {
    let mut rig = Rig::new();
    rig.push(add("u", tags(0, 25)));
    let sizes = [(); 2].map(|()| rig.take().slots[0].tags().count());
    assert_eq!(sizes, [10, 10]);
    rig.waits_until(ms(1_010));
}

#[test]
fn a_slot_that_filled_up_behind_its_account_goes_as_soon_as_its_turn_comes() {
    let mut rig = Rig::with(|policy| policy.linger = ms(60_000));
    rig.push(add("u", tags(0, 10)));
    let first = rig.take();
    for tag in tags(10, 10) {
        rig.push(add("u", [tag]));
    }
    rig.waits();
    rig.done(first);
    let _ = rig.sends(["add u:t10,t11,t12,t13,t14,t15,t16,t17,t18,t19"]);
}

#[test]
fn what_is_queued_is_in_no_request_and_the_oldest_has_no_outcome() {
    let mut rig = Rig::with_policy(BULK);
    let figures = |rig: &Rig| {
        let (plan, producer) = (&rig.plan, rig.producer);
        (plan.queued(producer), plan.oldest(producer))
    };
    assert_eq!(figures(&rig), (0, None));
    rig.push_users("u", 0..1);
    rig.now = ms(1_500);
    rig.push_users("u", 1..3);
    assert_eq!(figures(&rig), (3, Some(ms(1_000))));
    rig.flush();
    let batch = rig.take();
    assert_eq!(batch.users(), 3);
    rig.now = ms(2_000);
    rig.push_users("u", 2..4);
    assert_eq!(figures(&rig), (2, Some(ms(1_000))));
    rig.done(batch);
    assert_eq!(figures(&rig), (2, Some(ms(2_000))));
    let others = rig.plan.open(BULK);
    assert_eq!(
        (rig.plan.queued(others), rig.plan.oldest(others)),
        (0, None)
    );
}

#[test]
fn flushing_sends_what_is_there_and_what_comes_later() {
    let mut rig = Rig::with_policy(BULK);
    rig.push_users("u", 0..2);
    rig.flush();
    let _ = rig.sends(["add u0:a u1:a"]);
    rig.push_users("u", 2..3);
    let _ = rig.sends(["add u2:a"]);
}

#[test]
fn what_came_before_a_flush_lingers_no_more_and_what_comes_later_does() {
    let mut rig = Rig::with_policy(BULK);
    rig.push_users("u", 0..1);
    let _ = rig.plan.flush(rig.producer);
    rig.push_users("u", 1..2); // shares what is sent anyway
    rig.does(["add u0:a u1:a"]);
    rig.push_users("u", 2..3);
    rig.waits();
    rig.push(remove("u2", ["a"]));
    let _ = rig.plan.flush(rig.producer);
    rig.push_users("u", 3..4);
    rig.push(remove("u3", ["a"]));
    // also the remove, which had to wait for its account; that of u3 came later
    rig.does(["add u2:a u3:a", "remove u2:a u3:a"]);
    rig.push(remove("u4", ["a"]));
    rig.waits();
}

#[test]
fn what_came_before_a_flush_waits_for_no_other_request_and_for_nothing_that_is_blocked() {
    let mut rig = Rig::with_policy(BULK);
    rig.push_users("u", 0..1);
    let _ = rig.plan.flush(rig.producer);
    let [hangs] = rig.sends(["add u0:a"]);
    rig.push(add("u1", ["a"]));
    rig.push(add("u1", ["b"])); // stands behind the first
    rig.push(add("u0", ["b"])); // waits for the request that hangs
    rig.waits();
    let _ = rig.plan.flush(rig.producer);
    rig.push(add("u0", ["c"]));
    rig.does(["add u1:a,b"]);
    // what came later lingers, while nothing before the flush can be sent
    rig.push(add("u2", ["a"]));
    rig.waits();
    rig.done(hangs);
    rig.does(["add u2:a u0:b,c"]);
    rig.is_empty();
}

#[test]
fn what_is_taken_back_after_a_flush_leaves_nothing_of_it() {
    let mut rig = Rig::with_policy(BULK);
    let first = rig.push(add("u0", ["a"]));
    let _ = rig.plan.flush(rig.producer);
    assert!(rig.plan.withdraw(first, rig.now));
    rig.push_users("u", 1..2);
    rig.waits();
}

#[test]
fn flushing_waits_for_blocked_changes_while_anything_is_under_way() {
    let mut rig = Rig::with_policy(BULK);
    rig.flush();
    rig.push_users("u", 0..1);
    let first = rig.take();
    rig.push_users("u", 0..2);
    rig.waits();
    rig.done(first);
    let _ = rig.sends(["add u1:a u0:a"]);
}

#[test]
fn flushing_does_not_wait_for_a_late_window_or_for_a_retry_that_is_not_due() {
    let mut rig = Rig::with_policy(BULK);
    rig.flush();
    rig.push(add("u", ["a"]));
    rig.push(add("v", ["a"]));
    rig.push(remove("v", ["a"]));
    rig.push(add("u", ["b"]));
    let first = rig.take();
    assert_eq!(text(&first), "add u:a,b v:a");
    rig.push(add("u", ["c"]));
    let again = left_out("u", Scope::Request, Some(ms(60_000)));
    rig.plan.settle(first, done(vec![again]), true, rig.now);
    // u's next add and v's removal wait; w is not made to wait with them
    rig.push(add("w", ["a"]));
    rig.does(["add w:a"]);
    rig.push(remove("w", ["a"]));
    rig.does(["remove w:a"]);
    rig.now = ms(3_000);
    let _ = rig.sends(["remove v:a"]);
    rig.waits_until(ms(60_000));
}

#[test]
fn at_its_capacity_with_nothing_under_way_a_producer_sends_what_it_has() {
    let mut rig = Rig::with_policy(BatchPolicy {
        capacity: 3,
        ..BULK
    });
    rig.push_users("u", 0..2);
    rig.waits();
    rig.push_users("u", 2..3);
    let [batch] = rig.sends(["add u0:a u1:a u2:a"]);
    rig.push_users("u", 3..6);
    rig.waits();
    rig.done(batch);
    let _ = rig.sends(["add u3:a u4:a u5:a"]);
}

#[test]
fn one_request_of_an_operation_awaits_its_turn_and_others_gather_meanwhile() {
    let mut rig = Rig::with(|policy| policy.linger = Duration::ZERO);
    rig.push_users("u", 0..1);
    let first = rig.form();
    rig.push_users("u", 1..2);
    rig.waits();
    rig.push_users("u", 2..3);
    rig.push(remove("v", ["a"]));
    let _ = rig.sends(["remove v:a"]);
    rig.plan.admitted(rig.producer, Operation::Add);
    let _ = rig.sends(["add u1:a u2:a"]);
    rig.done(first);
    // one that is settled before its turn awaits it no more
    rig.push_users("u", 3..4);
    let second = rig.form();
    rig.push_users("u", 4..5);
    rig.waits();
    rig.fails(second, "cancelled", Effect::NotApplied);
    let third = rig.form();
    // a batch that was admitted does not end the wait of the next one when it is settled
    rig.plan.admitted(rig.producer, Operation::Add);
    rig.push_users("u", 5..7);
    let fourth = rig.form();
    rig.push_users("u", 7..8);
    rig.done(third);
    rig.waits();
    rig.done(fourth);
}

#[test]
fn no_more_requests_are_under_way_than_at_once_and_one_at_least() {
    for (requests_at_once, most) in [(0, 1), (1, 1), (2, 2)] {
        let mut rig = Rig::with_policy(BatchPolicy {
            requests_at_once,
            linger: Duration::ZERO,
            ..POLICY
        });
        for user in 0..most {
            rig.push(add(&format!("u{user}"), ["a"]));
            let _ = rig.take();
        }
        rig.push(add("next", ["a"]));
        rig.waits();
        // each operation by itself
        rig.push(get("next"));
        let _ = rig.sends(["get next:"]);
    }
}

#[test]
fn long_and_short_users_need_as_many_requests_as_the_lower_bound_says() {
    let mut rig = Rig::with_policy(BULK);
    for user in 0..300 {
        rig.push(add(&format!("u{user}"), tags(0, 1 + user % 40)));
    }
    rig.flush();
    // 730 slots, and no user has more than 4
    assert_eq!(run(&mut rig, Scope::Request, |_| false), 8);
    assert_eq!(rig.outcomes().len(), 300);
    rig.is_empty();
}

#[test]
fn at_the_end_an_add_waits_for_those_that_a_remove_holds_up() {
    let mut rig = Rig::with_policy(BULK);
    rig.push(add("u", ["a"]));
    rig.push(remove("v", ["b"]));
    rig.push(add("v", ["a"]));
    rig.flush();
    rig.does(["remove v:b"]);
    let _ = rig.sends(["add u:a v:a"]);
}

#[test]
fn what_waits_to_be_sent_again_counts_towards_the_capacity() {
    let mut rig = Rig::with(|policy| policy.capacity = 10);
    rig.flush();
    let again = |rig: &mut Rig, users: usize| {
        rig.push_users("u", 0..users);
        let batch = rig.take();
        assert!(rig.plan.has_capacity(rig.producer, Operation::Add));
        rig.settle(batch, postponed(Effect::NotApplied));
    };
    again(&mut rig, 10);
    assert!(!rig.plan.has_capacity(rig.producer, Operation::Add));
    let batch = rig.take();
    rig.done(batch);
    assert!(rig.plan.has_capacity(rig.producer, Operation::Add));
    // of a hot account eight count, and with all others there are at most eight times as many
    again(&mut rig, 1);
    for _ in 0..78 {
        rig.push(clear("hot"));
    }
    assert!(rig.plan.has_capacity(rig.producer, Operation::Add));
    rig.push(clear("hot"));
    assert!(!rig.plan.has_capacity(rig.producer, Operation::Add));
}
