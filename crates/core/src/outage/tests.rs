//! Scenarios with exact moments, in milliseconds.

use super::*;

const HALF: u64 = 1 << 63;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn outage() -> Outage {
    Outage::new(RetryPolicy::default())
}

/// A call with this deadline fails: nobody answers an attempt that was started and failed then.
fn fails(
    outage: &mut Outage,
    caller: Option<Caller>,
    started: u64,
    now: u64,
    deadline: u64,
) -> Caller {
    let failure = Failure {
        started: ms(started),
        deadline: ms(deadline),
        unanswered: true,
    };
    outage.failed(caller, failure, ms(now), HALF)
}

fn woken(outage: &mut Outage) -> Vec<Caller> {
    outage.take_woken().into_iter().collect()
}

#[test]
fn one_call_probes_after_growing_waits_and_gives_up_after_a_probe_at_half_of_its_time() {
    let mut outage = outage();
    let call = fails(&mut outage, None, 0, 0, 10_000);
    let mut now = 0;
    let mut probes = Vec::new();
    loop {
        match outage.step(call, ms(now)) {
            Step::Try => {
                probes.push(now);
                fails(&mut outage, Some(call), now, now, 10_000);
            }
            Step::Wait(until) => {
                now = u64::try_from(until.as_millis()).unwrap();
            }
            Step::GiveUp | Step::Spent => break,
        }
    }
    assert_eq!(probes, [50, 150, 350, 750, 1_550, 3_150, 5_000]);
}

#[test]
fn one_of_many_probes_and_an_answer_lets_all_go_on() {
    let mut outage = outage();
    let calls: Vec<Caller> = (0..200)
        .map(|_| fails(&mut outage, None, 0, 1, 10_000))
        .collect();
    // in flight together, so they are one failure, and not two hundred
    assert_eq!(outage.step(calls[0], ms(50)), Step::Wait(ms(51)));
    assert_eq!(outage.step(calls[1], ms(50)), Step::Wait(ms(1_051)));
    assert_eq!(outage.step(calls[0], ms(51)), Step::Try);
    assert_eq!(outage.step(calls[1], ms(52)), Step::Wait(ms(1_051)));
    woken(&mut outage);
    outage.answered(ms(60));
    outage.leave(calls[0], ms(60), HALF);
    assert_eq!(woken(&mut outage), calls[1..]);
    for call in &calls[1..] {
        assert_eq!(outage.step(*call, ms(60)), Step::Try);
        assert_eq!(outage.must_wait(Some(*call), ms(60), ms(10_000)), None);
    }
}

#[test]
fn calls_of_one_limit_share_their_last_two_probes_and_later_limits_wait_on() {
    let mut outage = outage();
    let early = [(); 3].map(|()| fails(&mut outage, None, 0, 0, 2_000));
    let late = fails(&mut outage, None, 0, 0, 10_000);
    // started before their limit: not the last
    for (call, now) in [(0, 50), (1, 160), (2, 370), (0, 780)] {
        assert_eq!(outage.step(early[call], ms(now)), Step::Try);
        fails(&mut outage, Some(early[call]), now, now + 10, 2_000);
    }
    // the backoff would be until 1590: the limit is before, and is theirs alone
    assert_eq!(outage.step(early[1], ms(790)), Step::Wait(ms(1_000)));
    assert_eq!(outage.step(late, ms(790)), Step::Wait(ms(1_590)));
    assert_eq!(outage.step(late, ms(1_000)), Step::Wait(ms(1_590)));
    assert_eq!(outage.step(early[1], ms(1_000)), Step::Try);
    woken(&mut outage);
    fails(&mut outage, Some(early[1]), 1_000, 1_005, 2_000);
    assert_eq!(outage.step(early[1], ms(1_005)), Step::GiveUp);
    assert_eq!(woken(&mut outage), [early[0], early[2], late]);
    assert_eq!(outage.step(early[0], ms(1_005)), Step::Try);
    fails(&mut outage, Some(early[0]), 1_005, 1_010, 2_000);
    for call in early {
        assert_eq!(outage.step(call, ms(1_010)), Step::GiveUp);
    }
    // no later than the one before it had failed: the backoff stays
    assert_eq!(outage.step(late, ms(1_010)), Step::Wait(ms(2_605)));
}

