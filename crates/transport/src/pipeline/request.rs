//! A request of a worker: its call, and what its result means for the changes.

use std::cell::OnceCell;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use imtag_core::plan::{Batch, BatchResult};
use imtag_core::{Code, Effect, Request};

use super::session::Session;
use super::worker::{self, OnTurn, RequestOutcome};
use crate::call::{Call, CallOptions, Turn};
use crate::error::{Cause, Error, Phase, RunError};
use crate::outcome::Outcome;
use crate::process::random_u64;
use crate::state::Shared;
use crate::wait::Lock;

/// The client by which a session sends. Another one may take its place: requests under way go on by the one before.
#[derive(Clone)]
pub(crate) struct SendsBy(Arc<Lock<Arc<Shared>>>);

impl SendsBy {
    pub(super) fn new(client: Arc<Shared>) -> SendsBy {
        SendsBy(Arc::new(Lock::new(client)))
    }

    pub(super) fn get(&self) -> Arc<Shared> {
        Arc::clone(&self.0.lock())
    }

    pub(super) fn set(&self, client: Arc<Shared>) {
        let before = mem::replace(&mut *self.0.lock(), client);
        drop(before); // without the lock, as it may be the last of its client
    }
}

/// What each worker of a session does: it sends by this client.
pub(super) fn work(client: SendsBy) -> impl Fn(&Session) {
    move |session: &Session| {
        worker::run(session, &|session, batch, on_turn| {
            send(&client.get(), session, batch, on_turn)
        });
    }
}

/// Calls until the request of a batch is answered or has failed. It calls `on_turn` when an attempt has its turn in the quota,
/// and leaves out what was recalled until the first.
fn send(client: &Shared, session: &Session, batch: &Batch, on_turn: OnTurn<'_>) -> RequestOutcome {
    let part = OnceCell::new();
    let on_turn = || {
        let recalled = on_turn();
        if recalled.is_none() {
            Turn::AsIs
        } else if recalled.is_all() {
            Turn::Nothing
        } else {
            Turn::Part(part.get_or_init(|| batch.request_without(&session.rules, &recalled)))
        }
    };
    let request = batch.request(&session.rules);
    let (settings, state) = client.parts();
    let sending = &session.sending;
    let left = batch.deadline().saturating_sub(session.pipeline().now());
    let options = CallOptions {
        timeout: Some(sending.timeout.min(left)),
        attempt_timeout: Some(sending.attempt_timeout),
        cancel: Some(session.cancel.clone()),
        drain: Some(session.drain.clone()),
        interrupt: None,
    };
    let mut call = Call::new(settings, state, &request, &options, sending.in_run);
    call.on_turn = Some(&on_turn);
    call.in_background = sending.in_background;
    call.is_searched = request.accounts().len() > 1;
    let mut result = call.run();
    RequestOutcome {
        settled: batch_result(client, session, batch, &mut result),
        result,
        may_arrive_late: call.may_arrive_late,
    }
}

fn batch_result(
    client: &Shared,
    session: &Session,
    batch: &Batch,
    result: &mut Result<Outcome, Error>,
) -> BatchResult<Error> {
    let error = match result {
        Ok(outcome) => {
            return BatchResult::Done {
                left_out: Vec::new(),
                read: mem::take(&mut outcome.tags),
            };
        }
        Err(error) => error,
    };
    match error.cause() {
        Cause::Partial { outcome, failures } => BatchResult::Done {
            left_out: failures
                .iter()
                .map(|(account, refusal)| {
                    let cause = Cause::LeftOut {
                        refusal: refusal.clone(),
                        request_id: outcome.request_id.clone(),
                    };
                    let error = error.with_cause(cause);
                    let again_at = again_at(client, session, batch, refusal.code);
                    (account.clone(), error, again_at)
                })
                .collect(),
            read: outcome.tags.clone(),
        },
        Cause::Service { .. } | Cause::NotUnderstood(_) if !error.scope().is_of_all_calls() => {
            BatchResult::Ambiguous(error.clone())
        }
        Cause::Cancelled { phase }
            if error.effect() == Effect::NotApplied
                && (error.attempts() == 0 || *phase == Phase::FreeConnection) =>
        {
            BatchResult::Failed(error.with_cause(Cause::Ended(RunError::Cancelled)))
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
        &state.budget,
        session.pipeline().now(),
        random_u64(),
    )
}
