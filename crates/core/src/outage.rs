//! The outage rule: what the calls of a client do while nobody answers. Waiting an outage out is paid by time, and not by
//! the retry budget: one request at a time asks whether the service is back, the others wait for what it finds.
//!
//! ```text
//!                 failed, nobody answers
//! new call ──► trying ───────────────────► waiting ──┬─ turn to probe ──► probing ─┐
//!    │           ▲                         ▲   ▲     │                             │ failed
//!    │           └────── outage over ──────┼───┘     └─ its limit is over ──► gives up
//!    └──────────── outage is on ───────────┘◄──────────────────────────────────────┘
//! ```
//!
//! - An outage begins with an attempt that nobody answered, and ends with the next answer of the service to any call, or
//!   when no call waits any more.
//! - A call bears it until its *limit*: half of the time that it had left at its first failure in a row. A call that begins
//!   in an outage waits with the others, and its limit is half of its time.
//! - One probe is under way. The next is due after a backoff that grows with each failure, but at the limit of any call
//!   that waits. A probe that hangs holds the others up no longer than its lease, nor beyond the limit of any of them.
//! - An attempt that fails ends the waiting of all calls whose limit was over when it started. So those of one limit share
//!   their last probe, which is made at their limit or after it: an outage that is over by then costs none of them.
//! - A request that fails while others are answered waits by itself, a little longer each time. After twice as many such
//!   failures as a call has attempts it gives up: something on the way may hold against this one request.
//!
//! There is no clock and no chance here: `now` comes in, measured from any fixed origin, as do random numbers.

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::retry::RetryPolicy;

/// How long a probe keeps others from probing: the first, and at most.
const LEASE: Duration = Duration::from_secs(1);
const LONGEST_LEASE: Duration = Duration::from_secs(5);

/// A call that has met an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Caller(u64);

/// What a call that waits is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Make an attempt.
    Try,
    /// Ask again at this moment, or when it is woken; `None`: when it is woken.
    Wait(Option<Duration>),
    /// Report the last failure: the outage has lasted too long for it.
    GiveUp,
    /// Report the last failure: others are answered, and its attempts are spent.
    Spent,
}

/// An attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// When it was started.
    pub started: Duration,
    /// The deadline of its call.
    pub deadline: Duration,
    /// Whether nobody answered. Else the service did, and could not do it: no other call waits for that.
    pub unanswered: bool,
}

/// The calls of a client that wait for the service.
#[derive(Debug)]
pub struct Outage {
    policy: RetryPolicy,
    /// Nobody answers, as far as is known.
    on: bool,
    calls: HashMap<Caller, Call>,
    /// Those that wait, in the order in which they are to probe; the first watches the time for all.
    queue: BTreeMap<u64, Caller>,
    /// The limits of those that wait.
    limits: BTreeSet<(Duration, Caller)>,
    probe: Option<Probe>,
    /// Failures in a row, of attempts of which each started after the one before had failed.
    failures: u32,
    last_failure: Duration,
    last_answer: Option<Duration>,
    /// When the next probe is due.
    due: Duration,
    woken: BTreeSet<Caller>,
    next_number: u64,
}

#[derive(Debug)]
struct Call {
    limit: Duration,
    state: State,
    /// Its failures in a row, without those of an outage in which nobody was answered.
    failures: u32,
    last_failure: Option<Duration>,
    /// It rests until then, also where others are answered.
    rests_until: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting { place: u64 },
    Trying,
    Probing,
    GaveUp,
    Spent,
}

#[derive(Debug)]
struct Probe {
    caller: Caller,
    granted: Duration,
    lease_ends: Duration,
}

