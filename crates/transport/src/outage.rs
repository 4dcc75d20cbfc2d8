//! Waits for a service that does not answer. All calls of a client wait together, each on its own thread. The rule is in
//! core; this adds the clock, the threads to wake, and the last failure, for a call that ends without one of its own.
//!
//! While all calls are answered the rule is calm, and no call takes its lock. An answer then changes nothing but the time of
//! the last one, which is noted beside the rule; the next call that takes the lock tells the rule of it first. No answer is
//! lost between the two: a call notes its answer before it looks whether the rule is calm, and one that takes the lock calls
//! the rule busy before it takes the note. So either the first sees that the rule is busy, and takes the lock too, or the
//! second sees the note.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use imtag_core::retry::outage::{Caller, FailedAttempt, Outage as Rule, Step};
use imtag_core::retry::{RetryPolicy, Stopped};

use crate::error::Cause;
use crate::event::{event, millis};
use crate::process::random_u64;
use crate::wait::thread::{self, Thread};
use crate::wait::{AtomicBool, AtomicU64, Lock, Polled, WaitEnd, WaitScope, now};

pub(crate) struct Outage {
    origin: Instant,
    /// The host that the calls wait for, where others go to another one: then it is no outage of the client's.
    host: Option<String>,
    /// The rule is calm, and nobody is about to change that.
    is_calm: AtomicBool,
    /// The time of an answer of which the rule does not know, in nanoseconds; 0 if there is none.
    noted_answer: AtomicU64,
    state: Lock<State>,
}

struct State {
    rule: Rule,
    /// The threads of the calls that wait.
    threads: HashMap<Caller, Thread>,
    last_failure: Option<Arc<Cause>>,
    /// Attempts without an answer, since the last answer: see [`Outage::attempt_failed`].
    unanswered: u32,
    /// Since when it lasts, if it does.
    since: Option<Duration>,
    /// How many there were.
    count: u64,
}

impl Outage {
    pub(crate) fn new(policy: RetryPolicy) -> Outage {
        Outage {
            origin: now(),
            host: None,
            is_calm: AtomicBool::new(true),
            noted_answer: AtomicU64::new(0),
            state: Lock::new(State {
                rule: Rule::new(policy),
                threads: HashMap::new(),
                last_failure: None,
                unanswered: 0,
                since: None,
                count: 0,
            }),
        }
    }

    /// One in which some of the client's calls wait for a host, while others are answered.
    pub(crate) fn of_host(policy: RetryPolicy, host: &str) -> Outage {
        Outage {
            host: Some(host.to_owned()),
            ..Outage::new(policy)
        }
    }

    fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.origin)
    }

    /// True once the service has answered this client in this process.
    pub(crate) fn service_has_answered(&self) -> bool {
        self.with(|state, _| state.rule.has_answered())
    }

    /// Runs `act`, unlocks, and wakes the calls whose turn it changed.
    fn with<T>(&self, act: impl FnOnce(&mut State, Duration) -> T) -> T {
        let now = self.at(now());
        let mut state = self.state.lock();
        self.is_calm.store(false, Ordering::SeqCst);
        let noted = self.noted_answer.swap(0, Ordering::SeqCst);
        if noted > 0 {
            state.rule.answered(Duration::from_nanos(noted));
            state.unanswered = 0;
        }
        let result = act(&mut state, now);
        let changed = state.note_outage(now, self.host.is_none());
        let outage = state.count;
        let is_calm = state.rule.is_calm() && state.since.is_none();
        self.is_calm.store(is_calm, Ordering::SeqCst);
        let woken = state.rule.take_woken();
        let threads = woken.iter().filter_map(|caller| state.threads.get(caller));
        let threads: Vec<Thread> = threads.cloned().collect();
        drop(state);
        for thread in threads {
            thread.unpark();
        }
        if let Some(changed) = changed {
            self.tell(&changed, outage);
        }
        result
    }

    /// Says that an outage began or ended, with its number: the lock is free by now, so of two threads the one with the end
    /// may come first.
    fn tell(&self, changed: &Changed, outage: u64) {
        match (changed, &self.host) {
            (Changed::Begins(cause), None) => event!(
                warn,
                outage,
                cause = cause.as_ref().map(|cause| cause.name()),
                when = cause.as_ref().and_then(|cause| cause.when()),
                detail = cause.as_ref().and_then(|cause| cause.detail()),
                "service unavailable"
            ),
            (Changed::Begins(cause), Some(host)) => event!(
                warn,
                host,
                outage,
                cause = cause.as_ref().map(|cause| cause.name()),
                when = cause.as_ref().and_then(|cause| cause.when()),
                detail = cause.as_ref().and_then(|cause| cause.detail()),
                "calls wait for a host"
            ),
            (Changed::Ends { after }, Some(host)) => event!(
                info,
                host,
                outage,
                duration_ms = millis(*after),
                "no call waits for the host any more"
            ),
            (Changed::Ends { after }, None) => event!(
                info,
                outage,
                duration_ms = millis(*after),
                "service is back"
            ),
        }
    }

    /// An attempt that was `started` then had no answer. Two in a row, of one call or of two, are an outage, unless the service
    /// answered another call meanwhile: calls need not overlap to show it.
    pub(crate) fn attempt_failed(&self, cause: &Arc<Cause>, started: Instant) {
        let started = self.at(started);
        self.with(|state, _| {
            if !state.rule.has_answered_since(started) {
                state.unanswered = state.unanswered.saturating_add(1);
                state.last_failure = Some(Arc::clone(cause));
            }
        });
    }

    /// How many outages there were, and whether there is one.
    pub(crate) fn counted(&self) -> (u64, bool) {
        let state = self.state.lock();
        (state.count, state.since.is_some())
    }

    /// The service has answered: the outage is over for all calls.
    pub(crate) fn answered(&self) {
        let at = u64::try_from(self.at(now()).as_nanos()).unwrap_or(u64::MAX);
        self.noted_answer.fetch_max(at.max(1), Ordering::SeqCst);
        if !self.is_calm.load(Ordering::SeqCst) {
            self.with(|_, _| ()); // tells the rule of it
        }
    }
}

