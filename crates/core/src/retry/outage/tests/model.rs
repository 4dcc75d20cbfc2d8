//! Callers, limits and outages in virtual time, with the threads and the service played here: drawn ones, and those of a
//! long outage, which show what it costs.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Down {
    /// Attempts fail after so many milliseconds.
    Fails(u64),
    /// Attempts hang until their own time limit of so many milliseconds.
    Hangs(u64),
}

#[derive(Debug, Clone)]
struct Drawn {
    /// When each call begins, and its time.
    calls: Vec<(u64, u64)>,
    from: u64,
    to: u64,
    down: Down,
    answers_after: u64,
    randoms: Vec<u64>,
    /// Calls that are cancelled, and when.
    cancels: Vec<(usize, u64)>,
    /// A call whose attempts all fail, as the service's absence does.
    poison: Option<usize>,
    /// In the outage, each of so many attempts is answered by something that is not the service.
    others_answer: Option<u32>,
}

/// How long a call waits after an answer that is not the service's, in milliseconds.
const PAUSE: u64 = 100;

fn drawn() -> impl Strategy<Value = Drawn> {
    let down = prop_oneof![
        (0_u64..20).prop_map(Down::Fails),
        (100_u64..6_000).prop_map(Down::Hangs),
    ];
    (
        prop::collection::vec((0_u64..4_000, 2_000_u64..20_000), 1..40),
        0_u64..3_000,
        0_u64..8_000,
        down,
        1_u64..50,
        prop::collection::vec(any::<u64>(), 1..20),
        prop::collection::vec((0_usize..40, 0_u64..6_000), 0..4),
        prop::option::of(0_usize..40),
        prop::option::of(1_u32..5),
    )
        .prop_map(
            |(calls, from, lasts, down, answers_after, randoms, cancels, poison, others_answer)| {
                Drawn {
                    calls,
                    from,
                    to: from + lasts,
                    down,
                    answers_after,
                    randoms,
                    cancels,
                    poison,
                    others_answer,
                }
            },
        )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    NotBegun,
    Waits { until: u64 },
    Pauses { until: u64 },
    Tries { started: u64, ends: u64, end: End },
    Done { at: u64 },
    Failed { at: u64 },
    Cancelled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Good,
    Unanswered,
    /// Something answers that is not the service.
    Otherwise,
}

struct Played {
    drawn: Drawn,
    outage: Outage,
    now: u64,
    doing: Vec<Doing>,
    callers: Vec<Option<Caller>>,
    /// Half of the time of each call when it met the outage, and the latest that its limit can be.
    limits: Vec<Option<(u64, u64)>>,
    /// All limits that calls had.
    had: BTreeSet<u64>,
    tries: Vec<u32>,
    draws: usize,
    /// The next event of each call, and some that are no more.
    events: BTreeSet<(u64, usize)>,
    calls: HashMap<Caller, usize>,
    /// When each attempt was started, and when it ends.
    attempts: Vec<(u64, u64)>,
}

impl Outage {
    /// While it is calm, only the last answer and what says nothing without a call tell it from a new one.
    fn is_as_new_while_calm(&self) {
        let is_as_new = !self.on
            && self.evidence.last.is_none()
            && self.evidence.other.is_none()
            && self.failures == 0
            && self.probe.is_none()
            && self.queue.is_empty()
            && self.limits.is_empty()
            && self.woken.is_empty();
        assert!(!self.is_calm() || is_as_new, "{self:?}");
    }
}

impl Played {
    fn new(drawn: Drawn) -> Played {
        let calls = drawn.calls.len();
        Played {
            drawn,
            outage: Outage::new(RetryPolicy::default()),
            now: 0,
            doing: vec![Doing::NotBegun; calls],
            callers: vec![None; calls],
            limits: vec![None; calls],
            had: BTreeSet::new(),
            tries: vec![0; calls],
            draws: 0,
            events: BTreeSet::new(),
            calls: HashMap::new(),
            attempts: Vec::new(),
        }
    }

