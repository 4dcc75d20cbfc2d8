//! Producers that send nothing for a while, or one request at first, and changes that fail though their producer goes on.

use super::*;

/// One request goes first.
const PROBING: BatchPolicy = BatchPolicy {
    linger: Duration::ZERO,
    probe_first: true,
    ..POLICY
};

/// Three requests, of three operations.
fn push_three(rig: &mut Rig) {
    rig.push(add("u", ["a"]));
    rig.push(remove("v", ["a"]));
    rig.push(clear("w"));
}

#[test]
fn a_look_at_what_is_ready_takes_nothing() {
    let mut rig = Rig::new();
    assert_eq!(rig.poll(), Readiness::Idle);
    rig.push(add("u", ["a"]));
    assert_eq!(rig.poll(), Readiness::NotBefore(ms(1_010)));
    assert!(rig.plan.take(rig.producer, rig.now).is_none());
    rig.now = ms(1_010);
    assert_eq!([rig.poll(), rig.poll()], [Readiness::Ready; 2]);
    let _ = rig.sends(["add u:a"]);
    assert_eq!(rig.poll(), Readiness::Idle);
}

#[test]
fn until_a_result_is_known_one_request_goes_alone_and_a_second_once_the_first_is_late() {
    let mut rig = Rig::with_policy(PROBING);
    push_three(&mut rig);
    let [first] = rig.sends(["clear w:"]);
    assert_eq!(rig.poll(), Readiness::Idle);
    rig.plan.probe_is_late(rig.producer);
    rig.plan.probe_is_late(rig.producer);
    let [second] = rig.sends(["remove v:a"]);
    // how it ended says nothing of the service, so there is no third until the second has ended
    rig.fails(first, "away", Effect::NotApplied);
    rig.waits();
    rig.done(second);
    rig.plan.end_probing(rig.producer);
    rig.does(["add u:a"]);
    push_three(&mut rig);
    let _ = rig.sends(["clear w:", "remove v:a", "add u:a"]);
}

#[test]
fn a_paused_producer_sends_nothing_and_loses_nothing() {
    let mut rig = Rig::with_policy(PROBING);
    rig.plan.end_probing(rig.producer);
    let other = rig.plan.open(PROBING);
    rig.push(add("u", ["a"]));
    rig.push(remove("u", ["a"]));
    let [first] = rig.sends(["add u:a"]);
    rig.plan.pause(rig.producer);
    // not before what the paused producer has for it
    rig.push_by(other, clear("u"));
    rig.push(clear("v"));
    rig.now += ms(5_000);
    rig.plan
        .settle(first, postponed(Effect::PossiblyApplied), true, rig.now);
    assert_eq!(rig.poll(), Readiness::Idle);
    assert!(rig.plan.take(rig.producer, rig.now).is_none());
    assert_eq!(rig.plan.unsettled(rig.producer), 3);
    assert_eq!(rig.outcomes(), [""; 0]);
    rig.plan.resume(rig.producer);
    // one goes first again
    let [clear] = rig.sends(["clear v:"]);
    rig.done(clear);
    rig.plan.end_probing(rig.producer);
    rig.does(["add u:a"]);
    rig.waits_until(ms(8_000));
    rig.now = ms(8_000);
    rig.does(["remove u:a"]);
    assert_eq!(rig.outcomes(), ["3 done", "0 done", "1 done"]);
    assert_eq!(text(&rig.take_by(other)), "clear u:");
}

#[test]
fn a_change_whose_time_is_up_while_its_producer_is_paused_has_its_outcome() {
    let mut rig = Rig::new();
    // in a request that is postponed: a slot of two changes, and one of one
    rig.push_until(add("u", ["a"]), ms(2_000));
    rig.push_until(add("u", ["b"]), ms(4_000));
    rig.push_until(add("v", ["a"]), ms(2_000));
    rig.flush();
    let [first] = rig.sends(["add u:a,b v:a"]);
    rig.plan.pause(rig.producer);
    assert_eq!(rig.poll(), Readiness::NotBefore(ms(2_000)));
    // in no request: behind others, and not
    rig.push_until(remove("v", ["a"]), ms(1_500));
    rig.push_until(remove("v", ["b"]), ms(5_000));
    rig.push_until(clear("w"), Duration::MAX);
    assert_eq!(rig.poll(), Readiness::NotBefore(ms(1_500)));
    rig.now = ms(1_500);
    assert_eq!(rig.poll(), Readiness::NotBefore(ms(2_000)));
    assert_eq!(rig.outcomes(), ["3 Expired not applied [0]"]);
    // what comes back later than its time
    rig.now = ms(2_500);
    rig.settle(first, postponed(Effect::PossiblyApplied));
    assert_eq!(rig.poll(), Readiness::NotBefore(ms(4_000)));
    assert_eq!(
        rig.outcomes(),
        [
            "0 Expired possibly applied [0]",
            "2 Expired possibly applied [0]"
        ]
    );
    rig.now = ms(4_000);
    assert_eq!(rig.poll(), Readiness::NotBefore(ms(5_000)));
    assert_eq!(rig.outcomes(), ["1 Expired possibly applied [0]"]);
    rig.now = ms(6_000);
    assert_eq!(rig.poll(), Readiness::Idle);
    assert_eq!(rig.outcomes(), ["4 Expired not applied [0]"]);
    rig.plan.resume(rig.producer);
    rig.does(["clear w:"]);
    assert_eq!(rig.outcomes(), ["5 done"]);
    rig.is_empty();
}

