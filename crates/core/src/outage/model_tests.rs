//! Drawn callers, limits and outages in virtual time, with the threads and the service played here.

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
    attempts: Vec<u32>,
    draws: usize,
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Rounded up, as a thread sleeps: never too early.
fn in_ms(moment: Duration) -> u64 {
    u64::try_from(moment.as_nanos().div_ceil(1_000_000)).unwrap()
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
            attempts: vec![0; calls],
            draws: 0,
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
    fn run(&mut self, check: impl Fn(&Played)) {
        while let Some((at, call)) = (0..self.doing.len())
            .filter_map(|call| Some((self.next_event(call)?, call)))
            .min()
        {
            self.now = at;
            self.event(call);
            loop {
                let woken = self.outage.take_woken();
                if woken.is_empty() {
                    break;
                }
                for caller in woken {
                    let call = self.callers.iter().position(|it| *it == Some(caller));
                    let call = call.unwrap();
                    if matches!(self.doing[call], Doing::Waits { .. }) {
                        self.look(call);
                    }
                }
            }
            let limits = self.outage.calls.values().map(|it| in_ms(it.limit.at));
            self.had.extend(limits);
            check(self);
        }
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
        self.callers[call] = waits;
        self.note_limit(call);
        self.look(call);
    }

    fn note_limit(&mut self, call: usize) {
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
            Step::GiveUp | Step::Spent => {
                self.leave(call);
                self.doing[call] = Doing::Failed { at: self.now };
            }
        }
    }

    fn attempt(&mut self, call: usize) {
        self.attempts[call] += 1;
        let is_down = (self.drawn.from..self.drawn.to).contains(&self.now);
        let is_poison = self.drawn.poison == Some(call);
        let others_answer = self.drawn.others_answer;
        let left = self.deadline(call) - self.now;
        let (after, end) = match self.drawn.down {
            _ if !is_down && !is_poison => (self.drawn.answers_after, End::Good),
            _ if others_answer.is_some_and(|nth| self.attempts[call] % nth == 0) && is_down => {
                (self.drawn.answers_after, End::Otherwise)
            }
            Down::Hangs(after) if is_down => (after.min(left / 2), End::Unanswered),
            Down::Fails(after) if is_down => (after, End::Unanswered),
            _ => (self.drawn.answers_after, End::Unanswered),
        };
        self.doing[call] = Doing::Tries {
            started: self.now,
            ends: (self.now + after).min(self.deadline(call)),
            end,
        };
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
        let failure = Failure {
            started: ms(started),
            deadline: ms(self.deadline(call)),
            unanswered: true,
        };
        let caller = self
            .outage
            .failed(self.callers[call], failure, ms(self.now), random);
        self.callers[call] = Some(caller);
        self.note_limit(call);
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
    fn check_probes(&self) {
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
        prop_assert!(!played.outage.is_on());
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
                prop_assert_eq!(played.attempts[call], 1);
            }
        }
    }
}
