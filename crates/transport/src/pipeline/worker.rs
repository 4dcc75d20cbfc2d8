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

use imtag_core::plan::{Batch, Fault, LeftOut, Next, Verdict};
use imtag_core::retry::RetryPolicy;
use imtag_core::{BatchRequest, Effect, Request, RetryClass, Scope};

use super::session::Session;
use crate::call::Call;
use crate::error::{ChangeCause, Failure, RunError};
use crate::process::random_u64;
use crate::{CallOptions, Cause, Error, Outcome, Phase};

/// The result of a request.
struct Sent {
    result: Result<Outcome, Error>,
    /// An abandoned attempt may still have its effect.
    may_arrive_late: bool,
}

/// Sends until the session closes.
pub(crate) fn run(session: &Arc<Session>) {
    let pipeline = session.pipeline();
    let producer = session.producer;
    let mut inner = pipeline.lock();
    inner.session(producer).idle -= 1;
    loop {
        if let Some(batch) = inner.session(producer).ready.pop_front() {
            // an idle worker takes care of what is left while this one sends
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
        if inner.has_events() {
            drop(inner); // delivers them
            inner = pipeline.lock();
            continue;
        }
        let state = inner.session(producer);
        let next_wake =
            until.filter(|until| state.next_wake.is_none_or(|next_wake| *until < next_wake));
        state.idle += 1;
        if next_wake.is_some() {
            state.next_wake = next_wake;
        }
        session.wait_for_work(
            &mut inner,
            next_wake.map(|next_wake| next_wake.saturating_sub(now)),
        );
        let state = inner.session(producer);
        state.idle -= 1;
        if next_wake.is_some() && state.next_wake == next_wake {
            state.next_wake = None;
        }
    }
}

fn send(session: &Arc<Session>, batch: Batch) {
    let pipeline = session.pipeline();
    let (producer, operation) = (session.producer, batch.operation());
    let turns = Cell::new(0_u32);
    let on_turn = || {
        let before = turns.replace(turns.get().saturating_add(1));
        if before > 1 {
            return;
        }
        let mut inner = pipeline.lock();
        if before == 0 {
            inner.plan.admitted(producer, operation);
        } else {
            inner.session(producer).health.is_late = true;
        }
        inner.schedule_worker(producer, pipeline);
    };
    let answers = pipeline.lock().session(producer).health.answers();
    let sent = panic::catch_unwind(AssertUnwindSafe(|| send_batch(session, &batch, &on_turn)));
    if turns.get() == 0 {
        on_turn();
    }
    let mut inner = pipeline.lock();
    let Ok(sent) = sent else {
        inner.session(producer).health.is_heard = true;
        let verdict = Verdict::Failed(ChangeCause::Defect, Effect::PossiblyApplied);
        inner.plan.settle(batch, verdict, true, pipeline.now());
        return;
    };
    let (attempts, left) = match &sent.result {
        Ok(outcome) => (outcome.attempts, outcome.sent),
        Err(error) => (error.attempts(), error.sent()),
    };
    let state = inner.session(producer);
    state.progress.requests += u64::from(attempts > 0);
    state.progress.attempts += u64::from(attempts);
    state.progress.sent += u64::from(left);
    let result = sent.result.map_err(Arc::new);
    let mut end = None;
    let mut scope = Scope::Request;
    if let Err(error) = &result {
        scope = state.health.scope(error);
    }
    if session.sending.is_run {
        end = state.health.record(result.as_ref(), answers);
    }
    state.health.has_result();
    if session.is_drained() {
        end = Some(RunError::Cancelled);
    }
    let verdict = verdict(session, &batch, result, scope);
    inner
        .plan
        .settle(batch, verdict, sent.may_arrive_late, pipeline.now());
    if let Some(end) = end {
        session.end(&mut inner, end);
    }
}

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
    loop {
        let options = options(session, batch);
        let mut call = Call::new(settings, state, request, &options).on_turn(on_turn);
        if session.sending.is_run {
            call = call.in_run();
        }
        let result = call.run();
        let may_arrive_late = call.may_arrive_late();
        match &result {
            // no failure: other processes of the app use the quota
            Err(error)
                if session.sending.is_run
                    && !session.is_drained()
                    && error.attempts() == 0
                    && waited_for_the_quota(error) => {}
            _ => {
                return Sent {
                    result,
                    may_arrive_late,
                };
            }
        }
    }
}

fn options(session: &Session, batch: &Batch) -> CallOptions {
    let sending = &session.sending;
    let left = batch.deadline().saturating_sub(session.pipeline().now());
    CallOptions::new()
        .timeout(sending.timeout.min(left))
        .attempt_timeout(sending.attempt_timeout)
        .cancel(&session.cancel)
        .drain(&session.drain)
}

fn waited_for_the_quota(error: &Error) -> bool {
    matches!(
        error.cause(),
        Cause::Timeout {
            phase: Phase::Quota
        }
    )
}

fn verdict(
    session: &Session,
    batch: &Batch,
    result: Result<Outcome, Arc<Error>>,
    scope: Scope,
) -> Verdict<ChangeCause> {
    let Err(error) = result else {
        return Verdict::Done {
            left_out: Vec::new(),
        };
    };
    let effect = error.effect();
    match error.cause() {
        Cause::Partial(partial) => {
            let failures = partial.failures.iter();
            Verdict::Done {
                left_out: failures
                    .map(|failure| left_out(session, batch, failure))
                    .collect(),
            }
        }
        Cause::Service { .. } if !matches!(scope, Scope::App | Scope::Service) => {
            Verdict::Ambiguous(Fault {
                scope,
                cause: ChangeCause::Request(error),
                effect,
            })
        }
        Cause::Cancelled { phase }
            if effect == Effect::NotApplied
                && (error.attempts() == 0 || *phase == Phase::FreeConnection) =>
        {
            Verdict::Failed(ChangeCause::Ended(RunError::Cancelled), effect)
        }
        _ => Verdict::Failed(ChangeCause::Request(error), effect),
    }
}

fn left_out(session: &Session, batch: &Batch, failure: &Failure) -> LeftOut<ChangeCause> {
    let policy = session.client.parts().0.retry;
    let tries = batch.tries() + 1;
    let again = failure.refusal.code.retry() != RetryClass::Never
        && tries < policy.max_attempts
        && session.client.parts().1.budget().pay_for_retry();
    LeftOut {
        account: failure.account.clone(),
        again_at: again.then(|| again_at(session, &policy, tries)),
        fault: Fault {
            cause: ChangeCause::LeftOut(failure.refusal.clone()),
            effect: failure.effect,
            scope: failure.refusal.code.scope(),
        },
    }
}

fn again_at(session: &Session, policy: &RetryPolicy, tries: u32) -> Duration {
    session.pipeline().now() + policy.backoff(tries, random_u64())
}
