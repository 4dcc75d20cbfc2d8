//! A worker: a thread of a session. It takes a request, has it sent, and settles its changes. It knows no client: what
//! sends is given to it (`request::work`).
//!
//! ```text
//!   ┌──────────────────────────────────────────────────┐
//!   ▼                                                  │
//! next request ─┬─ one is ready ──► send, settle ──────┤
//!               ├─ none ──► sleeps until one may be ───┘
//!               └─ the session closes ──► end
//! ```

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use imtag_core::Effect;
use imtag_core::plan::{Batch, BatchResult, Recalled};
use imtag_core::retry::{RunEnd, RunHealth};

use super::engine::{Began, SessionState, State};
use super::session::{Session, WhenUnavailable};
use crate::error::{Cause, Error, RunError};
use crate::event::event;
use crate::outcome::Outcome;

/// What became of a request.
pub(crate) struct RequestOutcome {
    pub(crate) result: Result<Outcome, Error>,
    /// What that means for its changes.
    pub(crate) settled: BatchResult<Error>,
    /// An abandoned attempt may still have its effect.
    pub(crate) may_arrive_late: bool,
}

/// Called when an attempt has its turn in the quota. It returns what is not to be sent from then on, once.
pub(crate) type OnTurn<'s> = &'s dyn Fn() -> Recalled;

