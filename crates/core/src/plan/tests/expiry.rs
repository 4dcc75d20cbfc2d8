//! What is to be sent again and is late by then: it fails, and takes neither a turn nor a place in a request.

use super::*;

/// A request of six failed, whose first three are tested. The time of the others is up at 2,000 ms, or where it is named.
fn tested(rig: &mut Rig, later: &[&str]) -> Batch {
    rig.flush();
    for user in ["a", "b", "c", "d", "e", "f"] {
        let deadline = if later.contains(&user) { 9_000 } else { 2_000 };
        rig.push_until(add(user, ["t"]), ms(deadline));
    }
    let [batch] = rig.sends(["add a:t b:t c:t d:t e:t f:t"]);
    rig.settle(batch, bad(Scope::Account));
    let [half] = rig.sends(["add a:t b:t c:t"]);
    half
}

#[test]
fn what_came_back_from_a_split_is_not_sent_when_its_time_is_up() {
    let mut rig = Rig::new();
    let half = tested(&mut rig, &["e"]);
    rig.settle(half, bad(Scope::Account));
    rig.now = ms(2_000);
    rig.push(add("new", ["t"]));
    let [batch] = rig.sends(["add e:t new:t"]);
    rig.done(batch);
    let mut outcomes = rig.outcomes();
    outcomes.sort();
    let expired = [0, 1, 2, 3, 5].map(|at| format!("{at} Expired not applied [0]"));
    let mut expected = expired.to_vec();
    expected.extend(["4 done", "6 done"].map(str::to_owned));
    expected.sort();
    assert_eq!(outcomes, expected);
    rig.is_empty();
}

#[test]
fn a_half_whose_time_is_up_is_not_sent_and_its_other_half_is() {
    let mut rig = Rig::flushing();
    for user in 0..12 {
        let deadline = if user == 6 { Duration::MAX } else { ms(2_000) };
        rig.push_until(add(&format!("u{user}"), ["t"]), deadline);
    }
    let batch = rig.take();
    rig.settle(batch, bad(Scope::Account));
    rig.now = ms(2_000);
    let [batch] = rig.sends(["add u6:t"]);
    assert_eq!(batch.deadline(), Duration::MAX);
    rig.settle(batch, bad(Scope::Account));
    let outcomes = rig.outcomes();
    let expired = outcomes.iter().filter(|it| it.contains("Expired")).count();
    assert_eq!((outcomes.len(), expired), (12, 11));
    assert_eq!(outcomes[11], "6 Request(\"bad\") not applied [0]");
    rig.is_empty();
}

#[test]
fn the_last_of_a_half_whose_others_expired_is_tested_alone() {
    let mut rig = Rig::new();
    let half = tested(&mut rig, &["a", "e"]);
    rig.settle(half, postponed(Effect::PossiblyApplied));
    rig.now = ms(2_000);
    let [half] = rig.sends(["add a:t"]);
    assert_eq!(half.deadline(), ms(9_000));
    rig.done(half);
    assert_eq!(rig.waiting_slots(), [1]);
    let [alone] = rig.sends(["add e:t"]);
    rig.settle(alone, bad(Scope::Account));
    let mut outcomes = rig.outcomes();
    outcomes.sort();
    assert_eq!(
        outcomes,
        [
            "0 done",
            "1 Expired possibly applied [0]",
            "2 Expired possibly applied [0]",
            "3 Expired not applied [0]",
            "4 Request(\"bad\") not applied [0]",
            "5 Expired not applied [0]",
        ]
    );
    rig.is_empty();
}

#[test]
fn what_was_left_out_is_not_sent_again_when_its_time_is_up() {
    let mut rig = Rig::flushing();
    rig.push_until(add("u", ["t"]), ms(2_000));
    let [batch] = rig.sends(["add u:t"]);
    let left_out = left_out("u", Scope::Account, Some(ms(2_500)));
    rig.settle(batch, done(vec![left_out]));
    rig.waits_until(ms(2_500));
    rig.now = ms(2_500);
    rig.waits();
    assert_eq!(rig.outcomes(), ["0 Expired not applied [0]"]);
    rig.is_empty();
}

#[test]
fn all_changes_of_an_account_whose_time_is_up_fail_at_its_turn_and_the_next_one_follows() {
    let mut rig = Rig::with(|policy| policy.remember_rejected = false);
    rig.flush();
    for user in ["u", "v"] {
        rig.push(add(user, ["t"]));
        let batch = rig.take();
        rig.settle(batch, bad(Scope::Account));
    }
    // suspects go alone, and no two of these share a slot
    for at in 0..3 {
        rig.push_until(add("u", tags(10 * at, 10)), ms(2_000));
    }
    rig.push(add("u", ["t"]));
    rig.push(add("v", ["t"]));
    let _ = rig.outcomes();
    rig.now = ms(2_000);
    let [first, _] = rig.sends(["add v:t", "add u:t"]);
    let expired = ["2", "3", "4"].map(|at| {
        format!(
            "{at} Expired not applied {:?}",
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
        )
    });
    assert_eq!(rig.outcomes(), expired);
    rig.done(first);
}