    fn deadline(&self, call: usize) -> u64 {
        let (begins, time) = self.drawn.calls[call];
        begins + time
    }

    fn next_event(&self, call: usize) -> Option<u64> {
        let cancel = self.drawn.cancels.iter().find(|(which, _)| *which == call);
        let own = match self.doing[call] {
            Doing::NotBegun => return Some(self.drawn.calls[call].0),
            Doing::Waits { until } | Doing::Pauses { until } => until.min(self.deadline(call)),
            Doing::Tries { ends, .. } => ends,
            Doing::Done { .. } | Doing::Failed { .. } | Doing::Cancelled => return None,
        };
        Some(cancel.map_or(own, |(_, at)| own.min(*at)).max(self.now))
    }

    /// Plays all calls to their ends; `check` looks after each event.
    fn run(&mut self, mut check: impl FnMut(&mut Played)) {
        (0..self.doing.len()).for_each(|call| self.schedule(call));
        while let Some((at, call)) = self.events.pop_first() {
            if self.next_event(call) != Some(at.max(self.now)) {
                continue; // it does something else by now
            }
            self.now = at.max(self.now);
            self.event(call);
            self.outage.is_as_new_while_calm();
            self.schedule(call);
            loop {
                let woken = self.outage.take_woken();
                if woken.is_empty() {
                    break;
                }
                for caller in woken {
                    let call = self.calls[&caller];
                    if matches!(self.doing[call], Doing::Waits { .. }) {
                        self.look(call);
                        self.schedule(call);
                    }
                }
            }
            check(self);
        }
    }

    fn schedule(&mut self, call: usize) {
        self.events
            .extend(self.next_event(call).map(|at| (at, call)));
    }

    fn event(&mut self, call: usize) {
        let begun = self.doing[call] != Doing::NotBegun;
        let mut cancels = self.drawn.cancels.iter();
        if begun && cancels.any(|(which, at)| *which == call && *at <= self.now) {
            self.leave(call);
            self.doing[call] = Doing::Cancelled;
            return;
        }
        match self.doing[call] {
            Doing::Tries { started, ends, end } if ends <= self.now => {
                self.ended(call, started, end);
            }
            Doing::Waits { .. } | Doing::Pauses { .. } if self.now >= self.deadline(call) => {
                self.leave(call);
                self.doing[call] = Doing::Failed { at: self.now };
            }
            Doing::Waits { .. } => self.look(call),
            _ => self.before_an_attempt(call),
        }
    }

    fn before_an_attempt(&mut self, call: usize) {
        let deadline = ms(self.deadline(call));
        let waits = self
            .outage
            .must_wait(self.callers[call], ms(self.now), deadline);
        if waits.is_none() {
            self.attempt(call);
            return;
        }
        self.note_caller(call, waits);
        self.look(call);
    }

    fn note_caller(&mut self, call: usize, caller: Option<Caller>) {
        self.callers[call] = caller;
        self.calls.extend(caller.map(|caller| (caller, call)));
        let left = self.deadline(call) - self.now;
        let half = self.now + left / 2;
        self.limits[call].get_or_insert((half, half + left / 8 + 1));
    }

    fn look(&mut self, call: usize) {
        match self.outage.step(self.callers[call].unwrap(), ms(self.now)) {
            Step::Try => self.attempt(call),
            Step::Wait(until) => {
                let until = in_ms(until);
                assert!(until > self.now, "a busy wait");
                self.doing[call] = Doing::Waits { until };
            }
            Step::Stop(_) => {
                self.leave(call);
                self.doing[call] = Doing::Failed { at: self.now };
            }
        }
    }

