//! A request that fails without naming whose fault it is.

use super::super::batch::Kind;
use super::service::run;
use super::*;

/// A hundred users, some of them at fault: how many requests it takes, how many of them are split, and who failed.
fn of_a_hundred(at_fault: &[usize], scope: Scope) -> (u64, u64, Vec<usize>) {
    let mut rig = Rig::new();
    rig.push_users("u", 0..100);
    let names: Vec<String> = at_fault.iter().map(|user| format!("u{user}")).collect();
    let requests = run(&mut rig, scope, |slot| {
        names.iter().any(|name| name == slot.account())
    });
    let mut failed = Vec::new();
    let settled = rig.plan.take_settled(rig.producer);
    assert_eq!(settled.len(), 100);
    for settled in settled {
        if let Some(failure) = settled.failure {
            assert_eq!(
                (failure.why, settled.undone, failure.effect),
                (Why::Request("bad"), vec![0], Effect::NotApplied)
            );
            failed.push(settled.reply as usize);
        }
    }
    failed.sort_unstable();
    let splits = rig.plan.searched(rig.producer).0;
    rig.is_empty();
    (requests, splits, failed)
}

#[test]
fn who_is_at_fault_among_a_hundred_is_found_alone_and_the_others_are_done() {
    for scope in [Scope::Account, Scope::Request, Scope::Tag] {
        // the halves with the first, 50, 25, 13, 7, 4, fail, and both of 4 and 2 are tested; what came back goes in two
        assert_eq!(of_a_hundred(&[0], scope), (12, 7, vec![0]));
        // the halves without the last pass, so the others need no test until the last two stand alone
        assert_eq!(of_a_hundred(&[99], scope), (8, 1, vec![99]));
        assert_eq!(of_a_hundred(&[0, 1], scope), (12, 7, vec![0, 1]));
        assert_eq!(of_a_hundred(&[0, 99], scope), (22, 11, vec![0, 99]));
    }
    // where all are, what came back is not put together again: hardly more than twice as many as there are users
    let all: Vec<usize> = (0..100).collect();
    assert_eq!(of_a_hundred(&all, Scope::Account).0, 204);
}

#[test]
fn changes_that_share_a_slot_are_split_where_their_tags_may_be_at_fault() {
    for scope in [Scope::Request, Scope::Tag] {
        let mut rig = Rig::new();
        for tag in tags(0, 10) {
            rig.push(add("u", [tag]));
        }
        let requests = run(&mut rig, scope, |slot| slot.tags().any(|tag| tag == "t3"));
        // 10, 5, 2
        assert_eq!((requests, rig.plan.searched(rig.producer).0), (7, 3));
        let failed: Vec<String> = rig.outcomes();
        assert_eq!(failed.len(), 10);
        let failed: Vec<&String> = failed.iter().filter(|it| !it.ends_with("done")).collect();
        assert_eq!(failed, ["3 Request(\"bad\") not applied [0]"]);
        rig.is_empty();
    }
}

#[test]
fn changes_that_share_a_slot_fail_together_where_the_account_is_at_fault() {
    let mut rig = Rig::new();
    for tag in tags(0, 10) {
        rig.push(add("u", [tag]));
    }
    assert_eq!(run(&mut rig, Scope::Account, |_| true), 1);
    assert_eq!(rig.outcomes().len(), 10);
    assert_eq!(rig.plan.searched(rig.producer).0, 0);
    rig.is_empty();
}

#[test]
fn changes_of_the_same_tags_are_not_told_apart() {
    let mut rig = Rig::flushing();
    for change in 0..1_000 {
        let tag = if change % 3 == 0 { "bad" } else { "good" };
        rig.push(add("u", [tag]));
    }
    let is_bad = |slot: &Slot| slot.tags().any(|tag| tag == "bad");
    let requests = run(&mut rig, Scope::Tag, is_bad);
    assert_eq!((requests, rig.plan.searched(rig.producer).0), (3, 1));
    let outcomes = rig.outcomes();
    let failed = outcomes.iter().filter(|it| !it.ends_with("done"));
    assert_eq!((outcomes.len(), failed.count()), (1_000, 334));
    rig.is_empty();
}

#[test]
fn the_next_change_of_an_account_waits_until_all_halves_are_settled() {
    let mut rig = Rig::flushing();
    rig.push(add("u", ["a"]));
    rig.push(add("u", ["b"]));
    rig.push(remove("u", ["a"]));
    let [batch] = rig.sends(["add u:a,b"]);
    rig.settle(batch, bad(Scope::Tag));
    let [first, second] = rig.sends(["add u:a", "add u:b"]);
    rig.done(first);
    rig.waits();
    rig.done(second);
    let _ = rig.sends(["remove u:a"]);
}

#[test]
fn the_effect_of_who_is_at_fault_is_the_most_of_all_its_tries_and_of_no_one_elses() {
    let mut rig = Rig::flushing();
    for user in ["u", "v", "w"] {
        rig.push(add(user, ["a"]));
    }
    let possibly = Failed {
        effect: Effect::PossiblyApplied,
        ..fault(Scope::Tag)
    };
    let batch = rig.take();
    let mut left = left_out("u", Scope::Tag, Some(rig.now));
    left.1.effect = Effect::PossiblyApplied;
    let others = ["v", "w"].map(|user| left_out(user, Scope::Tag, Some(rig.now)));
    rig.settle(batch, done([left].into_iter().chain(others).collect()));
    let [batch] = rig.sends(["add u:a v:a w:a"]);
    rig.settle(batch, bad(Scope::Tag));
    let [both, w] = rig.sends(["add u:a v:a", "add w:a"]);
    rig.settle(w, BatchResult::Ambiguous(possibly));
    rig.fails(both, "down", Effect::NotApplied);
    assert_eq!(
        rig.outcomes(),
        [
            "2 Request(\"bad\") possibly applied [0]",
            "0 Request(\"down\") possibly applied [0]",
            "1 Request(\"down\") not applied [0]",
        ]
    );
}