#[test]
fn what_a_postponed_request_may_have_done_is_remembered() {
    let mut rig = Rig::with_policy(PROBING);
    rig.push(add("u", ["a"]));
    let [first] = rig.sends(["add u:a"]);
    rig.settle(first, postponed(Effect::PossiblyApplied));
    let [again] = rig.sends(["add u:a"]);
    assert_eq!(again.tries(), 0);
    rig.fails(again, "down", Effect::NotApplied);
    assert_eq!(rig.outcomes(), ["0 Request(\"down\") possibly applied [0]"]);
    rig.is_empty();
}

#[test]
fn a_request_is_not_postponed_past_the_end_of_its_producer() {
    let mut rig = Rig::with_policy(PROBING);
    rig.push(add("u", ["a"]));
    let [first] = rig.sends(["add u:a"]);
    rig.end();
    rig.settle(first, postponed(Effect::PossiblyApplied));
    assert_eq!(
        rig.outcomes(),
        ["0 Request(\"ended\") possibly applied [0]"]
    );
    rig.is_empty();
}

#[test]
fn all_that_is_in_no_request_can_fail_and_the_producer_goes_on() {
    let mut rig = Rig::flushing();
    rig.push(add("u", ["a"]));
    rig.push(add("v", ["a"]));
    rig.push(remove("u", ["a"]));
    let [first] = rig.sends(["add u:a v:a"]);
    let again = left_out("v", Scope::Request, Some(ms(9_000)));
    rig.settle(first, done(vec![again]));
    let [under_way] = rig.sends(["remove u:a"]);
    rig.push(add("w", ["a"]));
    rig.push(add("u", ["b"]));
    rig.plan.fail_unsent(
        rig.producer,
        failed("no thread", Effect::NotApplied),
        rig.now,
    );
    assert_eq!(
        rig.outcomes(),
        [
            "0 done",
            "3 Request(\"no thread\") not applied [0]",
            "4 Request(\"no thread\") not applied [0]",
            "1 Request(\"no thread\") not applied [0]",
        ]
    );
    rig.done(under_way);
    rig.push(add("v", ["b"]));
    rig.does(["add v:b"]);
    assert_eq!(rig.outcomes(), ["2 done", "5 done"]);
    rig.is_empty();
}

#[test]
fn a_request_knows_how_often_it_was_postponed_since_the_last_pause() {
    let mut rig = Rig::new();
    rig.push(add("u", ["a"]));
    rig.now += POLICY.linger;
    for times in 0..3 {
        let [batch] = rig.sends(["add u:a"]);
        assert_eq!(rig.plan.postponed(&batch), times);
        rig.settle(batch, postponed(Effect::NotApplied));
    }
    // queued at the pause
    rig.plan.pause(rig.producer);
    rig.plan.resume(rig.producer);
    let [batch] = rig.sends(["add u:a"]);
    assert_eq!(rig.plan.postponed(&batch), 0);
    rig.settle(batch, postponed(Effect::NotApplied));
    // under way at the pause, and settled after it
    let [batch] = rig.sends(["add u:a"]);
    assert_eq!(rig.plan.postponed(&batch), 1);
    rig.plan.pause(rig.producer);
    rig.plan.resume(rig.producer);
    assert_eq!(rig.plan.postponed(&batch), 0);
    rig.settle(batch, postponed(Effect::NotApplied));
    let [batch] = rig.sends(["add u:a"]);
    assert_eq!(rig.plan.postponed(&batch), 1);
    // the service has answered
    let again = rig.now + ms(100);
    let left_out = left_out("u", Scope::Request, Some(again));
    rig.settle(batch, done(vec![left_out]));
    rig.now = again;
    let [batch] = rig.sends(["add u:a"]);
    assert_eq!(rig.plan.postponed(&batch), 0);
    rig.done(batch);
}

#[test]
fn a_postponed_request_goes_again_when_it_is_due() {
    let mut rig = Rig::new();
    rig.push(add("u", ["a"]));
    rig.now += POLICY.linger;
    let [batch] = rig.sends(["add u:a"]);
    let again_at = rig.now + ms(200);
    rig.settle(
        batch,
        BatchResult::Postponed {
            effect: Effect::NotApplied,
            again_at,
        },
    );
    assert_eq!(rig.poll(), Readiness::NotBefore(again_at));
    rig.now = again_at;
    let [batch] = rig.sends(["add u:a"]);
    rig.done(batch);
}
