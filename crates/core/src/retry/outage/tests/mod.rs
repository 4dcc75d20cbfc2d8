//! Scenarios with exact moments, in milliseconds.

mod model;

use super::*;

const HALF: u64 = 1 << 63;
const GIVE_UP: Step = Step::Stop(Stopped::OutageTooLong);
const SPENT: Step = Step::Stop(Stopped::AttemptsSpent);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Rounded up, as a thread sleeps: never too early.
fn in_ms(moment: Duration) -> u64 {
    u64::try_from(moment.as_nanos().div_ceil(1_000_000)).unwrap()
}

/// The rule, with moments and waits in milliseconds.
struct Rig(Outage);

impl Rig {
    fn new() -> Rig {
        Rig(Outage::new(RetryPolicy::default()))
    }

    /// Nobody answers an attempt that was started and failed then, the first of its call.
    fn first_fails(&mut self, started: u64, now: u64, deadline: u64) -> Caller {
        self.fails_until(None, started, now, deadline)
    }

    /// So many calls of this time fail at once, at 0.
    fn all_fail<const CALLS: usize>(&mut self, time: u64) -> [Caller; CALLS] {
        [(); CALLS].map(|()| self.first_fails(0, 0, time))
    }

    /// Nobody answers a further attempt.
    fn fails(&mut self, caller: Caller, started: u64, now: u64) {
        self.fails_until(Some(caller), started, now, 0);
    }

    fn fails_until(
        &mut self,
        caller: Option<Caller>,
        started: u64,
        now: u64,
        deadline: u64,
    ) -> Caller {
        let failure = FailedAttempt {
            started: ms(started),
            deadline: ms(deadline),
            unanswered: true,
        };
        self.0.failed(caller, failure, ms(now), HALF)
    }

    /// A new call must wait.
    fn begins(&mut self, now: u64, deadline: u64) -> Option<Caller> {
        self.0.must_wait(None, ms(now), ms(deadline))
    }

    /// The steps of calls, each at its moment.
    #[track_caller]
    fn steps<const STEPS: usize>(&mut self, steps: [(Caller, u64, Step); STEPS]) {
        for (caller, now, step) in steps {
            assert_eq!(self.0.step(caller, ms(now)), step, "at {now}");
        }
    }

    fn woken(&mut self) -> Vec<Caller> {
        self.0.take_woken().into_iter().collect()
    }
}

const fn until(moment: u64) -> Step {
    Step::Wait(ms(moment))
}

/// One call of this time, all of whose attempts fail at once: when it tries again, and how it ends. Meanwhile other calls
/// are answered, or there are none.
fn one_that_fails(time: u64, others_are_answered: bool) -> (Vec<u64>, Step) {
    let mut rig = Rig::new();
    let call = rig.first_fails(0, 0, time);
    let (mut now, mut tries) = (0, Vec::new());
    loop {
        if others_are_answered {
            rig.0.answered(ms(now));
        }
        // a new call is not held up
        assert_eq!(rig.begins(now, now + 2_000), None);
        match rig.0.step(call, ms(now)) {
            Step::Wait(until) => now = in_ms(until),
            Step::Try => {
                tries.push(now);
                rig.fails(call, now, now);
            }
            end => return (tries, end),
        }
    }
}

#[test]
fn one_request_that_always_fails_rests_longer_each_time_and_holds_up_no_other() {
    let growing = [50, 150, 350, 750, 1_550, 3_150, 5_650, 8_150, 10_650];
    let half = [50, 150, 350, 750, 1_550, 3_150, 5_000];
    assert_eq!(one_that_fails(10_000, false), (half.to_vec(), GIVE_UP));
    assert_eq!(one_that_fails(10_000, true), (half.to_vec(), GIVE_UP));
    let (tries, end) = one_that_fails(60_000, false);
    assert_eq!((&tries[..9], end), (&growing[..], GIVE_UP));
    // after twice as many failures as a call has attempts
    let (tries, end) = one_that_fails(600_000, true);
    assert_eq!((&tries[..], end), (&growing[..8], SPENT));
}

#[test]
fn the_second_caller_that_fails_makes_it_an_outage_unless_its_request_is_older_than_an_answer() {
    let mut rig = Rig::new();
    let late = rig.first_fails(0, 0, 10_000);
    rig.0.answered(ms(100));
    rig.first_fails(99, 200, 10_000);
    rig.fails(late, 99, 200);
    assert_eq!(rig.begins(200, 10_000), None);
    rig.steps([(late, 200, until(300)), (late, 300, Step::Try)]);
    rig.first_fails(300, 300, 10_000);
    assert_eq!(rig.begins(300, 10_000), None);
    rig.fails(late, 300, 300);
    assert!(rig.begins(300, 10_000).is_some());
}

#[test]
fn one_of_many_probes_and_an_answer_lets_all_go_on() {
    let mut rig = Rig::new();
    let calls = [(); 200].map(|()| rig.first_fails(0, 1, 10_000));
    rig.steps([
        // under way together, so they are one failure, and not two hundred
        (calls[0], 50, until(51)),
        (calls[1], 50, until(1_051)),
        (calls[0], 51, Step::Try),
        (calls[1], 52, until(1_051)),
    ]);
    rig.woken();
    assert!(!rig.0.has_answered());
    rig.0.answered(ms(60));
    rig.0.leave(calls[0], ms(60), HALF);
    assert!(rig.0.has_answered());
    assert_eq!(rig.woken(), calls[1..]);
    for call in &calls[1..] {
        rig.steps([(*call, 60, Step::Try)]);
        assert_eq!(rig.0.must_wait(Some(*call), ms(60), ms(10_000)), None);
    }
}

