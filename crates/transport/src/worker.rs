//! A thread of a session: it takes what is to be sent, sends it, and says what became of it.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use imtag_core::retry::RetryPolicy;
use imtag_core::schedule::{Batch, Fault, LeftOut, Next, Slot, Verdict};
use imtag_core::{AddTags, ClearTags, Effect, Operation, RemoveTags, Request, RetryClass, Scope};

use crate::call::Call;
use crate::cause::Failure;
use crate::change_error::ChangeCause;
use crate::health::EndedEarly;
use crate::random::random_u64;
use crate::session::Session;
use crate::{CallOptions, Cause, Error, Outcome, Phase};

/// What came of a request.
struct Sent {
    result: Result<Outcome, Error>,
    /// An attempt was given up, and may still have its effect.
    may_arrive_late: bool,
}

/// Sends for as long as the session is open.
pub(crate) fn run(session: &Arc<Session>) {
    let dispatch = session.dispatch();
    let source = session.source;
    let mut inner = dispatch.lock();
    inner.of(source).idle -= 1;
    loop {
        if let Some(batch) = inner.of(source).ready.pop_front() {
            // whoever rests is to look after what is left
            inner.attend(source, dispatch);
            drop(inner);
            send(session, batch);
            inner = dispatch.lock();
            continue;
        }
        if inner.of(source).closing {
            return;
        }
        let now = dispatch.now();
        let until = match inner.next(source, now) {
            Next::Send(batch) => {
                inner.of(source).ready.push_back(batch);
                continue;
            }
            Next::WaitUntil(moment) => Some(moment),
            Next::Wait => None,
        };
        if inner.has_news() {
            drop(inner); // hands them out
            inner = dispatch.lock();
            continue;
        }
        let of = inner.of(source);
        let watch = until.filter(|until| of.watch.is_none_or(|watch| *until < watch));
        of.idle += 1;
        if watch.is_some() {
            of.watch = watch;
        }
        session.rest(&mut inner, watch.map(|watch| watch.saturating_sub(now)));
        let of = inner.of(source);
        of.idle -= 1;
        if watch.is_some() && of.watch == watch {
            of.watch = None;
        }
    }
}

fn send(session: &Arc<Session>, batch: Batch) {
    let dispatch = session.dispatch();
    let (source, operation) = (session.source, batch.operation());
    let turns = Cell::new(0_u32);
    let on_turn = || {
        let before = turns.replace(turns.get().saturating_add(1));
        if before > 1 {
            return;
        }
        let mut inner = dispatch.lock();
        if before == 0 {
            inner.schedule.admitted(source, operation);
        } else {
            inner.of(source).health.is_late = true;
        }
        inner.attend(source, dispatch);
    };
    let answers = dispatch.lock().of(source).health.answers();
    let sent = panic::catch_unwind(AssertUnwindSafe(|| send_batch(session, &batch, &on_turn)));
    if turns.get() == 0 {
        on_turn();
    }
    let mut inner = dispatch.lock();
    let Ok(sent) = sent else {
        inner.of(source).health.is_heard = true;
        let verdict = Verdict::Failed(ChangeCause::Defect, Effect::PossiblyApplied);
        inner.schedule.settle(batch, verdict, true, dispatch.now());
        return;
    };
    let (attempts, left) = match &sent.result {
        Ok(outcome) => (outcome.attempts, outcome.sent),
        Err(error) => (error.attempts(), error.sent()),
    };
    let of = inner.of(source);
    of.counts.requests += u64::from(attempts > 0);
    of.counts.attempts += u64::from(attempts);
    of.counts.sent += u64::from(left);
    let result = sent.result.map_err(Arc::new);
    let mut end = None;
    let mut scope = Scope::Request;
    if let Err(error) = &result {
        scope = of.health.scope(error);
    }
    if session.sending.is_run {
        end = of.health.record(result.as_ref(), answers);
    }
    of.health.has_result();
    if session.is_drained() {
        end = Some(EndedEarly::Cancelled);
    }
    let verdict = verdict(session, &batch, result, scope);
    inner
        .schedule
        .settle(batch, verdict, sent.may_arrive_late, dispatch.now());
    if let Some(end) = end {
        session.end(&mut inner, end);
    }
}

fn send_batch(session: &Session, batch: &Batch, on_turn: &dyn Fn()) -> Sent {
    const CHECKED: &str = "changes were checked by the same rules, and dealt out within them";
    let rules = session.client.rules();
    let slots = batch.slots().iter();
    let users = slots.clone().map(|slot| (slot.account(), slot.tags()));
    match batch.operation() {
        Operation::Add | Operation::Get => {
            let request = AddTags::with_rules(rules, users).expect(CHECKED);
            send_request(session, batch, &request, on_turn)
        }
        Operation::Remove => {
            let request = RemoveTags::with_rules(rules, users).expect(CHECKED);
            send_request(session, batch, &request, on_turn)
        }
        Operation::Clear => {
            let request = ClearTags::with_rules(rules, slots.map(Slot::account)).expect(CHECKED);
            send_request(session, batch, &request, on_turn)
        }
    }
}

/// Calls until the request is answered, or has failed.
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
            call = call.of_run();
        }
        let result = call.run();
        let may_arrive_late = call.may_arrive_late();
        match &result {
            // nothing is wrong: other processes of the app use the quota up
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
    let left = batch.deadline().saturating_sub(session.dispatch().now());
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
            Verdict::Failed(ChangeCause::Ended(EndedEarly::Cancelled), effect)
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
    session.dispatch().now() + policy.backoff(tries, random_u64())
}