/// So many attempts without an answer are an outage.
const IN_A_ROW: u32 = 2;

/// What a step has changed.
enum Changed {
    Begins(Option<Arc<Cause>>),
    Ends { after: Duration },
}

impl State {
    /// Notes whether there is an outage after a step. That of the service lasts until an answer, also while no call waits for
    /// one; that of a host while a call does.
    fn note_outage(&mut self, now: Duration, is_of_service: bool) -> Option<Changed> {
        if is_of_service && self.rule.is_on() {
            self.unanswered = self.unanswered.max(IN_A_ROW);
        }
        match (self.since, self.rule.is_on() || self.unanswered >= IN_A_ROW) {
            (None, true) => {
                self.since = Some(now);
                self.count += 1;
                Some(Changed::Begins(self.last_failure.clone()))
            }
            (Some(since), false) => {
                self.since = None;
                let after = now.saturating_sub(since);
                Some(Changed::Ends { after })
            }
            _ => None,
        }
    }
}

/// A call's place among its client's calls, until it is dropped. It is registered with the rule from its first failure or
/// wait on.
pub(crate) struct OutagePlace<'o> {
    outage: &'o Outage,
    caller: Option<Caller>,
}

impl<'o> OutagePlace<'o> {
    pub(crate) fn new(outage: &'o Outage) -> OutagePlace<'o> {
        OutagePlace {
            outage,
            caller: None,
        }
    }

    /// Waits until the call may make an attempt. Without an outage it does not wait. Fails with how the wait ended, and why
    /// the call makes no further attempt: to one that the rule ends its time is up. Returns false where the call must leave
    /// before that, as `must_leave` says: it is asked before each step, so that such a call never holds up the others as
    /// their probe.
    pub(crate) fn await_turn(
        &mut self,
        wait_scope: &WaitScope,
        must_leave: impl Fn() -> bool,
    ) -> Result<bool, (WaitEnd, Stopped)> {
        let waited = wait_scope.wait_until(|| {
            if must_leave() {
                return Polled::Ready(Ok(false));
            }
            match self.step(wait_scope.deadline) {
                Step::Try => Polled::Ready(Ok(true)),
                Step::Stop(stopped) => Polled::Ready(Err((WaitEnd::TimedOut, stopped))),
                Step::Wait(moment) => Polled::WaitUntil(self.outage.origin + moment),
            }
        });
        waited.map_err(|end| (end, Stopped::DeadlineTooNear))?
    }

    /// True if the call may make an attempt now; else it waits with the others.
    pub(crate) fn may_send(&mut self, deadline: Instant) -> bool {
        self.step(deadline) == Step::Try
    }

    fn step(&mut self, deadline: Instant) -> Step {
        if self.caller.is_none() && self.outage.is_calm.load(Ordering::SeqCst) {
            return Step::Try;
        }
        let deadline = self.outage.at(deadline);
        self.outage.with(|state, now| {
            let Some(caller) = state.rule.must_wait(self.caller, now, deadline) else {
                return Step::Try;
            };
            self.caller = Some(caller);
            let step = state.rule.step(caller, now);
            if let Step::Wait(_) = step {
                state.threads.insert(caller, thread::current());
            } else {
                state.threads.remove(&caller);
            }
            step
        })
    }

    /// An attempt failed, and the call waits. `unanswered`: no one answered it.
    pub(crate) fn failed(
        &mut self,
        cause: &Arc<Cause>,
        unanswered: bool,
        started: Instant,
        deadline: Instant,
    ) {
        let attempt = FailedAttempt {
            started: self.outage.at(started),
            deadline: self.outage.at(deadline),
            unanswered,
        };
        let caller = self.outage.with(|state, now| {
            if unanswered {
                state.last_failure = Some(Arc::clone(cause));
            }
            state.rule.failed(self.caller, attempt, now, random_u64())
        });
        self.caller = Some(caller);
    }

    /// True if the call waits for the service, or waited for it before the attempt that it is about to make.
    pub(crate) fn is_taken(&self) -> bool {
        self.caller.is_some()
    }

    /// The last failure without an answer, of any call: for one that ends in an outage.
    pub(crate) fn last_failure(&self) -> Option<Arc<Cause>> {
        self.outage.state.lock().last_failure.clone()
    }

    /// The call is over, or failed for another reason.
    pub(crate) fn leave(&mut self) {
        if let Some(caller) = self.caller.take() {
            self.outage.with(|state, now| {
                state.threads.remove(&caller);
                state.rule.leave(caller, now, random_u64());
            });
        }
    }
}

impl Drop for OutagePlace<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
impl Outage {
    /// No answer is kept from a rule with calls that wait for one.
    pub(crate) fn is_told_of_answers(&self) -> bool {
        self.is_calm.load(Ordering::SeqCst) || self.noted_answer.load(Ordering::SeqCst) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Phase;

    #[test]
    fn an_answer_is_noted_beside_a_calm_rule_and_told_to_it_before_a_failure() {
        let outage = Outage::new(RetryPolicy::default());
        let knows = || outage.state.lock().rule.has_answered();
        outage.answered();
        assert!(!knows());
        let mut fails = OutagePlace::new(&outage);
        let cause = Arc::new(Cause::Timeout { phase: Phase::Read });
        fails.failed(&cause, true, outage.origin, now());
        assert!(knows());
        assert!(outage.is_told_of_answers());
        outage.answered();
        assert!(outage.is_told_of_answers());
    }

    /// Notes each event: its message, and the fields that tell outages apart.
    #[derive(Clone, Default)]
    struct Listener(Arc<Lock<Vec<String>>>);

    impl tracing::Subscriber for Listener {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn event(&self, event: &tracing::Event<'_>) {
            let (mut message, mut shown) = (String::new(), String::new());
            let mut visit =
                |field: &tracing::field::Field, value: &dyn std::fmt::Debug| match field.name() {
                    "message" => message = format!("{value:?}"),
                    name @ ("host" | "outage" | "cause") => shown += &format!(" {name}={value:?}"),
                    _ => {}
                };
            event.record(&mut visit);
            self.0.lock().push(message + &shown);
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn the_log_numbers_outages_and_names_the_host_that_some_calls_wait_for() {
        let listener = Listener::default();
        let policy = RetryPolicy::default();
        tracing::subscriber::with_default(listener.clone(), || {
            for outage in [Outage::new(policy), Outage::of_host(policy, "a.test")] {
                for _ in 0..2 {
                    let mut places = [(); 2].map(|()| OutagePlace::new(&outage));
                    let phase = Phase::Connect;
                    let cause = Arc::new(Cause::Timeout { phase });
                    for place in &mut places {
                        place.failed(&cause, true, now(), now() + Duration::from_secs(60));
                    }
                    outage.answered();
                }
            }
        });
        let said = listener.0.lock();
        assert_eq!(
            *said,
            [
                "service unavailable outage=1 cause=\"timeout\"",
                "service is back outage=1",
                "service unavailable outage=2 cause=\"timeout\"",
                "service is back outage=2",
                "calls wait for a host host=\"a.test\" outage=1 cause=\"timeout\"",
                "no call waits for the host any more host=\"a.test\" outage=1",
                "calls wait for a host host=\"a.test\" outage=2 cause=\"timeout\"",
                "no call waits for the host any more host=\"a.test\" outage=2",
            ]
        );
    }
}