#[test]
fn calls_of_one_limit_share_their_last_two_probes_and_later_limits_wait_on() {
    let mut rig = Rig::new();
    let early: [Caller; 3] = rig.all_fail(2_000);
    let [late] = rig.all_fail(10_000);
    // started before their limit: not the last
    for (call, now) in [(0, 50), (1, 160), (2, 370), (0, 780)] {
        rig.steps([(early[call], now, Step::Try)]);
        rig.fails(early[call], now, now + 10);
    }
    rig.steps([
        // the backoff would be until 1,590: the limit is before, and is theirs alone
        (early[1], 790, until(1_000)),
        (late, 790, until(1_590)),
        (late, 1_000, until(1_590)),
        (early[1], 1_000, Step::Try),
    ]);
    rig.woken();
    rig.fails(early[1], 1_000, 1_005);
    rig.steps([(early[1], 1_005, GIVE_UP)]);
    assert_eq!(rig.woken(), [early[0], early[2], late]);
    rig.steps([(early[0], 1_005, Step::Try)]);
    rig.fails(early[0], 1_005, 1_010);
    rig.steps(early.map(|call| (call, 1_010, GIVE_UP)));
    // no later than the one before it had failed: the backoff stays
    rig.steps([(late, 1_010, until(2_605))]);
}

#[test]
fn a_probe_that_hangs_is_followed_by_another_after_its_lease_or_at_a_limit() {
    let mut rig = Rig::new();
    let [first, second] = rig.all_fail(60_000);
    rig.steps([(first, 50, Step::Try)]);
    // two whose limit is before the lease ends
    let hasty = [(); 2].map(|()| rig.begins(984, 1_016).unwrap());
    rig.steps([
        (hasty[0], 990, until(1_000)),
        (second, 1_000, until(1_050)),
        (hasty[0], 1_000, Step::Try),
        // it serves the other whose limit was over when it began; as two hang, its lease is longer
        (hasty[1], 1_001, until(3_000)),
        (second, 1_001, until(3_000)),
        (second, 3_000, Step::Try),
    ]);
}

#[test]
fn a_call_at_its_limit_is_ended_by_two_others_but_not_by_one() {
    let mut rig = Rig::new();
    let calls: [Caller; 2] = rig.all_fail(60_000);
    let new = rig.begins(0, 1_000).unwrap();
    rig.fails(calls[0], 500, 500);
    rig.fails(calls[1], 501, 501);
    rig.steps([(new, 501, GIVE_UP)]);

    let new = rig.begins(1_000, 2_000).unwrap();
    for now in [1_200, 1_400, 1_500] {
        rig.fails(calls[0], now, now);
    }
    assert!(rig.woken().contains(&new));
    rig.steps([(new, 1_500, Step::Try)]);
    // its own ends it
    rig.fails(new, 1_500, 1_500);
    rig.steps([(new, 1_500, GIVE_UP)]);
}

#[test]
fn a_prober_that_leaves_passes_the_turn_on_after_a_backoff() {
    let mut rig = Rig::new();
    let calls: [Caller; 200] = rig.all_fail(10_000);
    rig.steps([(calls[0], 50, Step::Try)]);
    rig.woken();
    rig.0.leave(calls[0], ms(51), HALF);
    assert_eq!(rig.woken(), [calls[1]]);
    rig.steps([(calls[1], 51, until(151)), (calls[199], 51, until(1_151))]);
    // at their limit, the others have theirs one step later
    rig.steps([(calls[1], 5_000, Step::Try)]);
    rig.0.leave(calls[1], ms(5_001), u64::MAX);
    assert_eq!(rig.woken(), calls[2..]);
    rig.steps([(calls[199], 5_001, until(6_000))]);
    for call in &calls[2..] {
        rig.0.leave(*call, ms(5_002), HALF);
    }
    assert_eq!(rig.begins(5_002, 10_000), None);
}

#[test]
fn a_first_one_that_does_not_look_stops_the_others_for_a_second() {
    let mut rig = Rig::new();
    let [_, second] = rig.all_fail(60_000);
    rig.steps([(second, 10, until(1_050)), (second, 1_050, Step::Try)]);
}

#[test]
fn a_new_call_waits_with_the_others_and_has_a_probe_at_half_of_its_time() {
    let mut rig = Rig::new();
    let old: [Caller; 2] = rig.all_fail(60_000);
    for now in [50, 150, 350, 750, 1_550] {
        rig.steps([(old[0], now, Step::Try)]);
        rig.fails(old[0], now, now);
    }
    let new = rig.begins(1_600, 2_600).unwrap();
    assert_eq!(rig.0.must_wait(Some(new), ms(1_600), ms(2_600)), Some(new));
    rig.steps([
        // rounded up to an eighth of a second
        (new, 1_600, until(2_125)),
        (old[1], 1_600, until(3_150)),
        (old[0], 1_600, until(4_150)),
        (new, 2_125, Step::Try),
    ]);
    rig.0.answered(ms(2_130));
    rig.0.leave(new, ms(2_130), HALF);
    rig.steps([(old[0], 2_130, Step::Try)]);
}

#[test]
fn a_call_that_the_service_cannot_do_holds_up_no_other() {
    let mut rig = Rig::new();
    let fails = |rig: &mut Rig, caller, started, now| {
        let failure = FailedAttempt {
            started: ms(started),
            deadline: ms(1_000),
            unanswered: false,
        };
        rig.0.failed(caller, failure, ms(now), HALF)
    };
    let calls = [(); 2].map(|()| fails(&mut rig, None, 0, 0));
    assert_eq!(rig.begins(0, 1_000), None);
    for call in calls {
        rig.steps([(call, 0, until(50)), (call, 50, Step::Try)]);
        fails(&mut rig, Some(call), 500, 501);
        rig.steps([(call, 501, GIVE_UP)]);
    }
}