#[test]
fn a_probe_that_hangs_is_followed_by_another_after_its_lease_or_at_a_limit() {
    let mut outage = outage();
    let first = fails(&mut outage, None, 0, 0, 60_000);
    let second = fails(&mut outage, None, 0, 0, 60_000);
    assert_eq!(outage.step(first, ms(50)), Step::Try);
    // two whose limit is before the lease ends
    let hasty = [(); 2].map(|()| outage.must_wait(None, ms(984), ms(1_016)).unwrap());
    assert_eq!(outage.step(hasty[0], ms(990)), Step::Wait(ms(1_000)));
    assert_eq!(outage.step(second, ms(1_000)), Step::Wait(ms(1_050)));
    assert_eq!(outage.step(hasty[0], ms(1_000)), Step::Try);
    // it serves the other whose limit was over when it began; as two hang, its lease is longer
    assert_eq!(outage.step(hasty[1], ms(1_001)), Step::Wait(ms(3_000)));
    assert_eq!(outage.step(second, ms(1_001)), Step::Wait(ms(3_000)));
    assert_eq!(outage.step(second, ms(3_000)), Step::Try);
}

#[test]
fn a_call_at_its_limit_is_ended_by_two_others_but_not_by_one() {
    let mut outage = outage();
    let calls = [(); 2].map(|()| fails(&mut outage, None, 0, 0, 60_000));
    let new = outage.must_wait(None, ms(0), ms(1_000)).unwrap();
    fails(&mut outage, Some(calls[0]), 500, 500, 60_000);
    fails(&mut outage, Some(calls[1]), 501, 501, 60_000);
    assert_eq!(outage.step(new, ms(501)), Step::GiveUp);

    let new = outage.must_wait(None, ms(1_000), ms(2_000)).unwrap();
    for now in [1_200, 1_400, 1_500] {
        fails(&mut outage, Some(calls[0]), now, now, 60_000);
    }
    assert!(woken(&mut outage).contains(&new));
    assert_eq!(outage.step(new, ms(1_500)), Step::Try);
    // its own ends it
    fails(&mut outage, Some(new), 1_500, 1_500, 2_000);
    assert_eq!(outage.step(new, ms(1_500)), Step::GiveUp);
}

#[test]
fn one_request_that_fails_for_ever_holds_up_no_other() {
    let mut outage = outage();
    let mut now = 0;
    let poison = fails(&mut outage, None, 0, 0, 60_000);
    let mut tries = Vec::new();
    while now < 30_000 {
        // a new call goes at once, and is answered or not known to be
        assert_eq!(outage.must_wait(None, ms(now), ms(now + 2_000)), None);
        match outage.step(poison, ms(now)) {
            Step::Try => {
                tries.push(now);
                fails(&mut outage, Some(poison), now, now, 60_000);
            }
            Step::Wait(until) => now = u64::try_from(until.as_millis()).unwrap(),
            Step::GiveUp | Step::Spent => panic!("before its limit"),
        }
    }
    let growing = [50, 150, 350, 750, 1_550, 3_150, 5_650, 8_150, 10_650];
    assert_eq!(tries[..9], growing);
    assert!(!outage.is_on());
    // the second caller that fails makes it an outage
    fails(&mut outage, None, now, now, now + 10_000);
    assert!(outage.is_on());
}

#[test]
fn a_prober_that_leaves_passes_the_turn_on_after_a_backoff() {
    let mut outage = outage();
    let calls = [(); 200].map(|()| fails(&mut outage, None, 0, 0, 10_000));
    assert_eq!(outage.step(calls[0], ms(50)), Step::Try);
    woken(&mut outage);
    outage.leave(calls[0], ms(51), HALF);
    assert_eq!(woken(&mut outage), [calls[1]]);
    assert_eq!(outage.step(calls[1], ms(51)), Step::Wait(ms(151)));
    for call in &calls[2..] {
        assert_eq!(outage.step(*call, ms(51)), Step::Wait(ms(1_151)));
    }
    // at their limit, the others have theirs one step later
    assert_eq!(outage.step(calls[1], ms(5_000)), Step::Try);
    outage.leave(calls[1], ms(5_001), u64::MAX);
    assert_eq!(woken(&mut outage), calls[2..]);
    for call in &calls[3..] {
        assert_eq!(outage.step(*call, ms(5_001)), Step::Wait(ms(6_000)));
    }
    for call in &calls[2..] {
        outage.leave(*call, ms(5_002), HALF);
    }
    assert!(!outage.is_on());
    assert_eq!(outage.must_wait(None, ms(5_002), ms(10_000)), None);
}

#[test]
fn a_first_one_that_does_not_look_stops_the_others_for_a_second() {
    let mut outage = outage();
    let calls = [(); 2].map(|()| fails(&mut outage, None, 0, 0, 60_000));
    assert_eq!(outage.step(calls[1], ms(10)), Step::Wait(ms(1_050)));
    assert_eq!(outage.step(calls[1], ms(1_050)), Step::Try);
}