impl Outage {
    /// None yet.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Outage {
        Outage {
            policy,
            on: false,
            calls: HashMap::new(),
            queue: BTreeMap::new(),
            limits: BTreeSet::new(),
            probe: None,
            failures: 0,
            last_failure: Duration::ZERO,
            last_answer: None,
            due: Duration::ZERO,
            woken: BTreeSet::new(),
            next_number: 0,
        }
    }

    /// Asked before an attempt: the call that is to wait, by [`step`](Outage::step), or `None` where it may make it.
    /// `caller` is what an earlier wait or failure of the call gave.
    pub fn must_wait(
        &mut self,
        caller: Option<Caller>,
        now: Duration,
        deadline: Duration,
    ) -> Option<Caller> {
        let known = caller.and_then(|caller| Some((caller, self.calls.get(&caller)?.state)));
        match known {
            Some((_, State::Probing)) => None,
            Some((_, State::Trying)) | None if !self.on => None,
            Some((caller, State::Trying)) => {
                self.wait(caller);
                Some(caller)
            }
            None => {
                let caller = self.enter(now, deadline);
                self.wait(caller);
                Some(caller)
            }
            Some((caller, State::Waiting { .. } | State::GaveUp | State::Spent)) => Some(caller),
        }
    }

    /// What a call that waits is to do now.
    pub fn step(&mut self, caller: Caller, now: Duration) -> Step {
        let Some(call) = self.calls.get_mut(&caller) else {
            return Step::Try;
        };
        let place = match call.state {
            State::GaveUp => return Step::GiveUp,
            State::Spent => return Step::Spent,
            State::Trying | State::Probing => return Step::Try,
            State::Waiting { place } => place,
        };
        if !self.on {
            if now < call.rests_until {
                return Step::Wait(Some(call.rests_until));
            }
            self.stop_waiting(caller, State::Trying);
            return Step::Try;
        }
        let next = self.next_probe();
        if now >= next {
            self.stop_waiting(caller, State::Probing);
            let lease = LEASE.saturating_mul(1 << self.failures.saturating_sub(1).min(3));
            self.probe = Some(Probe {
                caller,
                granted: now,
                lease_ends: now + lease.min(LONGEST_LEASE),
            });
            self.wake_first();
            return Step::Try;
        }
        let is_first = self.queue.first_key_value().map(|(first, _)| *first) == Some(place);
        Step::Wait(is_first.then_some(next))
    }

    /// Takes an attempt that failed, of a call that may be known; the call waits from then on. `random` is drawn anew.
    pub fn failed(
        &mut self,
        caller: Option<Caller>,
        attempt: Failure,
        now: Duration,
        random: u64,
    ) -> Caller {
        let caller = match caller.filter(|caller| self.calls.contains_key(caller)) {
            Some(caller) => caller,
            None => self.enter(now, attempt.deadline),
        };
        self.end_probe_of(caller);
        self.stop_waiting(caller, State::Trying);
        let last_answer = self.last_answer;
        let answered_since = |moment| last_answer.is_some_and(|answer| answer >= moment);
        // what was sent before the last answer says nothing of what is now
        let tells = attempt.unanswered && !answered_since(attempt.started);
        let call = self.calls.get_mut(&caller).expect(KNOWN);
        let alone = !attempt.unanswered || call.last_failure.is_none_or(answered_since);
        call.failures += u32::from(alone);
        call.last_failure = Some(now);
        let rest = self.policy.backoff(call.failures, random);
        call.rests_until = now.saturating_add(rest).min(call.limit.max(now));
        let most = self.policy.max_attempts.saturating_mul(2);
        if attempt.unanswered && alone && call.failures > most {
            call.state = State::Spent;
        } else if call.limit <= attempt.started {
            call.state = State::GaveUp;
        } else {
            self.wait(caller);
        }
        if tells {
            if !self.on || attempt.started > self.last_failure {
                self.failures = if self.on { self.failures + 1 } else { 1 };
                self.last_failure = now;
                self.due = now.saturating_add(self.policy.backoff(self.failures, random));
            }
            self.on = true;
            while let Some((limit, late)) = self.limits.first().copied() {
                if limit > attempt.started {
                    break;
                }
                self.stop_waiting(late, State::GaveUp);
                self.woken.insert(late);
            }
        }
        self.wake_first();
        caller
    }

    /// The service has answered a call: the outage is over.
    pub fn answered(&mut self, now: Duration) {
        self.last_answer = self.last_answer.max(Some(now));
        if self.on {
            self.end();
            self.woken.extend(self.queue.values());
        }
    }

    /// The call is over, or has failed for another reason.
    pub fn leave(&mut self, caller: Caller) {
        self.stop_waiting(caller, State::GaveUp);
        self.calls.remove(&caller);
        self.woken.remove(&caller);
        self.end_probe_of(caller);
        if self.queue.is_empty() && self.probe.is_none() {
            self.end();
        }
        self.wake_first();
    }

    /// The calls that are to ask for their step again, since this was called last.
    pub fn take_woken(&mut self) -> BTreeSet<Caller> {
        std::mem::take(&mut self.woken)
    }

    /// Whether the service has ever answered.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        self.last_answer.is_some()
    }

    /// Whether nobody answers, as far as is known.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on
    }

    fn end(&mut self) {
        self.on = false;
        self.failures = 0;
        self.probe = None;
    }

    fn enter(&mut self, now: Duration, deadline: Duration) -> Caller {
        let caller = Caller(self.number());
        let call = Call {
            limit: now + deadline.saturating_sub(now) / 2,
            state: State::Trying,
            failures: 0,
            last_failure: None,
            rests_until: now,
        };
        self.calls.insert(caller, call);
        caller
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn wait(&mut self, caller: Caller) {
        let place = self.number();
        let call = self.calls.get_mut(&caller).expect(KNOWN);
        call.state = State::Waiting { place };
        self.queue.insert(place, caller);
        self.limits.insert((call.limit, caller));
        self.wake_first();
    }

    fn stop_waiting(&mut self, caller: Caller, state: State) {
        let Some(call) = self.calls.get_mut(&caller) else {
            return;
        };
        if let State::Waiting { place } = call.state {
            self.queue.remove(&place);
            self.limits.remove(&(call.limit, caller));
        }
        call.state = state;
    }

    /// When a probe may be made next.
    fn next_probe(&self) -> Duration {
        let first_limit = self.limits.first().map(|(limit, _)| *limit);
        let due = first_limit.map_or(self.due, |limit| self.due.min(limit));
        let Some(probe) = &self.probe else {
            return due;
        };
        // it serves those whose limit was over when it began, but no other
        let after = (probe.granted, Caller(u64::MAX));
        let next_limit = self.limits.range(after..).next();
        let held = next_limit.map_or(probe.lease_ends, |(limit, _)| probe.lease_ends.min(*limit));
        due.max(held)
    }

    fn end_probe_of(&mut self, caller: Caller) {
        if self
            .probe
            .as_ref()
            .is_some_and(|probe| probe.caller == caller)
        {
            self.probe = None;
        }
    }

    fn wake_first(&mut self) {
        if self.on {
            self.woken
                .extend(self.queue.first_key_value().map(|(_, first)| *first));
        }
    }
}

const KNOWN: &str = "a caller is known until it leaves";
