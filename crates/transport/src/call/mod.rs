//! One call: it makes attempts until one settles it, each in its turn of the quota, and all within the deadline. What
//! follows from a failed attempt is decided in core's `retry`.
//!
//! ```text
//!    ┌───────────── wait: backoff, or the end of an outage ◄─────────────┐
//!    ▼                                                                   │ may be made again
//! outage ──► UserSig ──► rate limiter ──► exchange ──► judge ─┬─ failed ─┴─► Error
//!                                                             └─ done ─────► Outcome
//! ```

mod events;
mod options;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use imtag_core::quota::Admission;
use imtag_core::retry::{Decision, Failure, Known, Retry, Stopped};
use imtag_core::{Answer, Effect, Request, RetryClass, Verdict};

use crate::credentials::{NoUserSig, VersionedUserSig};
use crate::error::{Cause, Error, Phase, explain};
use crate::event::{event, millis};
use crate::http::{Exchange, Exchanged, Stale, Step, StepWatcher};
use crate::outages::CallPlace;
use crate::outcome::Outcome;
use crate::process::random_u64;
use crate::rate_limiter::Permit;
use crate::state::{Settings, State};
use crate::stats::Counted;
use crate::wait::{WaitEnd, WaitScope, deadline_from};

pub use options::CallOptions;

pub(crate) struct Call<'c> {
    settings: &'c Settings,
    state: &'c State,
    request: &'c dyn Request,
    wait_scope: WaitScope,
    attempt_timeout: Option<Duration>,
    started: Instant,
    retry: Retry,
    attempts: u32,
    /// Attempts of which a byte left this machine.
    sent: u32,
    /// Of the settings' hosts the one of the last attempt.
    host: usize,
    /// The strongest effect that any attempt may have had.
    effect: Effect,
    /// An attempt was sent that the service may not have finished: it may still have its effect.
    pub(crate) may_arrive_late: bool,
    /// The last attempt met a dead or silent connection.
    over_new_connection: bool,
    place: CallPlace<'c>,
    /// Why the last attempt of this call failed, while it waits to make another.
    last_failure: Option<Arc<Cause>>,
    /// Called when an attempt has its turn in the quota. It says what is sent.
    pub(crate) on_turn: Option<&'c dyn Fn() -> Turn<'c>>,
    /// If it fails, its caller searches it for the user at fault.
    pub(crate) is_searched: bool,
    /// Others go before it in the quota.
    pub(crate) in_background: bool,
    /// What its one attempt did, if that is asked for.
    pub(crate) trace: Option<CallTrace>,
}

/// What is sent in a turn.
pub(crate) enum Turn<'c> {
    /// The request as it is.
    AsIs,
    /// From now on a part of it, as the rest was recalled.
    Part(&'c dyn Request),
    /// Nothing, as all was recalled.
    Nothing,
}

/// What an attempt did.
pub(crate) struct CallTrace {
    watcher: StepWatcher,
    pub(crate) steps: Vec<Step>,
    /// The answer's `Date`, since the Unix epoch.
    pub(crate) date: Option<Duration>,
}

