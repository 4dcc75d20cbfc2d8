//! A worker: a thread of a session. It takes a request, sends it, and settles its changes.
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

use imtag_core::plan::{Batch, BatchResult};
use imtag_core::retry::RunEnd;
use imtag_core::{BatchRequest, Code, Effect, Request};

use super::engine::{SessionState, State};
use super::session::{Session, WhenUnavailable};
use crate::call::{Call, CallOptions};
use crate::error::{Cause, Error, Phase, RunError};
use crate::outcome::Outcome;
use crate::process::random_u64;
use crate::state::Shared;

/// Sends until the session closes.
pub(crate) fn run(client: &Shared, session: &Session) {
    while let Some((batch, answers)) = session.pipeline().next_request(session.producer) {
        send(client, session, batch, answers);
    }
}

/// Sends a request, and settles its changes. `answers`: how many requests of the session were answered before.
fn send(client: &Shared, session: &Session, batch: Batch, answers: u64) {
    let pipeline = session.pipeline();
    let (producer, operation) = (session.producer, batch.operation());
    let turns = Cell::new(0_u32);
    // An attempt has its turn in the quota: the first admits the batch, so its accounts' next changes may be packed; the
    // second says that the first request of a run is late.
    let on_turn = || match turns.replace(turns.get().saturating_add(1)) {
        0 => pipeline.with(|state, _| {
            state.plan.admitted(producer, operation);
            state.touch(producer);
        }),
        1 => pipeline.with(|state, _| state.plan.probe_is_late(producer)),
        _ => {}
    };
    let sent = || send_batch(client, session, &batch, &on_turn);
    let sent = panic::catch_unwind(AssertUnwindSafe(sent));
    if turns.get() == 0 {
        // it ended before its turn, and the plan waits for an admission
        on_turn();
    }
    let Ok((result, may_arrive_late)) = sent else {
        pipeline.with(|state, now| {
            state.plan.end_probing(producer);
            let defect = Error {
                effect: Effect::PossiblyApplied,
                ..Error::not_sent(Cause::Defect)
            };
            state
                .plan
                .settle(batch, BatchResult::Failed(defect), true, now);
            state.session(producer).workers.is_coming();
        });
        return;
    };
    let settled = batch_result(client, session, &batch, &result);
    pipeline.with(|state, now| {
        let end = record(state, session, &result, answers);
        let pauses = session.sending.when_unavailable == WhenUnavailable::Pause;
        let end = end.filter(|why| !(pauses && state.pause(producer, why)));
        let settled = match settled {
            // what would fail others fails none while the session pauses, as long as there is time
            BatchResult::Failed(error)
                if state.session(producer).paused.is_some() && batch.deadline() > now =>
            {
                BatchResult::Postponed(error.effect())
            }
            settled => settled,
        };
        state.plan.settle(batch, settled, may_arrive_late, now);
        if let Some(end) = end {
            state.end(producer, end, now);
        }
        state.session(producer).workers.is_coming();
    });
}

/// Records the result of a request. Returns why the session ends or pauses, if it does.
fn record(
    state: &mut State,
    session: &Session,
    result: &Result<Outcome, Error>,
    answers_before: u64,
) -> Option<RunError> {
    let (attempts, left) = match result {
        Ok(outcome) => (outcome.attempts, outcome.sent),
        Err(error) => (error.attempts(), error.sent()),
    };
    let its = state.session(session.producer);
    its.progress.requests += u64::from(attempts > 0);
    its.progress.attempts += u64::from(attempts);
    its.progress.sent += u64::from(left);
    let mut end = None;
    if session.sending.when_unavailable != WhenUnavailable::GoOn {
        end = record_health(its, result, answers_before);
        let (first_is_late, known) = (its.health.first_is_late(), its.health.result_is_known());
        if known {
            state.plan.end_probing(session.producer);
        } else if first_is_late {
            state.plan.probe_is_late(session.producer);
        }
    }
    if session.is_drained() {
        end = Some(RunError::Cancelled);
    }
    end
}

/// Judges by the result of a request whether every further one would fail. Returns why, if so.
fn record_health(
    state: &mut SessionState,
    result: &Result<Outcome, Error>,
    answers_before: u64,
) -> Option<RunError> {
    let error = result.as_ref().err();
    let end = state
        .health
        .record(error.map(Error::failed_call), answers_before);
    let error = error?;
    if !matches!(error.cause(), Cause::Cancelled { .. }) {
        state.last_failure = Some(error.clone());
    }
    Some(match end? {
        RunEnd::Refused => RunError::Refused(error.clone()),
        RunEnd::Unavailable => RunError::Unavailable(error.clone()),
    })
}

/// The result of a request, and whether an abandoned attempt may still have its effect.
type Sent = (Result<Outcome, Error>, bool);

fn send_batch(client: &Shared, session: &Session, batch: &Batch, on_turn: &dyn Fn()) -> Sent {
    match BatchRequest::new(&session.rules, batch) {
        BatchRequest::Add(request) => send_request(client, session, batch, &request, on_turn),
        BatchRequest::Remove(request) => send_request(client, session, batch, &request, on_turn),
        BatchRequest::Clear(request) => send_request(client, session, batch, &request, on_turn),
    }
}

/// Calls until the request is answered or has failed.
fn send_request<R: Request>(
    client: &Shared,
    session: &Session,
    batch: &Batch,
    request: &R,
    on_turn: &dyn Fn(),
) -> Sent {
    let (settings, state) = client.parts();
    let sending = &session.sending;
    let left = batch.deadline().saturating_sub(session.pipeline().now());
    let options = CallOptions::new()
        .timeout(sending.timeout.min(left))
        .attempt_timeout(sending.attempt_timeout)
        .cancel(&session.cancel)
        .drain(&session.drain);
    let mut call = Call::new(settings, state, request, &options, sending.in_run);
    call.on_turn = Some(on_turn);
    (call.run(), call.may_arrive_late)
}

fn batch_result(
    client: &Shared,
    session: &Session,
    batch: &Batch,
    result: &Result<Outcome, Error>,
) -> BatchResult<Error> {
    let Err(error) = result else {
        return BatchResult::Done {
            left_out: Vec::new(),
        };
    };
    let effect = error.effect();
    match error.cause() {
        Cause::Partial { failures, .. } => BatchResult::Done {
            left_out: failures
                .iter()
                .map(|(account, refusal)| {
                    let error = Error {
                        effect,
                        ..Error::not_sent(Cause::LeftOut(refusal.clone()))
                    };
                    let again_at = again_at(client, session, batch, refusal.code);
                    (account.clone(), error, again_at)
                })
                .collect(),
        },
        Cause::Service { .. } if !error.scope().is_of_all_calls() => {
            BatchResult::Ambiguous(error.clone())
        }
        Cause::Cancelled { phase }
            if effect == Effect::NotApplied
                && (error.attempts() == 0 || *phase == Phase::FreeConnection) =>
        {
            BatchResult::Failed(Error::not_sent(Cause::Ended(RunError::Cancelled)))
        }
        _ => BatchResult::Failed(error.clone()),
    }
}

/// When an account that the service left out is tried again, if at all.
fn again_at(client: &Shared, session: &Session, batch: &Batch, code: Code) -> Option<Duration> {
    let (settings, state) = client.parts();
    settings.retry.retry_left_out(
        code.retry(),
        batch.tries() + 1,
        &mut state.budget.lock(),
        session.pipeline().now(),
        random_u64(),
    )
}
