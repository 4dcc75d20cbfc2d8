//! One call: it makes attempts until one settles it, each in its turn of the quota, and all within the deadline.
//!
//! ```text
//!    ┌───────────── wait: backoff, or the end of an outage ◄─────────────┐
//!    ▼                                                                   │ may be made again
//! outage ──► UserSig ──► rate limiter ──► exchange ──► judge ─┬─ failed ─┴─► Error
//!                                                             └─ done ─────► Outcome
//! ```

mod options;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use imtag_core::quota::Admission;
use imtag_core::retry::{Decision, FailedAttempt, Retry, RetryBudget, Stopped};
use imtag_core::{Answer, Effect, Request, RetryClass, Verdict};

use crate::credentials::{NoUserSig, VersionedUserSig};
use crate::error::{Cause, Error, Phase, explain};
use crate::http::{Exchange, Exchanged, Stale, path_and_query};
use crate::outage::{Ended, Place};
use crate::outcome::Outcome;
use crate::process::random_u64;
use crate::rate_limiter::Permit;
use crate::state::{Settings, State};
use crate::wait::{WaitEnd, WaitScope, deadline_after};

pub use options::CallOptions;

pub(crate) struct Call<'c, R> {
    settings: &'c Settings,
    state: &'c State,
    request: &'c R,
    wait_scope: WaitScope,
    attempt_timeout: Option<Duration>,
    started: Instant,
    retry: Retry,
    attempts: u32,
    /// Attempts of which a byte left this machine.
    sent: u32,
    /// The last attempt met a dead or silent connection.
    over_new_connection: bool,
    /// The strongest effect that any attempt may have had.
    effect: Effect,
    /// An attempt was sent that the service may not have finished: it may still have its effect.
    pub(crate) may_arrive_late: bool,
    /// The `Date` of the last answer.
    server_date: Option<String>,
    place: Place<'c>,
    /// Why the last attempt failed, while the call waits to make another.
    last_failure: Option<Arc<Cause>>,
    /// It belongs to a bulk run, which waits out more failures.
    pub(crate) in_run: bool,
    /// An attempt got no answer in half of the call's time: the next one may use all of it.
    was_silent: bool,
    /// Called when an attempt has its turn in the quota.
    pub(crate) on_turn: Option<&'c dyn Fn()>,
}

/// Why a call has no outcome yet.
enum Failed {
    /// An attempt failed.
    Attempt {
        cause: Arc<Cause>,
        effect: Effect,
        kind: FailedAttempt,
        started: Instant,
    },
    /// The call ended before the next attempt.
    Ended(Arc<Cause>, Option<Stopped>),
}