    fn attempt(&mut self, call: usize) {
        self.tries[call] += 1;
        let is_down = (self.drawn.from..self.drawn.to).contains(&self.now);
        let is_poison = self.drawn.poison == Some(call);
        let others_answer = self.drawn.others_answer;
        let left = self.deadline(call) - self.now;
        let (after, end) = match self.drawn.down {
            _ if !is_down && !is_poison => (self.drawn.answers_after, End::Good),
            _ if others_answer.is_some_and(|nth| self.tries[call] % nth == 0) && is_down => {
                (self.drawn.answers_after, End::Otherwise)
            }
            Down::Hangs(after) if is_down => (after.min(left / 2), End::Unanswered),
            Down::Fails(after) if is_down => (after, End::Unanswered),
            _ => (self.drawn.answers_after, End::Unanswered),
        };
        let (started, ends) = (self.now, self.now + after.min(left));
        self.attempts.push((started, ends));
        self.doing[call] = Doing::Tries { started, ends, end };
    }

    fn ended(&mut self, call: usize, started: u64, end: End) {
        if end == End::Good {
            self.outage.answered(ms(self.now));
            self.leave(call);
            self.doing[call] = Doing::Done { at: self.now };
            return;
        }
        if self.now >= self.deadline(call) {
            self.leave(call);
            self.doing[call] = Doing::Failed { at: self.now };
            return;
        }
        if end == End::Otherwise {
            self.leave(call);
            let until = self.now + PAUSE;
            self.doing[call] = Doing::Pauses { until };
            return;
        }
        let random = self.random();
        let failure = FailedAttempt {
            started: ms(started),
            deadline: ms(self.deadline(call)),
            unanswered: true,
        };
        let caller = self
            .outage
            .failed(self.callers[call], failure, ms(self.now), random);
        self.note_caller(call, Some(caller));
        self.look(call);
    }

    fn random(&mut self) -> u64 {
        self.draws += 1;
        self.drawn.randoms[self.draws % self.drawn.randoms.len()]
    }

    fn leave(&mut self, call: usize) {
        if let Some(caller) = self.callers[call].take() {
            let random = self.random();
            self.outage.leave(caller, ms(self.now), random);
        }
    }

    /// When the probes that are under way were started, the first one first.
    fn probes(&self) -> Vec<u64> {
        let probes = self
            .doing
            .iter()
            .zip(&self.callers)
            .filter_map(|(doing, caller)| {
                let state = self.outage.calls.get(&(*caller)?)?.state;
                match doing {
                    Doing::Tries { started, .. } if state == State::Probing => Some(*started),
                    _ => None,
                }
            });
        let mut probes: Vec<u64> = probes.collect();
        probes.sort_unstable();
        probes
    }

    /// Another probe is made beside one that is under way only where a call has its limit after that one began.
    fn check_probes(&mut self) {
        let limits = self.outage.calls.values().map(|it| in_ms(it.limit.at));
        self.had.extend(limits);
        for pair in self.probes().windows(2) {
            let mut between = self.had.range(pair[0]..=pair[1]);
            assert!(between.next().is_some(), "probes at {pair:?}");
        }
    }
}

