//! The outage rule: what the calls of a client do while the service does not answer. Waiting costs time, not retry
//! budget. One request at a time, the *probe*, asks whether the service is back; all other calls wait for its result.
//!
//! ```text
//!                 failed, no answer
//! new call ──► trying ───────────────────► waiting ──┬─ turn to probe ──► probing ─┐
//!    │           ▲                         ▲   ▲     │                             │ failed
//!    │           └────── outage over ──────┼───┘     └─ its limit is over ──► gives up
//!    └──────────── outage is on ───────────┘◄──────────────────────────────────────┘
//! ```
//!
//! - An outage begins when attempts of two callers got no answer. It ends with the next answer of the service to any call,
//!   or when no call waits any more. One caller that fails is no outage: it rests by itself, longer each time, while every
//!   other call is sent at once. The result of its own attempt then decides.
//! - A call waits until its *limit*: half of the time that it had left at the first of its failures in a row, rounded up to
//!   a whole second, or to less for calls of less than eight seconds, so that it is at most 5/8 of that time. A call that
//!   begins in an outage waits with the others, and its limit is half of its own time.
//! - One probe is under way. The next is due after a backoff that grows with each failure. At its limit each call may make
//!   one probe beside it. A probe that hangs delays the others no longer than its lease, which grows with the number of
//!   probes that hang.
//! - An attempt that was started at the limit of its call or later, and fails, ends the call. Two of two callers end all
//!   calls that wait and whose limit was over by then. So calls of one limit share their last two probes, which are made at
//!   their limit or later: an outage that is over by then fails none of them, even if one request keeps failing.
//! - A probe that ends without news of the service (cancelled, or answered by something else) lets the next one wait for a
//!   backoff, and lets calls at their limit wait one step more.
//! - A call that fails while others are answered waits by itself, a little longer each time. It gives up after twice as many
//!   such failures as a call has attempts: something on the way may reject this one request.
//! - A call without a deadline waits for an endpoint that does not exist until it is cancelled.
//!
//! So an outage of any length costs a client the probes of the backoff and two requests a second, however many calls it
//! has; with calls of less than eight seconds, two in each eighth to sixteenth of their time.
//!
//! Example: a call of 10 s that fails at once probes after 50, 150, 350, 750, 1,550, 3,150 and 5,000 ms (half jitter).
//!
//! The rule reads no clock and draws no random number: `now`, measured from any fixed origin, and `random` are passed in.

mod limit;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::failure::Stopped;
use super::policy::RetryPolicy;
use limit::Limit;

/// How much later than the first of the queue the others check for a due probe: its thread may be busy in the host's code.
const FALLBACK: Duration = Duration::from_secs(1);

/// A call that got no answer, or that began in an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Caller(u64);

/// The next step of a call that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Make an attempt.
    Try,
    /// Ask again at this moment, or when it is woken.
    Wait(Duration),
    /// Report the last failure: the outage has lasted too long for it; or its attempts are spent, while others are answered.
    Stop(Stopped),
}

/// An attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedAttempt {
    /// When it was started.
    pub started: Duration,
    /// The deadline of its call.
    pub deadline: Duration,
    /// True if there was no answer. False if the service answered with an error, for which no other call waits.
    pub unanswered: bool,
}

/// The calls of a client that wait for the service.
#[derive(Debug, Default)]
pub struct Outage {
    policy: RetryPolicy,
    /// True while the service does not answer, as far as is known.
    on: bool,
    evidence: Evidence,
    calls: HashMap<Caller, Call>,
    /// The calls that wait, in the order in which they probe. The first watches the time.
    queue: BTreeMap<u64, Caller>,
    /// The limits of those that wait.
    limits: BTreeSet<(Duration, Caller)>,
    probe: Option<Probe>,
    /// Failures in a row, of attempts of which each started after the one before had failed, and of probes that left.
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
    limit: Limit,
    state: State,
    /// Its failures in a row, not counting those of an outage in which no call was answered.
    failures: u32,
    last_failure: Option<Duration>,
    /// How often it has rested by itself.
    rests: u32,
    /// It rests until then, even if others are answered.
    rests_until: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting { place: u64 },
    Trying,
    Probing,
    Over(Stopped),
}

/// Which calls failed since the last answer. Where one caller fails, something on the way may reject its request; where two
/// fail, it is an outage.
#[derive(Debug, Default)]
struct Evidence {
    /// The last failure: the caller, and when its attempt was started.
    last: Option<(Caller, Duration)>,
    /// When the last attempt of another caller that failed was started.
    other: Option<Duration>,
}