impl<'c, R: Request> Call<'c, R> {
    pub(crate) fn new(
        settings: &'c Settings,
        state: &'c State,
        request: &'c R,
        options: &CallOptions,
    ) -> Call<'c, R> {
        let timeout = options.timeout.unwrap_or(settings.timeout);
        Call {
            settings,
            state,
            request,
            wait_scope: options.wait_scope(deadline_after(timeout)),
            attempt_timeout: options.attempt_timeout,
            started: Instant::now(),
            retry: Retry::new(settings.retry),
            attempts: 0,
            sent: 0,
            over_new_connection: false,
            effect: Effect::NotApplied,
            may_arrive_late: false,
            server_date: None,
            place: Place::new(&state.outage),
            last_failure: None,
            in_run: false,
            was_silent: false,
            on_turn: None,
        }
    }

    pub(crate) fn run(&mut self) -> Result<Outcome, Error> {
        if self.request.rules() != &self.settings.rules {
            let checked = self.request.check(&self.settings.rules);
            checked.map_err(|invalid| self.error(Cause::Invalid(invalid), None))?;
        }
        let _watch = self.wait_scope.watch();
        let begins = self.wait_scope.check();
        begins.map_err(|stop| self.error(Cause::from_wait_end(stop, Phase::Start), None))?;
        let mut body = Vec::new();
        self.request.write_body(&mut body);
        loop {
            let (cause, kind, started) = match self.attempt(&body) {
                Ok(outcome) => {
                    self.with_budget(|retry, budget| retry.succeeded(budget));
                    return Ok(outcome);
                }
                Err(Failed::Ended(cause, stopped)) => return Err(self.error(cause, stopped)),
                Err(Failed::Attempt {
                    cause,
                    effect,
                    kind,
                    started,
                }) => {
                    self.effect = self.effect.max(effect);
                    (cause, kind, started)
                }
            };
            match self.decide(kind) {
                Decision::Stop(stopped) => return Err(self.error(cause, Some(stopped))),
                Decision::RetryAt(at) => {
                    if let FailedAttempt::Class(_) = kind {
                        self.place.leave();
                        // a run that ends reports this failure, and not that a wait took too long
                        self.last_failure = self.in_run.then_some(cause);
                    }
                    let waited = self.wait_scope.sleep_until(self.started + at);
                    waited.map_err(|stop| {
                        self.error(Cause::from_wait_end(stop, Phase::Backoff), None)
                    })?;
                }
                Decision::AwaitService => {
                    // a socket that this machine refuses must not hold up calls that have a connection
                    let unanswered = kind == FailedAttempt::Unanswered && !cause.is_local_failure();
                    let deadline = self.wait_scope.deadline;
                    self.place.failed(&cause, unanswered, started, deadline);
                    self.last_failure = Some(cause);
                }
            }
        }
    }

    fn attempt(&mut self, body: &[u8]) -> Result<Outcome, Failed> {
        let (usersig, permit) = self.turn()?;
        self.on_turn.iter().for_each(|notify| notify());
        self.attempts += 1;
        let started = Instant::now();
        let exchanged = self.exchange(&usersig, body);
        let (sent, stale) = (exchanged.sent, exchanged.stale);
        self.over_new_connection = stale.is_some();
        self.wait_scope.deadline += exchanged.waited;
        self.sent += u32::from(sent);
        self.server_date = exchanged.date().map(str::to_owned);
        let judged = self.judge(exchanged, permit, &usersig);
        if let Err(cause) = &judged {
            self.may_arrive_late |= sent && !cause.is_final();
            self.was_silent |= matches!(cause, Cause::Timeout { .. });
        }
        if let Ok(_) | Err(Cause::Service { .. } | Cause::Partial { .. }) = &judged {
            self.place.answered();
        }
        judged.map_err(|cause| Failed::Attempt {
            kind: self.classify(&cause, stale, &usersig),
            effect: if sent {
                cause.effect()
            } else {
                Effect::NotApplied
            },
            cause: Arc::new(cause),
            started,
        })
    }

    /// Waits for the end of an outage, and for the quota.
    fn turn(&mut self) -> Result<(VersionedUserSig, Permit<'c>), Failed> {
        loop {
            let waited = self.place.await_turn(&self.wait_scope);
            waited.map_err(|ended| self.ended(ended, Phase::Backoff))?;
            let usersig = self.usersig()?;
            let limiter = self.state.quota.rate_limiter(R::OPERATION);
            let permit = limiter.acquire(&self.wait_scope);
            let permit = permit.map_err(|stop| self.ended(Ended::Stopped(stop), Phase::Quota))?;
            if self.place.may_send(self.wait_scope.deadline) {
                return Ok((usersig, permit));
            }
            permit.withdrew(); // an outage began while it waited: other calls may use its turn
        }
    }

    /// The wait before an attempt ended. An earlier failure says more than that the time was up.
    fn ended(&mut self, ended: Ended, phase: Phase) -> Failed {
        let (stop, stopped) = match ended {
            Ended::Stopped(WaitEnd::Cancelled) => {
                return Failed::Ended(Cause::from_wait_end(WaitEnd::Cancelled, phase).into(), None);
            }
            Ended::Stopped(stop) => (stop, Stopped::DeadlineTooNear),
            Ended::TooLong => (WaitEnd::TimedOut, Stopped::OutageTooLong),
            Ended::Spent => (WaitEnd::TimedOut, Stopped::AttemptsSpent),
        };
        let mut last = self.last_failure.take();
        if phase == Phase::Backoff {
            last = last.or_else(|| self.place.last_failure());
        }
        let stopped = last.is_some().then_some(stopped);
        Failed::Ended(
            last.unwrap_or_else(|| Cause::from_wait_end(stop, phase).into()),
            stopped,
        )
    }

    /// What the failure of an attempt means for the next one.
    fn classify(
        &self,
        cause: &Cause,
        stale: Option<Stale>,
        usersig: &VersionedUserSig,
    ) -> FailedAttempt {
        match cause.retry_class() {
            _ if stale == Some(Stale::Dead) => FailedAttempt::StaleConnection,
            _ if cause.is_unanswered() => FailedAttempt::Unanswered,
            _ if cause.looks_like_a_wrong_endpoint()
                && self.waits_out_outages()
                && self.service_has_answered() =>
            {
                FailedAttempt::Unanswered
            }
            RetryClass::NewUserSig => FailedAttempt::Class(self.class_of_expired(usersig)),
            class => FailedAttempt::Class(class),
        }
    }

    fn service_has_answered(&self) -> bool {
        self.state.outage.service_has_answered()
    }

    fn waits_out_outages(&self) -> bool {
        self.settings.retry.max_attempts > 1
    }

    /// How long an attempt may take. Without `attempt_timeout` it is half of the time that the call has left, until one got
    /// no answer in that time. So a short silence of the service fails no call.
    fn attempt_time(&self) -> Option<Duration> {
        let left = self
            .wait_scope
            .deadline
            .saturating_duration_since(Instant::now());
        let halved = self.waits_out_outages() && !self.was_silent;
        self.attempt_timeout.or(halved.then_some(left / 2))
    }

    /// With an expired UserSig it tries again only if it can get another.
    fn class_of_expired(&self, usersig: &VersionedUserSig) -> RetryClass {
        let credentials = &self.settings.credentials;
        if self.state.usersigs.expired(usersig, credentials) {
            RetryClass::NewUserSig
        } else {
            RetryClass::Never
        }
    }

    fn usersig(&self) -> Result<VersionedUserSig, Failed> {
        let usersig = self.state.usersigs.current(
            &self.settings.credentials,
            self.settings.sdkappid,
            &self.settings.identifier,
            &self.wait_scope,
        );
        usersig.map_err(|none| match none {
            NoUserSig::Stopped(stop) => {
                Failed::Ended(Cause::from_wait_end(stop, Phase::Credentials).into(), None)
            }
            // the callback may work again later, as the service may
            NoUserSig::Failed(error) if self.in_run && self.service_has_answered() => {
                Failed::Attempt {
                    cause: Arc::new(Cause::Credentials(error)),
                    effect: Effect::NotApplied,
                    kind: FailedAttempt::Class(RetryClass::Backoff),
                    started: Instant::now(),
                }
            }
            NoUserSig::Failed(error) => Failed::Ended(Cause::Credentials(error).into(), None),
        })
    }

    fn exchange(&self, usersig: &VersionedUserSig, body: &[u8]) -> Exchanged {
        self.state.http.exchange(&Exchange {
            path_and_query: &path_and_query(
                R::OPERATION.path(self.settings.rules.generation),
                self.settings.sdkappid,
                &self.settings.identifier,
            ),
            usersig: usersig.usersig.clone(),
            body,
            wait_scope: self.wait_scope.clone(),
            timeout: self.attempt_time(),
            connect_timeout: self.settings.connect_timeout,
            over_new_connection: self.over_new_connection,
            waits_for_connection: self.in_run,
        })
    }

    /// Reads the answer, and hands the permit back with the result.
    fn judge(
        &self,
        exchanged: Exchanged,
        permit: Permit<'_>,
        usersig: &VersionedUserSig,
    ) -> Result<Outcome, Cause> {
        let (answered, sent) = (exchanged.answered, exchanged.sent);
        let read = exchanged.read(self.request);
        let mut judged = read.and_then(|answer| self.outcome(answer));
        match &judged {
            Err(cause) if cause.retry_class() == RetryClass::AfterWindow => {
                permit.answered(Admission::TooFrequent);
            }
            _ if answered => permit.answered(Admission::Admitted),
            _ if sent => permit.abandoned(),
            _ => permit.withdrew(),
        }
        match &mut judged {
            Ok(outcome) => outcome.redact(&usersig.usersig),
            Err(cause) => cause.redact(&usersig.usersig),
        }
        judged
    }

    fn outcome(&self, answer: Answer) -> Result<Outcome, Cause> {
        let request_id = answer.request_id;
        let (left_out, tags, unanswered) = match answer.verdict {
            Verdict::Refused(refusal) => {
                let (hint, remedy) = explain(
                    refusal.code,
                    self.settings.credentials.source(),
                    SystemTime::now(),
                    self.server_date.as_deref(),
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
            accounts: self.request.accounts().count() - left_out.len() - unanswered.len(),
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

    fn decide(&mut self, kind: FailedAttempt) -> Decision {
        // an endpoint that never answered may be a wrong one
        let wait_out = self.in_run && self.waits_out_outages() && self.service_has_answered();
        self.retry.wait_out_errors(wait_out);
        let now = self.started.elapsed();
        let deadline = self
            .wait_scope
            .deadline
            .saturating_duration_since(self.started);
        self.with_budget(|retry, budget| retry.failed(kind, budget, now, deadline, random_u64()))
    }

    fn with_budget<T>(&mut self, act: impl FnOnce(&mut Retry, &mut RetryBudget) -> T) -> T {
        let mut budget = self.state.budget.lock();
        act(&mut self.retry, &mut budget)
    }

    fn error(&self, cause: impl Into<Arc<Cause>>, stopped: Option<Stopped>) -> Error {
        Error {
            operation: R::OPERATION,
            cause: cause.into(),
            effect: self.effect.for_operation(R::OPERATION),
            attempts: self.attempts,
            sent: self.sent,
            stopped,
        }
    }
}
