//! A worker: a thread of a session. It takes a request, sends it, and settles its changes.
//!
//! ```text
//!   ┌────────────────────────────────────────────────┐
//!   ▼                                                │
//! look ─┬─ a request is ready ──► send, settle ──────┤
//!       ├─ events to deliver ──► unlock and lock ────┤
//!       ├─ nothing ──► wait for work ────────────────┘
//!       └─ closing ──► end
//! ```

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use imtag_core::plan::{Batch, BatchResult, Fault, LeftOut, Next};
use imtag_core::retry::{RequestResult, RunEnd, Stopped};
use imtag_core::{BatchRequest, Effect, Request};

use super::SessionState;
use super::session::Session;
use crate::call::{Call, CallOptions, Outcome};
use crate::error::{Cause, ChangeCause, Error, Failure, Phase, RunError};
use crate::process::random_u64;

/// Sends until the session closes.
pub(crate) fn run(session: &Arc<Session>) {
    let pipeline = session.pipeline();
    let producer = session.producer;
    let mut inner = pipeline.lock();
    // it was counted as idle when it was started
    inner.session(producer).idle -= 1;
    loop {
        if let Some(batch) = inner.session(producer).ready.pop_front() {
            // before this worker is busy: an idle one takes over what is ready, or wakes for what will be
            inner.schedule_worker(producer, pipeline);
            drop(inner);
            send(session, batch);
            inner = pipeline.lock();
            continue;
        }
        if inner.session(producer).closing {
            return;
        }
        let now = pipeline.now();
        let until = match inner.next(producer, now) {
            Next::Send(batch) => {
                inner.session(producer).ready.push_back(batch);
                continue;
            }
            Next::WaitUntil(moment) => Some(moment),
            Next::Wait => None,
        };
        // waiting on the condvar unlocks without delivering, so deliver first and look again
        if inner.has_events() {
            drop(inner);
            inner = pipeline.lock();
            continue;
        }
        // of all idle workers, one wakes by itself: the one whose moment is the earliest; the others wait for a signal
        let state = inner.session(producer);
        let is_earlier = |until: &Duration| state.next_wake.is_none_or(|next| *until < next);
        let next_wake = until.filter(is_earlier);
        state.next_wake = next_wake.or(state.next_wake);
        state.idle += 1;
        let at_most = next_wake.map(|moment| moment.saturating_sub(now));
        session.wait_for_work(&mut inner, at_most);
        let state = inner.session(producer);
        state.idle -= 1;
        // unless another worker has taken an earlier moment over meanwhile
        if next_wake.is_some() && state.next_wake == next_wake {
            state.next_wake = None;
        }
    }
}

/// Sends a request, and settles its changes.
fn send(session: &Arc<Session>, batch: Batch) {
    let pipeline = session.pipeline();
    let (producer, operation) = (session.producer, batch.operation());
    let turns = Cell::new(0_u32);
    // An attempt has its turn in the quota: the first admits the batch, so its accounts' next changes may be packed; the
    // second says that the first request of a run is late.
    let on_turn = || {
        let before = turns.replace(turns.get().saturating_add(1));
        if before > 1 {
            return;
        }
        let mut inner = pipeline.lock();
        if before == 0 {
            inner.plan.admitted(producer, operation);
        } else {
            inner.session(producer).first_is_late = true;
        }
        inner.schedule_worker(producer, pipeline);
    };
    let answers = pipeline.lock().session(producer).health.answers();
    let sent = panic::catch_unwind(AssertUnwindSafe(|| send_batch(session, &batch, &on_turn)));
    if turns.get() == 0 {
        // it ended before its turn, and the plan waits for an admission
        on_turn();
    }
    let mut inner = pipeline.lock();
    let Ok((result, may_arrive_late)) = sent else {
        inner.session(producer).result_is_known = true;
        let result = BatchResult::Failed(ChangeCause::Defect, Effect::PossiblyApplied);
        inner.plan.settle(batch, result, true, pipeline.now());
        return;
    };
    let (attempts, left) = match &result {
        Ok(outcome) => (outcome.attempts, outcome.sent),
        Err(error) => (error.attempts(), error.sent()),
    };
    let state = inner.session(producer);
    state.progress.requests += u64::from(attempts > 0);
    state.progress.attempts += u64::from(attempts);
    state.progress.sent += u64::from(left);
    let result = result.map_err(Arc::new);
    let mut end = None;
    if session.sending.is_run {
        end = record(state, &result, answers);
    }
    if session.is_drained() {
        end = Some(RunError::Cancelled);
    }
    let result = batch_result(session, &batch, result);
    inner
        .plan
        .settle(batch, result, may_arrive_late, pipeline.now());
    if let Some(end) = end {
        session.end(&mut inner, end);
    }
}