impl<'c> Call<'c> {
    pub(crate) fn new(
        settings: &'c Settings,
        state: &'c State,
        request: &'c dyn Request,
        options: &CallOptions,
        in_run: bool,
    ) -> Call<'c> {
        let started = Instant::now();
        let deadline = deadline_from(started, options.timeout.unwrap_or(settings.timeout));
        Call {
            settings,
            state,
            request,
            wait_scope: options.wait_scope(deadline),
            attempt_timeout: options.attempt_timeout,
            started,
            retry: Retry::new(settings.retry, in_run),
            attempts: 0,
            sent: 0,
            host: 0,
            effect: Effect::NotApplied,
            may_arrive_late: false,
            over_new_connection: false,
            place: CallPlace::new(&state.outages, &state.http),
            last_failure: None,
            on_turn: None,
            is_searched: false,
            in_background: false,
            trace: None,
        }
    }

    /// The same with one attempt, over a new connection, noting each step and telling of it.
    pub(crate) fn traced(self, watcher: StepWatcher) -> Call<'c> {
        let trace = CallTrace {
            watcher,
            steps: Vec::new(),
            date: None,
        };
        Call {
            over_new_connection: true,
            trace: Some(trace),
            ..self
        }
    }

    /// Makes the call, and counts it.
    pub(crate) fn run(&mut self) -> Result<Outcome, Error> {
        let in_flight = self.counted().begin();
        let result = self.make();
        match &result {
            Ok(_) => in_flight.ended("done"),
            Err(error) => {
                event!(
                    debug,
                    operation = error.operation.name(),
                    route = self.route(),
                    attempts = self.attempts,
                    attempts_sent = self.sent,
                    duration_ms = millis(self.started.elapsed()),
                    cause = error.cause.name(),
                    when = error.cause.when(),
                    detail = error.cause.detail(),
                    code = error.code().map(|code| code.0),
                    effect = error.effect.name(),
                    host = self.host(),
                    request_id = error.request_id(),
                    "call failed"
                );
                in_flight.ended(error.cause.name());
            }
        }
        result
    }

    fn counted(&self) -> &'c Counted {
        self.state.counters.operation(self.request.operation())
    }

    /// The host of the last attempt, or the one that is set.
    fn host(&self) -> &'c str {
        self.settings.hosts[self.host].endpoint.host()
    }

    fn route(&self) -> &'static str {
        let generation = self.settings.rules.generation;
        self.request.operation().path(generation)
    }

    fn make(&mut self) -> Result<Outcome, Error> {
        if self.request.rules() != &self.settings.rules {
            let checked = self.request.check(&self.settings.rules);
            checked.map_err(|invalid| self.error(Cause::Invalid(invalid), None))?;
        }
        let _watch = self.wait_scope.watch();
        let begins = self.wait_scope.check_at(self.started);
        begins.map_err(|stop| self.error(Cause::from_wait_end(stop, Phase::Start), None))?;
        loop {
            let (usersig, permit) = self.turn()?;
            if let Some(outcome) = self.attempt(&usersig, permit)? {
                return Ok(outcome);
            }
        }
    }

    /// Waits for the end of an outage, for a UserSig, and for the quota.
    fn turn(&mut self) -> Result<(VersionedUserSig, Permit<'c>), Error> {
        loop {
            let waited = self.place.await_turn(&self.wait_scope);
            waited.map_err(|(end, stopped)| {
                // a call that began in the outage has no failure of its own
                let of_outage = self.place.last_failure();
                self.ended(end, stopped, Phase::Backoff, of_outage)
            })?;
            let usersig = self.state.usersigs.current(
                &self.settings.credentials,
                self.settings.sdkappid,
                &self.settings.identifier,
                &self.wait_scope,
            );
            let usersig = match usersig {
                Ok(usersig) => usersig,
                Err(NoUserSig::Stopped(stop)) => {
                    return Err(self.error(Cause::from_wait_end(stop, Phase::Credentials), None));
                }
                Err(NoUserSig::Failed(error)) => {
                    let cause = Cause::Credentials(error);
                    self.await_next(cause, Failure::NoUserSig, Instant::now(), false)?;
                    continue;
                }
            };
            let permit = self.acquire()?;
            if self.place.may_send(self.wait_scope.deadline) {
                return Ok((usersig, permit));
            }
            permit.withdrew(); // an outage began while it waited: other calls may use its turn
        }
    }

    fn acquire(&mut self) -> Result<Permit<'c>, Error> {
        let limiter = self.state.quota.rate_limiter(self.request.operation());
        let (began, deadline) = (Instant::now(), self.wait_scope.deadline);
        if !self.retry.counts_waits() {
            self.wait_scope.deadline = deadline_from(began, Duration::MAX);
        }
        let permit = limiter.acquire(&self.wait_scope, self.in_background);
        let waited = began.elapsed();
        if !self.retry.counts_waits() {
            self.wait_scope.deadline = deadline + waited;
        }
        if permit.as_ref().map_or(true, |permit| permit.has_waited) {
            self.counted().waited(waited);
            event!(
                debug,
                operation = self.request.operation().name(),
                wait_ms = millis(waited),
                "waited for the quota"
            );
        }
        permit.map_err(|end| {
            if !self.place.is_taken() {
                self.last_failure = None; // it was a backoff: that the quota ended the call says more
            }
            self.ended(end, Stopped::DeadlineTooNear, Phase::Quota, None)
        })
    }

    /// Makes an attempt in its turn. `None`: it failed, and another may be made.
    fn attempt(
        &mut self,
        usersig: &VersionedUserSig,
        permit: Permit<'_>,
    ) -> Result<Option<Outcome>, Error> {
        match self.on_turn.map_or(Turn::AsIs, |on_turn| on_turn()) {
            Turn::AsIs => {}
            Turn::Part(request) => {
                self.request = request;
                self.is_searched &= request.accounts().len() > 1;
            }
            Turn::Nothing => {
                permit.withdrew(); // others may use its turn
                let phase = Phase::Quota;
                return Err(self.error(Cause::Timeout { phase }, None));
            }
        }
        self.attempts += 1;
        let started = Instant::now();
        let mut exchanged = self.exchange(usersig, started);
        let (sent, answered, date) = (exchanged.sent, exchanged.answered, exchanged.date);
        let stale = exchanged.stale;
        self.over_new_connection = stale.is_some();
        self.wait_scope.deadline += exchanged.waited;
        self.sent += u32::from(sent);
        self.host = exchanged.host;
        self.place.was_tried(self.host, sent);
        let counted = self.counted();
        counted.attempts.add(1);
        counted.sent.add(u64::from(sent));
        if let Some(trace) = &mut self.trace {
            trace.steps = std::mem::take(&mut exchanged.steps);
            trace.date = date;
        }
        let read = exchanged.read(self.request);
        let mut cause = match read.and_then(|answer| self.outcome(answer, date)) {
            Ok(mut outcome) => {
                permit.answered(Admission::Admitted);
                outcome.redact(&usersig.usersig);
                self.place.answered(self.host);
                self.note_answer(None);
                self.retry.succeeded(&self.state.budget);
                let request_id = outcome.request_id.as_deref();
                self.attempt_ended(started, sent, request_id, None);
                return Ok(Some(outcome));
            }
            Err(cause) => cause,
        };
        let failure = match stale {
            Some(Stale::Dead) => Failure::StaleConnection,
            _ => cause.failure(self.request.operation()),
        };
        let meaning = failure.meaning();
        match meaning.refused_as {
            Some(RetryClass::AfterWindow) => {
                permit.answered(Admission::TooFrequent);
                counted.rejections.add(1);
            }
            _ if answered => permit.answered(Admission::Admitted),
            _ if sent => permit.abandoned(),
            _ => permit.withdrew(),
        }
        cause.redact(&usersig.usersig);
        let effect = if sent {
            meaning.effect
        } else {
            Effect::NotApplied
        };
        self.attempt_ended(started, sent, cause.request_id(), Some((&cause, effect)));
        self.effect = self.effect.max(effect);
        self.may_arrive_late |= sent && meaning.may_arrive_late;
        let credentials = &self.settings.credentials;
        let has_other_usersig = meaning.refused_as == Some(RetryClass::NewUserSig)
            && self.state.usersigs.expired(usersig, credentials);
        if meaning.is_answer {
            self.place.answered(self.host);
            if !has_other_usersig {
                self.note_answer(Some(failure));
            }
        }
        self.await_next(cause, failure, started, has_other_usersig)?;
        Ok(None)
    }

    /// An attempt that was `started` then has failed: waits until another may be made, or fails with why none is.
    fn await_next(
        &mut self,
        cause: Cause,
        failure: Failure,
        started: Instant,
        has_other_usersig: bool,
    ) -> Result<(), Error> {
        let cause = Arc::new(cause);
        if failure.is_unanswered() {
            self.place.unanswered(&cause, started);
        }
        let known = Known {
            service_has_answered: self.state.outages.service.service_has_answered(),
            has_other_usersig,
            is_searched: self.is_searched,
        };
        let deadline = self.wait_scope.deadline;
        let mut decision = self.retry.failed(
            failure,
            known,
            &self.state.budget,
            self.started.elapsed(),
            deadline.saturating_duration_since(self.started),
            random_u64(),
        );
        if self.trace.is_some() && !matches!(decision, Decision::Stop(_)) {
            decision = Decision::Stop(Stopped::AttemptsSpent);
        }
        if !matches!(decision, Decision::Stop(_)) {
            let wait = match decision {
                Decision::RetryAt(at) => Some(at.saturating_sub(self.started.elapsed())),
                _ => None,
            };
            event!(
                debug,
                operation = self.request.operation().name(),
                attempt = self.attempts + 1,
                cause = cause.name(),
                code = cause.refusal().map(|refusal| refusal.code.0),
                wait_ms = wait.map(millis),
                awaits_service = matches!(decision, Decision::AwaitService { .. }),
                "trying again"
            );
        }
        match decision {
            Decision::Stop(stopped) => {
                // the callback that makes UserSigs may work again for the next call
                let says = stopped != Stopped::Permanent || failure != Failure::NoUserSig;
                return Err(self.error(cause, says.then_some(stopped)));
            }
            Decision::RetryAtOnce => {}
            Decision::RetryAt(at) => {
                self.place.leave();
                self.last_failure = Some(cause);
                let waited = self.wait_scope.sleep_until(self.started + at);
                let stopped = Stopped::DeadlineTooNear;
                waited.map_err(|end| self.ended(end, stopped, Phase::Backoff, None))?;
            }
            Decision::AwaitService { unanswered } => {
                self.place.failed(&cause, unanswered, started, deadline);
                self.last_failure = Some(cause);
            }
        }
        Ok(())
    }

    /// The error of a call whose wait before an attempt ended. Its last failure says more than that the time was up, and
    /// if it has none, `other` does.
    fn ended(
        &mut self,
        end: WaitEnd,
        stopped: Stopped,
        phase: Phase,
        other: Option<Arc<Cause>>,
    ) -> Error {
        if end == WaitEnd::Cancelled {
            return self.error(Cause::Cancelled { phase }, None);
        }
        let Some(last) = self.last_failure.take().or(other) else {
            return self.error(Cause::Timeout { phase }, None);
        };
        self.error(last, Some(stopped))
    }

    fn exchange(&self, usersig: &VersionedUserSig, started: Instant) -> Exchanged {
        let left = self.wait_scope.deadline.saturating_duration_since(started);
        self.state.http.exchange(&Exchange {
            path: self.route(),
            random: self.state.random.next_u64() as u32, // the pages ask for 32 bits
            usersig: &usersig.usersig,
            body: self.request.json(),
            wait_scope: &self.wait_scope,
            started,
            timeout: self.attempt_timeout.or(self.retry.attempt_time(left)),
            connect_timeout: self.settings.connect_timeout,
            bound: self.place.bound(),
            over_new_connection: self.over_new_connection,
            waits_for_connection: !self.retry.counts_waits(),
            step_watcher: self.trace.as_ref().map(|trace| &trace.watcher),
        })
    }

    /// `date`: the answer's, since the Unix epoch.
    fn outcome(&self, answer: Answer, date: Option<Duration>) -> Result<Outcome, Cause> {
        let request_id = answer.request_id;
        let (left_out, tags, unanswered) = match answer.verdict {
            Verdict::Refused(refusal) => {
                let (hint, remedy) = explain(
                    refusal.code,
                    self.settings.credentials.source(),
                    SystemTime::now(),
                    date,
                );
                return Err(Cause::Service {
                    refusal,
                    request_id,
                    hint,
                    remedy,
                });
            }
            Verdict::Done {
                left_out,
                tags,
                unanswered,
            } => (left_out, tags, unanswered),
        };
        let outcome = Outcome {
            accounts: self.request.accounts().len() - left_out.len() - unanswered.len(),
            attempts: self.attempts,
            sent: self.sent,
            request_id,
            tags,
            unanswered,
        };
        if left_out.is_empty() {
            return Ok(outcome);
        }
        Err(Cause::Partial {
            outcome: Box::new(outcome),
            failures: left_out,
        })
    }

    fn error(&self, cause: impl Into<Arc<Cause>>, stopped: Option<Stopped>) -> Error {
        let operation = self.request.operation();
        Error {
            operation,
            cause: cause.into(),
            effect: self.effect.for_operation(operation),
            attempts: self.attempts,
            sent: self.sent,
            stopped,
            proxy: self.settings.proxy(),
        }
    }
}