#[test]
fn a_half_has_no_longer_time_than_its_own_changes() {
    let mut rig = Rig::flushing();
    rig.push_until(add("u", ["a"]), ms(5_000));
    rig.push_until(add("v", ["a"]), ms(9_000));
    let batch = rig.take();
    assert_eq!(batch.deadline(), ms(9_000));
    rig.settle(batch, bad(Scope::Tag));
    assert_eq!(
        [rig.take(), rig.take()].map(|it| it.deadline()),
        [5_000, 9_000].map(ms)
    );
}

/// A producer that remembers no rejection, with 30 users who failed a request each.
fn with_suspects() -> Rig {
    let mut rig = Rig::with_policy(BatchPolicy {
        remember_rejected: false,
        capacity: 100_000,
        ..POLICY
    });
    rig.flush();
    for at in 0..30 {
        rig.push(add(&format!("bad{at}"), ["a"]));
        let batch = rig.take();
        rig.settle(batch, bad(Scope::Account));
    }
    rig
}

/// What the next 24 requests are made of: halves end so, suspects fail, and all others are done.
fn turns(rig: &mut Rig, halves: impl Fn() -> BatchResult<Failed>) -> String {
    let kinds = (0..24).map(|_| {
        let batch = rig.take();
        let (kind, result) = match batch.kind {
            Kind::Search => ('h', halves()),
            Kind::Suspects => ('s', bad(Scope::Account)),
            Kind::Fresh | Kind::Proven | Kind::Retry => ('.', done(vec![])),
        };
        rig.settle(batch, result);
        kind
    });
    kinds.collect()
}

#[test]
fn halves_and_suspects_have_the_turns_beside_full_requests_by_turns() {
    let mut rig = with_suspects();
    rig.push_users("x", 0..100);
    let fails = rig.take();
    rig.push_users("bad", 0..30);
    rig.push_users("u", 0..5_000);
    rig.settle(fails, bad(Scope::Account));
    let bad_halves = || bad(Scope::Account);
    assert_eq!(turns(&mut rig, bad_halves), "s...h...s...h...s...h...");
}

/// Ten users with three slots each. The first requests fail, and so do their first halves: what is left of each comes back
/// untested. Where it was one request, the next slots of its accounts are in the packer.
#[test]
fn slots_that_come_back_go_with_no_other_slot_of_their_account() {
    for requests in [3, 1] {
        let mut rig = Rig::flushing();
        for user in 0..10 {
            rig.push(add(&format!("u{user}"), tags(0, 25)));
        }
        let batches: Vec<Batch> = (0..requests).map(|_| rig.take()).collect();
        for batch in batches {
            rig.settle(batch, bad(Scope::Request));
        }
        for _ in 0..requests {
            let half = rig.take();
            assert_eq!((half.slots.len(), half.rest.len()), (5, 5));
            rig.settle(half, bad(Scope::Request));
        }
        // each request has an account once: `next` looks
        let _ = run(&mut rig, Scope::Request, |_| false);
        assert_eq!(rig.outcomes().len(), 10);
        rig.is_empty();
    }
}

#[test]
fn suspects_say_nothing_of_how_many_of_the_others_are_at_fault() {
    let mut rig = Rig::with(|policy| policy.remember_rejected = false);
    rig.flush();
    let push = |rig: &mut Rig, names: &[&str]| {
        for name in names {
            rig.push(add(name, ["a"]));
        }
        rig.take()
    };
    for name in ["x", "y", "z"] {
        let alone = push(&mut rig, &[name]);
        rig.settle(alone, bad(Scope::Account));
    }
    rig.push_users("u", 0..100);
    let good = rig.take();
    rig.done(good);
    // 3 of 103
    let most_likely_good = |rig: &mut Rig, users| {
        let queue = rig.plan.producers[rig.producer.0].queue(Form::Add);
        queue.most_likely_good(users)
    };
    assert!(most_likely_good(&mut rig, 17) && !most_likely_good(&mut rig, 18));
    let passes = push(&mut rig, &["x"]);
    rig.done(passes);
    let both = push(&mut rig, &["y", "z"]);
    rig.settle(both, bad(Scope::Account));
    for _ in 0..2 {
        let alone = rig.take();
        assert_eq!(alone.slots.len(), 1);
        rig.settle(alone, bad(Scope::Account));
    }
    assert!(most_likely_good(&mut rig, 17) && !most_likely_good(&mut rig, 18));
}

/// The next 24 turns beside full requests and suspects, after so many fresh requests failed so long ago.
fn turns_after(failed: usize, ago: Duration) -> String {
    let mut rig = with_suspects();
    rig.push_users("u", 0..9_000);
    let fails: Vec<Batch> = (0..failed).map(|_| rig.take()).collect();
    for batch in fails {
        rig.settle(batch, bad(Scope::Account));
    }
    rig.push_users("bad", 0..30);
    rig.now += ago;
    turns(&mut rig, || done(vec![]))
}

#[test]
fn overdue_halves_keep_fresh_requests_back_and_leave_suspects_their_quarter() {
    assert_eq!(turns_after(4, ms(999)), "s...h...s...h...s...h...");
    assert_eq!(turns_after(4, ms(1_000)), "shhhshhhshhhshhhshhhshhh");
    assert_eq!(turns_after(20, ms(0)), "shhhshhhshhhshhhshhhshhh");
}
