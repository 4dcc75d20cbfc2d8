//! A session: what a bulk run and a batcher have in common. Changes go in, the session's workers send them, and outcomes
//! come out. A worker is started when there is a request and all others are busy, and ends with the session. So there are
//! as many workers as requests were under way at once, and one more.
//!
//! ```text
//! open ──► takes changes ──┬─ close, finish ──► refuses ──► all settled ──► workers joined ──► removed on drop
//!                          └─ end (cancelled, or the run's health) ──► unsent changes fail ──► as above
//! ```

use std::sync::{Arc, Condvar};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, process};

use imtag_core::plan::{BatchPolicy, BatchResult, ChangeId, ProducerId};
use imtag_core::{CallRate, Change, Effect, InvalidChange};

use super::outcome::{Delivery, Progress};
use super::{Guard, Pipeline, SessionState, worker};
use crate::client::Client;
use crate::error::{ChangeCause, ChangeError, RunError};
use crate::process::spawn_without_signals;
use crate::wait::{CancelToken, WaitEnd, WaitScope, wait_once};

/// How a session sends.
#[derive(Debug, Clone)]
pub(crate) struct Sending {
    pub(crate) policy: BatchPolicy,
    /// The time for each request, with its waits and retries. It ends earlier at the last deadline of its changes.
    pub(crate) timeout: Duration,
    pub(crate) attempt_timeout: Duration,
    /// A bulk run: it ends if every further request would fail, while a batcher goes on.
    pub(crate) is_run: bool,
    pub(crate) max_threads: usize,
    pub(crate) thread_name: &'static str,
}

/// The most requests that are under way at once. A round trip of 0.5 s needs half of the calls per second: 50 of 100, and
/// at least 64. More than 512 threads are too many for a process.
pub(crate) fn max_threads(calls_per_second: CallRate) -> usize {
    usize::try_from(calls_per_second.calls().get() / 2)
        .unwrap_or(usize::MAX)
        .clamp(64, 512)
}

pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) producer: ProducerId,
    pub(crate) sending: Sending,
    /// Ends requests under way.
    pub(crate) cancel: CancelToken,
    /// Sends nothing more.
    pub(crate) drain: CancelToken,
    /// Wakes a worker.
    work: Condvar,
    process: u32,
}

impl Session {
    pub(crate) fn open(client: &Client, sending: Sending) -> Arc<Session> {
        let mut inner = client.pipeline().lock();
        let producer = inner.plan.open(sending.policy);
        let session = Arc::new(Session {
            client: client.clone(),
            producer,
            sending,
            cancel: CancelToken::new(),
            drain: CancelToken::new(),
            work: Condvar::new(),
            process: process::id(),
        });
        inner
            .sessions
            .insert(producer, SessionState::new(Arc::clone(&session)));
        drop(inner);
        session
    }

    /// Locks the pipeline; `None` in a forked process, which does not own the session.
    pub(crate) fn lock(&self) -> Option<Guard<'_>> {
        (self.process == process::id()).then(|| self.client.pipeline().lock())
    }

    /// The pipeline, for callers that always run in the session's own process, as workers do.
    pub(crate) fn pipeline(&self) -> &Pipeline {
        self.client.pipeline()
    }

    /// Takes a change in. It was checked by the client's rules when it was made.
    pub(crate) fn push(
        &self,
        inner: &mut Guard<'_>,
        change: Change,
        delivery: Delivery,
        deadline: Duration,
    ) -> ChangeId {
        inner.session(self.producer).progress.taken += 1;
        let now = inner.pipeline.now();
        inner
            .plan
            .push(self.producer, change, delivery, deadline, now)
    }

    /// Takes a change in that breaks the rules, with its outcome.
    pub(crate) fn refuse(&self, inner: &mut Guard<'_>, id: u64, invalid: InvalidChange) {
        let (change, invalid) = invalid.into_parts();
        let result = Err(ChangeError::not_sent(
            &change,
            ChangeCause::Invalid(invalid),
        ));
        let state = inner.session(self.producer);
        state.progress.taken += 1;
        state.record(&result);
        state.complete(id, Arc::new(change), result);
        inner.wake_waiters(self.producer);
    }

    /// True if the capacity is used up.
    pub(crate) fn is_full(&self, inner: &Guard<'_>) -> bool {
        inner.plan.unsent(self.producer) >= self.sending.policy.capacity
    }

    /// Waits until something changes, or until `until`. Parking may also return early: check and wait again.
    pub(crate) fn wait<'g>(
        &'g self,
        mut inner: Guard<'g>,
        wait_scope: &WaitScope,
        until: Instant,
    ) -> Result<Guard<'g>, WaitEnd> {
        inner.flush_events();
        wait_once(&mut inner.session(self.producer).waiters);
        drop(inner);
        wait_scope.park_until(until)?;
        Ok(self.pipeline().lock())
    }

    /// True if nothing more is sent.
    pub(crate) fn is_drained(&self) -> bool {
        self.drain.is_cancelled() || self.cancel.is_cancelled()
    }

    /// Sends nothing more. Changes that were not sent fail, with this as the cause.
    pub(crate) fn end(&self, inner: &mut Guard<'_>, why: RunError) {
        let state = inner.session(self.producer);
        if state.ended.is_some() {
            return;
        }
        state.ended = Some(why.clone());
        let now = inner.pipeline.now();
        for batch in std::mem::take(&mut inner.session(self.producer).ready) {
            let not_sent = BatchResult::Failed(ChangeCause::Ended(why.clone()), Effect::NotApplied);
            inner.plan.settle(batch, not_sent, false, now);
        }
        inner.plan.end(self.producer, ChangeCause::Ended(why), now);
    }

    pub(crate) fn progress(&self, inner: &mut Guard<'_>) -> Progress {
        Progress {
            splits: inner.plan.splits(self.producer),
            ..inner.session(self.producer).progress
        }
    }

    /// Waits until the workers have ended. Call it when nothing is under way.
    pub(crate) fn join_workers(&self) {
        let Some(mut inner) = self.lock() else {
            return;
        };
        let Some(state) = inner.sessions.get_mut(&self.producer) else {
            return;
        };
        state.closing = true;
        let threads = std::mem::take(&mut state.threads);
        inner.wake_waiters(self.producer);
        drop(inner);
        self.work.notify_all();
        for thread in threads {
            // if a worker panicked, by a defect, its changes are settled
            drop(thread.join());
        }
    }

    /// Cancels requests under way, sends nothing more, and removes the session. Returns how many changes had no outcome.
    pub(crate) fn abandon(&self) -> usize {
        let Some(mut inner) = self.lock() else {
            return 0; // its own process does it
        };
        if !inner.sessions.contains_key(&self.producer) {
            return 0; // it was abandoned before
        }
        let unsettled = inner.plan.unsettled(self.producer);
        self.end(&mut inner, RunError::Cancelled);
        drop(inner);
        self.cancel.cancel();
        self.join_workers();
        let mut inner = self.pipeline().lock();
        inner.flush_events();
        inner.sessions.remove(&self.producer);
        inner.plan.close(self.producer);
        unsettled
    }

    pub(crate) fn wake_worker(&self) {
        self.work.notify_one();
    }

    /// Waits for work, at most so long.
    pub(crate) fn wait_for_work(&self, inner: &mut Guard<'_>, at_most: Option<Duration>) {
        inner.wait(&self.work, at_most);
    }

    pub(crate) fn spawn_worker(session: &Arc<Session>) -> io::Result<JoinHandle<()>> {
        let worker = Arc::clone(session);
        spawn_without_signals(session.sending.thread_name, move || worker::run(&worker))
    }
}