proptest! {
    #[test]
    fn an_outage_shorter_than_half_of_a_calls_time_costs_it_nothing(drawn in drawn()) {
        let mut played = Played::new(drawn);
        played.run(|_| {});
        for (call, doing) in played.doing.iter().enumerate() {
            match (*doing, played.limits[call]) {
                (Doing::Failed { .. }, _) if played.drawn.poison == Some(call) => {}
                (Doing::Failed { .. }, Some((half, _))) => {
                    prop_assert!(played.drawn.to > half, "call {call} failed, half is {half}");
                }
                (Doing::Failed { .. }, None) => {
                    prop_assert!(played.drawn.others_answer.is_some(), "call {call} met no outage");
                }
                (Doing::Done { at }, _) => prop_assert!(at <= played.deadline(call)),
                (Doing::Cancelled, _) => {}
                other => prop_assert!(false, "call {call}: {other:?}"),
            }
        }
        prop_assert!(!played.outage.on);
        prop_assert!(played.outage.calls.is_empty() && played.outage.queue.is_empty());
        prop_assert!(played.outage.limits.is_empty() && played.outage.probe.is_none());
    }

    #[test]
    fn no_call_outlives_its_limit_by_more_than_its_probe_and_that_of_another(mut drawn in drawn()) {
        drawn.others_answer = None;
        drawn.cancels.clear();
        let mut played = Played::new(drawn);
        played.run(|_| {});
        let probe = match played.drawn.down {
            Down::Fails(after) | Down::Hangs(after) => after.max(played.drawn.answers_after),
        };
        for (call, doing) in played.doing.iter().enumerate() {
            if let (Doing::Failed { at }, Some((_, limit))) = (*doing, played.limits[call]) {
                prop_assert!(at <= limit + 3 * probe + 1, "call {call}: {at}, limit {limit}");
            }
        }
    }

    #[test]
    fn one_probe_is_under_way_at_a_time_but_at_a_limit(mut drawn in drawn()) {
        drawn.down = Down::Fails(drawn.answers_after);
        Played::new(drawn).run(Played::check_probes);
    }

    #[test]
    fn a_call_beside_a_request_that_always_fails_is_made_at_once(mut drawn in drawn()) {
        drawn.to = drawn.from;
        drawn.cancels.clear();
        let mut played = Played::new(drawn);
        played.run(|_| {});
        for (call, doing) in played.doing.iter().enumerate() {
            if played.drawn.poison != Some(call) {
                let at = played.drawn.calls[call].0 + played.drawn.answers_after;
                prop_assert_eq!(*doing, Doing::Done { at });
                prop_assert_eq!(played.tries[call], 1);
            }
        }
    }
}

/// Calls begin all along for a minute, one each so many milliseconds, and nobody answers any: when each attempt was started,
/// and when it ended. An attempt hangs for half of what is left of its call, or else fails within a millisecond.
fn long_outage(each: u64, time: u64, down: Down) -> Vec<(u64, u64)> {
    let calls = (0..60_000 / each).map(|call| (call * each, time));
    let randoms = std::iter::successors(Some(88_172_645_463_325_252_u64), |random| {
        let random = random ^ (random << 13);
        let random = random ^ (random >> 7);
        Some(random ^ (random << 17))
    });
    let mut played = Played::new(Drawn {
        calls: calls.collect(),
        from: 0,
        to: u64::MAX,
        down,
        answers_after: 1,
        randoms: randoms.take(1_000).collect(),
        cancels: vec![],
        poison: None,
        others_answer: None,
    });
    played.run(|_| {});
    played.attempts
}

/// The attempts of each second after the third, in which the outage has begun.
fn in_each_second(attempts: &[(u64, u64)]) -> Vec<usize> {
    let count = |second| attempts.iter().filter(|it| it.0 / 1_000 == second).count();
    let seconds: Vec<usize> = (3..60).map(count).collect();
    println!("{seconds:?}");
    seconds
}

#[test]
fn a_refusing_service_meets_two_requests_a_second_however_many_calls_there_are() {
    for each in [1, 10, 100] {
        let seconds = in_each_second(&long_outage(each, 10_000, Down::Fails(1)));
        assert!(seconds.iter().all(|count| *count <= 4));
        assert!(seconds.iter().sum::<usize>() <= 57 * 5 / 2);
    }
}

#[test]
fn short_calls_have_two_last_probes_for_each_eighth_of_their_time() {
    let seconds = in_each_second(&long_outage(5, 1_000, Down::Fails(1)));
    assert!(seconds.iter().all(|count| *count <= 20));
}

#[test]
fn few_probes_hang_side_by_side_at_a_silent_service() {
    for time in [1_000, 10_000] {
        let attempts = long_outage(10, time, Down::Hangs(u64::MAX));
        // those that began before the first had hung long enough to tell are over
        let late = attempts.iter().filter(|it| it.0 > 2 * time);
        let beside = late.map(|it| {
            let others = attempts.iter();
            let hang = others.filter(|other| other.0 <= it.0 && other.1 > it.0);
            hang.count()
        });
        let beside = beside.max().unwrap();
        println!("of {time} ms: {beside} side by side");
        assert!(beside <= 8, "{beside}");
    }
}