impl Evidence {
    fn failed(&mut self, caller: Caller, started: Duration) {
        if let Some((_, at)) = self.last.filter(|(last, _)| *last != caller) {
            self.other = Some(at);
        }
        self.last = Some((caller, started));
    }

    /// True if two callers failed with attempts that were started at `moment` or later.
    fn is_outage_since(&self, moment: Duration) -> bool {
        let last = self.last.map(|(_, started)| started);
        last.min(self.other)
            .is_some_and(|started| started >= moment)
    }
}

/// The request that asks whether the service is back.
#[derive(Debug)]
struct Probe {
    caller: Caller,
    granted: Duration,
    lease_ends: Duration,
}

/// How long a probe keeps others from probing: the first, and at most.
const LEASE: Duration = Duration::from_secs(1);
const LONGEST_LEASE: Duration = Duration::from_secs(5);

impl Outage {
    /// The state before any failure.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Outage {
        Outage {
            policy,
            ..Outage::default()
        }
    }

    /// Called before an attempt. `None` if the call may make the attempt, else the caller that waits, by
    /// [`step`](Outage::step). `caller` is what an earlier wait or failure of the call returned.
    pub fn must_wait(
        &mut self,
        caller: Option<Caller>,
        now: Duration,
        deadline: Duration,
    ) -> Option<Caller> {
        let known = caller.and_then(|caller| Some((caller, self.calls.get(&caller)?.state)));
        let caller = match known {
            Some((_, State::Probing)) => return None,
            Some((caller, State::Waiting { .. } | State::Over(_))) => return Some(caller),
            Some((_, State::Trying)) | None if !self.on => return None,
            Some((caller, State::Trying)) => caller,
            None => self.register(now, deadline),
        };
        self.wait(caller);
        Some(caller)
    }

    /// The step that a call takes now.
    pub fn step(&mut self, caller: Caller, now: Duration) -> Step {
        let Some(call) = self.calls.get_mut(&caller) else {
            return Step::Try;
        };
        let place = match call.state {
            State::Over(stopped) => return Step::Stop(stopped),
            State::Trying | State::Probing => return Step::Try,
            State::Waiting { place } => place,
        };
        if !self.on {
            if now < call.rests_until {
                return Step::Wait(call.rests_until);
            }
            self.stop_waiting(caller, State::Trying);
            return Step::Try;
        }
        let limit = call.limit.at;
        let due = self.due.max(self.lease_ends());
        // the probe under way serves those whose limit was over when it began, but no other
        let is_served = self.probe.as_ref().is_some_and(|it| limit <= it.granted);
        let own = if is_served { self.lease_ends() } else { limit };
        if now >= due.min(own) {
            self.probe(caller, now);
            return Step::Try;
        }
        let is_first = self.queue.first_key_value().map(|(first, _)| *first) == Some(place);
        let watched = if is_first { due } else { due + FALLBACK };
        Step::Wait(watched.min(own))
    }

    /// Records an attempt that failed. The call waits from then on. `random` is drawn anew for each failure.
    pub fn failed(
        &mut self,
        caller: Option<Caller>,
        attempt: FailedAttempt,
        now: Duration,
        random: u64,
    ) -> Caller {
        let caller = match caller.filter(|caller| self.calls.contains_key(caller)) {
            Some(caller) => caller,
            None => self.register(now, attempt.deadline),
        };
        let probe = self.probe.take_if(|probe| probe.caller == caller);
        self.stop_waiting(caller, State::Trying);
        let last_answer = self.last_answer;
        let answered_since = |moment| last_answer.is_some_and(|answer| answer >= moment);
        // what was sent before the last answer is no evidence of an outage now
        let is_evidence = attempt.unanswered && !answered_since(attempt.started);
        let call = self.calls.get_mut(&caller).expect(KNOWN);
        let alone = !attempt.unanswered || call.last_failure.is_none_or(answered_since);
        call.failures += u32::from(alone);
        call.last_failure = Some(now);
        call.rests += u32::from(alone || !self.on);
        let rest = self.policy.backoff(call.rests, random);
        call.rests_until = now.saturating_add(rest).min(call.limit.at.max(now));
        let most = self.policy.max_attempts.saturating_mul(2);
        if attempt.unanswered && alone && call.failures > most {
            call.state = State::Over(Stopped::AttemptsSpent);
        } else if call.limit.at <= attempt.started {
            call.state = State::Over(Stopped::OutageTooLong);
        } else {
            self.wait(caller);
        }
        if is_evidence {
            self.evidence.failed(caller, attempt.started);
        }
        if is_evidence && self.evidence.is_outage_since(Duration::ZERO) {
            if !self.on || attempt.started > self.last_failure {
                self.last_failure = now;
                self.schedule_probe(now, random);
            }
            self.on = true;
            self.end_late_calls(attempt.started);
        } else if let Some(probe) = probe {
            self.replace_probe(&probe, now, random);
        }
        self.wake_first();
        caller
    }

    /// Records that the service answered a call: the outage is over.
    pub fn answered(&mut self, now: Duration) {
        self.last_answer = self.last_answer.max(Some(now));
        let was_on = self.on;
        self.end();
        if was_on {
            self.woken.extend(self.queue.values());
        }
    }

    /// Removes a call that is over, or that failed for another reason. `random` is drawn anew.
    pub fn leave(&mut self, caller: Caller, now: Duration, random: u64) {
        self.stop_waiting(caller, State::Over(Stopped::OutageTooLong));
        self.calls.remove(&caller);
        self.woken.remove(&caller);
        if let Some(probe) = self.probe.take_if(|probe| probe.caller == caller) {
            self.replace_probe(&probe, now, random);
        }
        if self.queue.is_empty() && self.probe.is_none() {
            self.end();
        }
        self.wake_first();
    }

    /// Takes the calls that must ask for their step again.
    pub fn take_woken(&mut self) -> BTreeSet<Caller> {
        std::mem::take(&mut self.woken)
    }

    /// True once the service has answered a call.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        self.last_answer.is_some()
    }

    /// True if the service has answered a call at `moment` or later.
    #[must_use]
    pub fn has_answered_since(&self, moment: Duration) -> bool {
        self.last_answer.is_some_and(|answer| answer >= moment)
    }

    /// True while calls wait for the service.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// True while no call waits or has failed. No call must wait then, and an answer changes nothing but the time of the
    /// last one.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.calls.is_empty()
    }

    fn end(&mut self) {
        self.on = false;
        self.evidence = Evidence::default();
        self.failures = 0;
        self.probe = None;
    }

    fn register(&mut self, now: Duration, deadline: Duration) -> Caller {
        let caller = Caller(self.number());
        let call = Call {
            limit: Limit::new(now, deadline),
            state: State::Trying,
            failures: 0,
            last_failure: None,
            rests: 0,
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
        self.limits.insert((call.limit.at, caller));
        self.wake_first();
    }

    fn stop_waiting(&mut self, caller: Caller, state: State) {
        let Some(call) = self.calls.get_mut(&caller) else {
            return;
        };
        if let State::Waiting { place } = call.state {
            self.queue.remove(&place);
            self.limits.remove(&(call.limit.at, caller));
        }
        call.state = state;
    }

    fn probe(&mut self, caller: Caller, now: Duration) {
        let states = self.calls.values().map(|call| call.state);
        let hanging = states.filter(|state| *state == State::Probing).count();
        let failed = usize::try_from(self.failures).unwrap_or(usize::MAX);
        let doublings = failed.saturating_sub(1).saturating_add(hanging).min(3);
        self.probe = Some(Probe {
            caller,
            granted: now,
            lease_ends: now + (LEASE * (1 << doublings)).min(LONGEST_LEASE),
        });
        self.stop_waiting(caller, State::Probing);
        self.wake_first();
    }

    fn lease_ends(&self) -> Duration {
        let probe = self.probe.as_ref();
        probe.map_or(Duration::ZERO, |probe| probe.lease_ends)
    }

    /// Schedules the next probe, after a longer wait than the last.
    fn schedule_probe(&mut self, now: Duration, random: u64) {
        self.failures += 1;
        self.due = now.saturating_add(self.policy.backoff(self.failures, random));
    }

    /// The calls that wait and whose limit was over at `moment`.
    fn late_calls(&self, moment: Duration) -> Vec<(Duration, Caller)> {
        let to = (moment, Caller(u64::MAX));
        self.limits.range(..=to).copied().collect()
    }

    fn end_late_calls(&mut self, started: Duration) {
        for (limit, late) in self.late_calls(started) {
            if self.evidence.is_outage_since(limit) {
                self.stop_waiting(late, State::Over(Stopped::OutageTooLong));
            }
            self.woken.insert(late);
        }
    }

    /// A probe ended without news of the service. Calls for which it was the last probe get another.
    fn replace_probe(&mut self, probe: &Probe, now: Duration, random: u64) {
        self.schedule_probe(now, random);
        for (limit, late) in self.late_calls(probe.granted) {
            let call = self.calls.get_mut(&late).expect(KNOWN);
            call.limit = call.limit.after(now);
            self.limits.remove(&(limit, late));
            self.limits.insert((call.limit.at, late));
            self.woken.insert(late);
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