#[test]
fn a_new_call_waits_with_the_others_and_has_a_probe_at_half_of_its_time() {
    let mut outage = outage();
    let old = [(); 2].map(|()| fails(&mut outage, None, 0, 0, 60_000));
    for now in [50, 150, 350, 750, 1_550] {
        assert_eq!(outage.step(old[0], ms(now)), Step::Try);
        fails(&mut outage, Some(old[0]), now, now, 60_000);
    }
    let new = outage.must_wait(None, ms(1_600), ms(2_600)).unwrap();
    // rounded up to an eighth of a second
    assert_eq!(outage.step(new, ms(1_600)), Step::Wait(ms(2_125)));
    assert_eq!(outage.step(old[1], ms(1_600)), Step::Wait(ms(3_150)));
    assert_eq!(outage.step(old[0], ms(1_600)), Step::Wait(ms(4_150)));
    assert_eq!(outage.step(new, ms(2_125)), Step::Try);
    outage.answered(ms(2_130));
    outage.leave(new, ms(2_130), HALF);
    assert_eq!(outage.step(old[0], ms(2_130)), Step::Try);
}

#[test]
fn what_was_sent_before_the_last_answer_begins_no_outage() {
    let mut outage = outage();
    outage.answered(ms(100));
    let late = fails(&mut outage, None, 99, 200, 10_000);
    assert!(!outage.is_on());
    assert_eq!(outage.step(late, ms(200)), Step::Wait(ms(250)));
    assert_eq!(outage.step(late, ms(250)), Step::Try);
}

#[test]
fn a_request_that_fails_while_others_are_answered_rests_longer_each_time() {
    let mut outage = outage();
    let mut call = None;
    let (mut now, mut rests) = (0, Vec::new());
    loop {
        let failed = fails(&mut outage, call, now, now, 10_000);
        call = Some(failed);
        outage.answered(ms(now)); // to another call
        let Step::Wait(until) = outage.step(failed, ms(now)) else {
            break;
        };
        let until = u64::try_from(until.as_millis()).unwrap();
        rests.push(until - now);
        now = until;
        assert_eq!(outage.step(failed, ms(now)), Step::Try);
    }
    assert_eq!(rests, [50, 100, 200, 400, 800, 1_600, 1_850]);
    assert_eq!(outage.step(call.unwrap(), ms(now)), Step::GiveUp);
}

#[test]
fn a_call_that_the_service_cannot_do_holds_up_no_other() {
    let mut outage = outage();
    let failure = Failure {
        started: ms(0),
        deadline: ms(1_000),
        unanswered: false,
    };
    let call = outage.failed(None, failure, ms(0), HALF);
    assert_eq!(outage.must_wait(None, ms(0), ms(1_000)), None);
    assert_eq!(outage.step(call, ms(0)), Step::Wait(ms(50)));
    assert_eq!(outage.step(call, ms(50)), Step::Try);
    let failure = Failure {
        started: ms(500),
        ..failure
    };
    outage.failed(Some(call), failure, ms(501), HALF);
    assert_eq!(outage.step(call, ms(501)), Step::GiveUp);
}

#[test]
fn a_call_that_passes_the_quota_into_an_outage_waits() {
    let mut outage = outage();
    assert_eq!(outage.must_wait(None, ms(0), ms(1_000)), None);
    fails(&mut outage, None, 0, 1, 1_000);
    assert_eq!(outage.must_wait(None, ms(1), ms(1_000)), None);
    fails(&mut outage, None, 0, 1, 1_000);
    let caller = outage.must_wait(None, ms(2), ms(1_000));
    assert!(caller.is_some());
    assert_eq!(outage.must_wait(caller, ms(3), ms(1_000)), caller);
}

#[test]
fn a_request_that_fails_while_others_are_answered_gives_up_after_twice_its_attempts() {
    let mut outage = outage();
    let mut caller = None;
    let mut now = 0;
    let mut attempts = 0;
    loop {
        caller = Some(fails(&mut outage, caller, now, now, 600_000));
        attempts += 1;
        outage.answered(ms(now));
        let mut step = outage.step(caller.unwrap(), ms(now));
        if let Step::Wait(until) = step {
            now = u64::try_from(until.as_millis()).unwrap() + 1;
            step = outage.step(caller.unwrap(), ms(now));
        }
        if step != Step::Try {
            assert_eq!(step, Step::Spent);
            break;
        }
    }
    assert_eq!(attempts, 9);
    // where nobody is answered meanwhile, only the time ends it: see above
}

#[test]
fn the_service_has_answered_once_any_call_was_answered() {
    let mut outage = outage();
    let call = fails(&mut outage, None, 0, 0, 10_000);
    assert!(!outage.has_answered());
    outage.answered(ms(10));
    outage.leave(call, ms(10), HALF);
    assert!(outage.has_answered());
}
