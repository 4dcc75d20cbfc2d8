//! Accounts that passed lately, while faults are found.

use super::super::batch::Kind;
use super::*;

/// A batcher that has found a fault. These accounts have passed since.
fn with_proven(accounts: usize) -> Rig {
    let mut rig = Rig::with_policy(BatchPolicy {
        remember_rejected: false,
        capacity: 100_000,
        ..POLICY
    });
    rig.push(add("bad", ["a"]));
    rig.now += POLICY.linger;
    let batch = rig.take();
    rig.settle(batch, bad(Scope::Account));
    rig.push_users("p", 0..accounts);
    rig.now += POLICY.linger;
    while let Next::Send(batch) = rig.next() {
        rig.plan.admitted(rig.producer, batch.operation());
        rig.done(batch);
    }
    let _ = rig.outcomes();
    rig
}

/// The next request is to be of these words, and is done or fails.
#[track_caller]
fn answers(rig: &mut Rig, words: &str, passes: bool) {
    let batch = rig.take();
    assert_eq!(text(&batch), words);
    if passes {
        rig.done(batch);
    } else {
        rig.settle(batch, bad(Scope::Account));
    }
}

#[test]
fn proven_users_ride_with_fresh_ones_and_go_again_where_one_of_these_is_at_fault() {
    let mut rig = with_proven(3);
    rig.push_users("p", 0..2);
    rig.push_users("u", 0..2);
    rig.now += POLICY.linger;
    answers(&mut rig, "add u0:a u1:a p0:a p1:a", false);
    // these two are told apart, and the proven ones go again without them
    answers(&mut rig, "add u0:a", false);
    answers(&mut rig, "add u1:a", true);
    answers(&mut rig, "add p0:a p1:a", true);
    let mut outcomes = rig.outcomes();
    outcomes.sort();
    let failed = "6 Request(\"bad\") not applied [0]";
    assert_eq!(outcomes, ["4 done", "5 done", failed, "7 done"]);
    rig.waits();
    rig.is_empty();
}

#[test]
fn a_single_fresh_user_among_proven_ones_is_tested_alone_before_it_is_rejected() {
    let mut rig = with_proven(3);
    rig.push_users("p", 0..2);
    rig.push_users("u", 0..1);
    rig.now += POLICY.linger;
    answers(&mut rig, "add u0:a p0:a p1:a", false);
    answers(&mut rig, "add u0:a", true);
    // so it was one of those
    answers(&mut rig, "add p0:a p1:a", false);
    answers(&mut rig, "add p0:a", true);
    answers(&mut rig, "add p1:a", false);
    let failed = rig
        .outcomes()
        .into_iter()
        .filter(|it| !it.ends_with("done"));
    assert_eq!(
        Vec::from_iter(failed),
        ["5 Request(\"bad\") not applied [0]"]
    );
    rig.waits();
    rig.is_empty();
}

#[test]
fn nobody_rides_with_fresh_users_while_each_of_them_fails() {
    let mut rig = with_proven(3);
    let push = |rig: &mut Rig, fresh| {
        rig.push_users("p", 0..2);
        rig.push_users("u", fresh);
        rig.now += POLICY.linger;
    };
    push(&mut rig, 0..1);
    answers(&mut rig, "add u0:a p0:a p1:a", false);
    answers(&mut rig, "add u0:a", false);
    answers(&mut rig, "add p0:a p1:a", true);
    push(&mut rig, 1..3);
    answers(&mut rig, "add u1:a", false);
    answers(&mut rig, "add u2:a", true);
    answers(&mut rig, "add p0:a p1:a", true);
    push(&mut rig, 3..6);
    answers(&mut rig, "add u3:a u4:a p0:a p1:a", true);
    rig.now += POLICY.linger;
    answers(&mut rig, "add u5:a", true);
    rig.waits();
    rig.is_empty();
}

#[test]
fn fresh_users_and_suspects_share_the_turns_beside_full_requests_of_proven_ones() {
    let mut rig = with_proven(3_000);
    for at in 0..5 {
        rig.push(add(&format!("bad{at}"), ["a"]));
        rig.now += POLICY.linger;
        let batch = rig.take();
        rig.settle(batch, bad(Scope::Account));
    }
    rig.push_users("p", 0..3_000);
    rig.push_users("bad", 0..5);
    rig.push_users("u", 0..20);
    let kinds = (0..24).map(|_| {
        let batch = rig.take();
        let (kind, result) = match batch.kind {
            Kind::Proven | Kind::Retry => ('.', done(vec![])),
            Kind::Fresh => ('f', bad(Scope::Account)),
            Kind::Search => ('h', bad(Scope::Account)),
            Kind::Suspects => ('s', bad(Scope::Account)),
        };
        rig.settle(batch, result);
        kind
    });
    assert_eq!(kinds.collect::<String>(), "s...f...s...f...s...f...");
}

#[test]
fn without_faults_all_share_their_requests() {
    let mut rig = Rig::with(|policy| policy.remember_rejected = false);
    for _ in 0..2 {
        rig.push_users("p", 0..2);
        rig.now += POLICY.linger;
        answers(&mut rig, "add p0:a p1:a", true);
    }
    rig.push_users("u", 0..1);
    rig.push_users("p", 0..2);
    rig.now += POLICY.linger;
    answers(&mut rig, "add u0:a p0:a p1:a", true);
}
