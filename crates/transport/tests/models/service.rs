//! The service that the models call, and sessions that call it.

use std::sync::Arc;
use std::time::Duration;

use imtag_core::plan::{Batch, BatchPolicy, BatchResult};
use imtag_core::{ChangeRequest, Effect, Operation, Rules};
use shuttle::thread::{self, JoinHandle};

use crate::call::CallOptions;
use crate::error::{Cause, Error, Phase};
use crate::outcome::Outcome;
use crate::pipeline::batcher::Batcher;
use crate::pipeline::bulk::Bulk;
use crate::pipeline::engine::Pipeline;
use crate::pipeline::offer::WhenFull;
use crate::pipeline::request::SendsBy;
use crate::pipeline::session::{Sending, Session, WhenUnavailable};
use crate::pipeline::worker::{self, OnTurn, RequestOutcome};
use crate::wait::thread::Thread;
use crate::wait::{self, Lock, Polled, WaitEnd, WaitScope, now};

/// The service that a session's workers call.
#[derive(Default)]
pub(crate) struct Service {
    arrivals: Lock<usize>,
    held: Lock<(Held, Vec<Thread>)>,
    /// It refuses the app in this request, counted from 0, at once.
    refused: Option<usize>,
}

/// Where requests that add wait.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    #[default]
    Nothing,
    /// Before their turn in the quota.
    Turns,
    /// For the answer.
    Answers,
}

impl Service {
    pub(crate) fn refusing(request: usize) -> Service {
        Service {
            refused: Some(request),
            ..Service::default()
        }
    }

    pub(crate) fn arrivals(&self) -> usize {
        *self.arrivals.lock()
    }

    pub(crate) fn hold(&self, held: Held) {
        let (was, waiting) = &mut *self.held.lock();
        *was = held;
        waiting.drain(..).for_each(|thread| thread.unpark());
    }

    fn wait(&self, scope: &WaitScope, at: Held) -> Result<(), WaitEnd> {
        scope.wait_until(|| {
            let (held, waiting) = &mut *self.held.lock();
            if *held != at {
                return Polled::Ready(());
            }
            waiting.push(wait::thread::current());
            Polled::Pending
        })
    }

    /// As a call.
    fn answer(
        &self,
        session: &Session,
        batch: &Batch,
        on_turn: OnTurn<'_>,
    ) -> Result<Outcome, Error> {
        let scope = WaitScope {
            cancel: Some(session.cancel.clone()),
            drain: Some(session.drain.clone()),
            ..WaitScope::endless()
        };
        let _watch = scope.watch();
        let adds = batch.operation() == Operation::Add;
        if adds && self.wait(&scope, Held::Turns).is_err() {
            let phase = Phase::Quota;
            return Err(Error::not_sent(Cause::Cancelled { phase }));
        }
        if on_turn().is_all() {
            let phase = Phase::Quota;
            return Err(Error::not_sent(Cause::Timeout { phase }));
        }
        let arrivals = {
            let mut arrivals = self.arrivals.lock();
            *arrivals += 1;
            *arrivals
        };
        let error = |cause, effect| Error {
            effect,
            attempts: 1,
            sent: 1,
            ..Error::not_sent(cause)
        };
        if self.refused == Some(arrivals - 1) {
            return Err(error(Cause::Tls("untrusted".into()), Effect::NotApplied));
        }
        if adds && self.wait(&scope.without_drain(), Held::Answers).is_err() {
            let phase = Phase::Read;
            let cause = Cause::Cancelled { phase };
            return Err(error(cause, Effect::PossiblyApplied));
        }
        Ok(Outcome {
            attempts: 1,
            sent: 1,
            ..Outcome::default()
        })
    }
}

pub(crate) const LINGER: Duration = Duration::from_millis(10);

pub(crate) fn sending(
    linger: Duration,
    capacity: usize,
    max_threads: usize,
    is_run: bool,
) -> Sending {
    Sending {
        policy: BatchPolicy {
            linger,
            late_window: Duration::from_secs(10),
            capacity,
            requests_at_once: max_threads,
            full_slot_is_enough: !is_run,
            remember_rejected: is_run,
            probe_first: is_run,
        },
        timeout: Duration::from_secs(60),
        attempt_timeout: Duration::from_secs(10),
        when_unavailable: if is_run {
            WhenUnavailable::End
        } else {
            WhenUnavailable::GoOn
        },
        longest_backoff: Duration::from_secs(5),
        in_run: is_run,
        in_background: false,
        max_threads,
        name: "model",
    }
}

/// A session, and the service that its workers call.
pub(crate) fn session(sending: Sending, service: Service) -> (Arc<Session>, Arc<Service>) {
    let pipeline = Arc::new(Pipeline::new(Rules::default()));
    let service = Arc::new(service);
    let called = Arc::clone(&service);
    let send = move |session: &Session, batch: &Batch, on_turn: OnTurn<'_>| {
        let result = called.answer(session, batch, on_turn);
        RequestOutcome {
            settled: match &result {
                Ok(_) => BatchResult::Done {
                    left_out: vec![],
                    read: vec![],
                },
                Err(error) => BatchResult::Failed(error.clone()),
            },
            result,
            may_arrive_late: false,
        }
    };
    let work = move |session: &Session| worker::run(session, &send);
    let session = Session::open(&pipeline, Rules::default(), sending, work);
    (session, service)
}

pub(crate) fn batcher(sending: Sending, when_full: WhenFull) -> (Arc<Batcher>, Arc<Service>) {
    batcher_of(session(sending, Service::default()), when_full)
}

pub(crate) fn batcher_of(
    (session, service): (Arc<Session>, Arc<Service>),
    when_full: WhenFull,
) -> (Arc<Batcher>, Arc<Service>) {
    let timeout = Duration::MAX; // else the clock may pass it by
    let batcher = Batcher {
        session,
        sends_by: SendsBy,
        when_full,
        timeout,
    };
    (Arc::new(batcher), service)
}

pub(crate) fn run(sending: Sending, service: Service) -> (Arc<Bulk>, Arc<Service>) {
    let (session, service) = session(sending, service);
    let run = Bulk {
        session,
        started: now(),
        host_poll: None,
        _watches: vec![],
    };
    (Arc::new(run), service)
}

/// Does something on another thread.
pub(crate) fn beside<T: Send + Sync + 'static, R: Send + 'static>(
    it: &Arc<T>,
    act: impl FnOnce(&T) -> R + Send + 'static,
) -> JoinHandle<R> {
    let it = Arc::clone(it);
    thread::spawn(move || act(&it))
}

/// Waits until so many changes of a batcher are done.
pub(crate) fn until_done(batcher: &Batcher, changes: u64) {
    let producer = batcher.session.producer;
    let done = batcher.session.wait(&WaitScope::endless(), |state, _| {
        if state.progress(producer).done < changes {
            return Polled::Pending;
        }
        Polled::Ready(())
    });
    done.unwrap().unwrap();
}

pub(crate) fn add(user: u64) -> ChangeRequest {
    ChangeRequest::add(format!("u{user}"), ["a"])
}

pub(crate) fn within(time: Duration) -> CallOptions {
    CallOptions::new().timeout(time)
}