/// Sends a request.
pub(crate) type Send<'s> = &'s dyn Fn(&Session, &Batch, OnTurn<'_>) -> RequestOutcome;

/// Sends until the session closes.
pub(crate) fn run(session: &Session, send: Send<'_>) {
    while let Some((batch, began)) = session.pipeline().next_request(session.producer) {
        send_and_settle(session, send, batch, began);
    }
}

fn send_and_settle(session: &Session, send: Send<'_>, mut batch: Batch, began: Began) {
    let pipeline = session.pipeline();
    let (producer, operation) = (session.producer, batch.operation());
    let (name, users) = (session.sending.name, batch.users());
    event!(
        debug,
        session = name,
        operation = operation.name(),
        users,
        tries = batch.tries(),
        "request formed"
    );
    let turns = Cell::new(0_u32);
    // An attempt has its turn in the quota: the first admits the batch, so its accounts' next changes may be packed; the
    // second says that the first request of a run is late.
    let on_turn = || match turns.replace(turns.get().saturating_add(1)) {
        0 => pipeline.with(|state, _| state.plan.sends(&batch)),
        1 => pipeline.with(|state, _| {
            if state.read(producer).resumes == began.resumes {
                state.plan.probe_is_late(producer);
            }
            Recalled::default()
        }),
        _ => Recalled::default(),
    };
    let sent = || send(session, &batch, &on_turn);
    let sent = panic::catch_unwind(AssertUnwindSafe(sent));
    let attempts = turns.get();
    if attempts == 0 {
        // it ended before its turn, and the plan waits for an admission
        let _ = on_turn();
    }
    let Ok(sent) = sent else {
        pipeline.with(|state, now| {
            state.plan.end_probing(producer);
            let may_be_sent = attempts > 0;
            let mut defect = Error::not_sent(Cause::Defect);
            if may_be_sent {
                (defect.attempts, defect.sent) = (attempts, attempts);
                defect.effect = Effect::PossiblyApplied;
            }
            let progress = &mut state.session(producer).progress;
            progress.count_request(users, attempts, attempts);
            let defect = BatchResult::Failed(defect);
            state.plan.settle(batch, defect, may_be_sent, now);
            state.session(producer).workers.is_coming();
        });
        return;
    };
    let (pauses, end, splits) = pipeline.with(|state, now| {
        state.plan.drop_recalled(&mut batch, now);
        let its = state.read(producer);
        let went_on = its.paused.is_none() && its.ended.is_none();
        let end = record(state, session, &batch, &sent.result, began);
        let pauses = session.sending.when_unavailable == WhenUnavailable::Pause;
        let pauses_for = end
            .clone()
            .filter(|why| pauses && state.pause(producer, why));
        let end = end.filter(|_| pauses_for.is_none());
        // what would fail others fails none before a pause, in it, or if it is over by now, as long as there is time
        let may_pause = pauses && end.is_none();
        let again_after = |error: &Error| {
            if state.read(producer).paused_since(began) || (may_pause && is_own_wait(error)) {
                return Some(Duration::ZERO);
            }
            let postponed = state.plan.postponed(&batch);
            let after = RunHealth::again_after(error.scope(), postponed);
            let after = after.map(|it| it.min(session.sending.longest_backoff));
            after.filter(|_| may_pause)
        };
        let settled = match sent.settled {
            BatchResult::Failed(error) if batch.deadline() > now => match again_after(&error) {
                Some(after) => BatchResult::Postponed {
                    effect: error.effect(),
                    again_at: now + after,
                },
                // others are answered: one of its users may be what it fails for
                None if may_pause && error.scope().is_of_all_calls() && users > 1 => {
                    BatchResult::Ambiguous(error)
                }
                None => BatchResult::Failed(error),
            },
            settled => settled,
        };
        let splits = state.plan.searched(producer).0;
        state.plan.settle(batch, settled, sent.may_arrive_late, now);
        let splits = state.plan.searched(producer).0 - splits;
        if let Some(end) = &end {
            state.end(producer, end.clone(), now);
        }
        state.session(producer).workers.is_coming();
        (
            pauses_for.filter(|_| went_on),
            end.filter(|_| went_on),
            splits,
        )
    });
    if splits > 0 {
        event!(
            debug,
            session = name,
            operation = operation.name(),
            users,
            "request split"
        );
    }
    if let Some((cause, code)) = pauses.as_ref().and_then(reason) {
        event!(warn, session = name, cause, code, "session paused");
    }
    if let Some((cause, code)) = end.as_ref().and_then(reason) {
        event!(warn, session = name, cause, code, "session ended early");
    }
}

/// The cause and the code of the failure for which a session pauses or ends, if it is a failure.
fn reason(why: &RunError) -> Option<(&'static str, Option<i32>)> {
    let error = why.error()?;
    Some((error.cause().name(), error.code().map(|code| code.0)))
}

/// Records the result of a request. Returns why the session ends or pauses, if it does.
fn record(
    state: &mut State,
    session: &Session,
    batch: &Batch,
    result: &Result<Outcome, Error>,
    began: Began,
) -> Option<RunError> {
    let (attempts, left) = match result {
        Ok(outcome) => (outcome.attempts, outcome.sent),
        Err(error) => (error.attempts(), error.sent()),
    };
    let its = state.session(session.producer);
    its.progress.count_request(batch.users(), attempts, left);
    let mut end = None;
    let says_nothing = result.as_ref().is_err_and(is_own_wait);
    if session.sending.when_unavailable == WhenUnavailable::GoOn || its.resumes != began.resumes {
        // what began before a pause says nothing of what is right since then
    } else if says_nothing {
        state.plan.probe_again(batch);
    } else {
        end = record_health(its, result, began.answers);
        let (first_is_late, known) = (its.health.first_is_late(), its.health.result_is_known());
        if known {
            state.plan.end_probing(session.producer);
        } else if first_is_late {
            state.plan.probe_is_late(session.producer);
        }
    }
    if session.is_drained() && !state.read(session.producer).is_held {
        end = Some(RunError::Cancelled);
    }
    end
}

/// True if a request's time was up in a wait for this client itself. That says nothing of the service.
fn is_own_wait(error: &Error) -> bool {
    let Cause::Timeout { phase } = error.cause() else {
        return false;
    };
    phase.is_own_wait() && error.sent() == 0
}

/// Judges by the result of a request whether every further one would fail. Returns why, if so.
fn record_health(
    state: &mut SessionState,
    result: &Result<Outcome, Error>,
    answers_before: u64,
) -> Option<RunError> {
    let error = result.as_ref().err();
    let failed = error.map(|error| (error.failure(), error.stopped()));
    let end = state.health.record(failed, answers_before);
    let error = error?;
    // a partial success says that the service is there, and holds what was read
    if !matches!(
        error.cause(),
        Cause::Cancelled { .. } | Cause::Partial { .. }
    ) {
        state.last_failure = Some(error.clone());
    }
    Some(match end? {
        RunEnd::Refused => RunError::Refused(error.clone()),
        RunEnd::Unavailable => RunError::Unavailable(error.clone()),
    })
}