/// Records the result of a run's request. Returns why the run ends, if it does.
fn record(
    state: &mut SessionState,
    result: &Result<Outcome, Arc<Error>>,
    answers_before: u64,
) -> Option<RunError> {
    let Err(error) = result else {
        state.health.record(RequestResult::Done, answers_before);
        return None;
    };
    let end = if matches!(error.cause(), Cause::Cancelled { .. }) {
        state
            .health
            .record(RequestResult::Cancelled, answers_before)
    } else {
        state.last_failure = Some(Arc::clone(error));
        let failed = RequestResult::Failed {
            scope: error.scope(),
            by_service: matches!(error.cause(), Cause::Service { .. }),
            outage_too_long: error.stopped() == Some(Stopped::OutageTooLong),
        };
        state.health.record(failed, answers_before)
    };
    end.map(|end| match end {
        RunEnd::Refused => RunError::Refused(Arc::clone(error)),
        RunEnd::Unavailable => RunError::Unavailable(Arc::clone(error)),
    })
}

/// The result of a request, and whether an abandoned attempt may still have its effect.
type Sent = (Result<Outcome, Error>, bool);

fn send_batch(session: &Session, batch: &Batch, on_turn: &dyn Fn()) -> Sent {
    match BatchRequest::new(session.client.rules(), batch) {
        BatchRequest::Add(request) => send_request(session, batch, &request, on_turn),
        BatchRequest::Remove(request) => send_request(session, batch, &request, on_turn),
        BatchRequest::Clear(request) => send_request(session, batch, &request, on_turn),
    }
}

/// Calls until the request is answered or has failed.
fn send_request<R: Request>(
    session: &Session,
    batch: &Batch,
    request: &R,
    on_turn: &dyn Fn(),
) -> Sent {
    let (settings, state) = session.client.parts();
    let sending = &session.sending;
    loop {
        let left = batch.deadline().saturating_sub(session.pipeline().now());
        let options = CallOptions::new()
            .timeout(sending.timeout.min(left))
            .attempt_timeout(sending.attempt_timeout)
            .cancel(&session.cancel)
            .drain(&session.drain);
        let mut call = Call::new(settings, state, request, &options);
        call.on_turn = Some(on_turn);
        call.in_run = sending.is_run;
        let result = call.run();
        // no failure of a run: other processes of the app use the quota
        let waits_for_quota =
            sending.is_run && !session.is_drained() && result.as_ref().is_err_and(ended_in_quota);
        if !waits_for_quota {
            return (result, call.may_arrive_late);
        }
    }
}

fn ended_in_quota(error: &Error) -> bool {
    let phase = Phase::Quota;
    error.attempts() == 0 && matches!(error.cause(), Cause::Timeout { phase: it } if *it == phase)
}

fn batch_result(
    session: &Session,
    batch: &Batch,
    result: Result<Outcome, Arc<Error>>,
) -> BatchResult<ChangeCause> {
    let Err(error) = result else {
        return BatchResult::Done {
            left_out: Vec::new(),
        };
    };
    let effect = error.effect();
    match error.cause() {
        Cause::Partial(partial) => {
            let failures = partial.failures.iter();
            BatchResult::Done {
                left_out: failures
                    .map(|failure| left_out(session, batch, failure))
                    .collect(),
            }
        }
        Cause::Service { .. } if !error.scope().is_of_all_calls() => {
            BatchResult::Ambiguous(Fault {
                scope: error.scope(),
                cause: ChangeCause::Request(error),
                effect,
            })
        }
        Cause::Cancelled { phase }
            if effect == Effect::NotApplied
                && (error.attempts() == 0 || *phase == Phase::FreeConnection) =>
        {
            BatchResult::Failed(ChangeCause::Ended(RunError::Cancelled), effect)
        }
        _ => BatchResult::Failed(ChangeCause::Request(error), effect),
    }
}

/// An account that the service left out, for the plan: if and when it is tried again.
fn left_out(session: &Session, batch: &Batch, failure: &Failure) -> LeftOut<ChangeCause> {
    let (settings, state) = session.client.parts();
    let code = failure.refusal.code;
    LeftOut {
        account: failure.account.clone(),
        again_at: settings.retry.retry_left_out(
            code.retry(),
            batch.tries() + 1,
            &mut state.budget.lock(),
            session.pipeline().now(),
            random_u64(),
        ),
        fault: Fault {
            cause: ChangeCause::LeftOut(failure.refusal.clone()),
            effect: failure.effect,
            scope: code.scope(),
        },
    }
}
