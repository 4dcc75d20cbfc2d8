//! A session: what a bulk run and a batcher have in common. Changes go in, the session's workers send them, and outcomes
//! come out.
//!
//! ```text
//! open ──► takes changes ──┬─ close, finish ──► refuses ──► all settled ──► workers joined ──► removed on drop
//!           ▲  │           └─ end (cancelled, or the run's health) ──► unsent changes fail ──► as above
//!    resume │  │ its health, if it is to pause
//!           │  ▼
//!          paused: sends nothing, takes changes while there is capacity, and loses nothing
//! ```

use std::panic;
use std::sync::Arc;
use std::time::Duration;

use imtag_core::Rules;
use imtag_core::plan::{BatchPolicy, ProducerId};
use imtag_core::retry::RunHealth;

use super::engine::{Pipeline, State};
use super::outcome::Progress;
use super::stats::SessionStats;
use crate::error::{Cause, Error, RunError};
use crate::event::event;
use crate::process::spawn_without_signals;
use crate::wait::{CancelToken, Polled, WaitEnd, WaitScope, process_id};

/// How a session sends.
#[derive(Debug, Clone)]
pub(crate) struct Sending {
    pub(crate) policy: BatchPolicy,
    /// The time for each request, with its waits and retries. It ends earlier at the last deadline of its changes.
    pub(crate) timeout: Duration,
    pub(crate) attempt_timeout: Duration,
    pub(crate) when_unavailable: WhenUnavailable,
    /// Its calls wait out more failures, and wait for the quota however long that takes.
    pub(crate) in_run: bool,
    /// The longest wait before a request that would fail all others goes again.
    pub(crate) longest_backoff: Duration,
    /// Calls of others go before its own in the quota.
    pub(crate) in_background: bool,
    pub(crate) max_threads: usize,
    /// `bulk` or `batcher`, in figures, events and the names of its threads.
    pub(crate) name: &'static str,
}

/// What a session does if every further request would fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenUnavailable {
    /// It goes on.
    GoOn,
    /// It ends, and what is not sent fails.
    End,
    /// It sends nothing until it is resumed, and loses nothing.
    Pause,
}

pub(crate) struct Session {
    pipeline: Arc<Pipeline>,
    pub(crate) producer: ProducerId,
    /// Those of the client, by which changes are checked.
    pub(crate) rules: Rules,
    pub(crate) sending: Sending,
    /// Ends requests under way.
    pub(crate) cancel: CancelToken,
    /// Sends nothing more.
    pub(crate) drain: CancelToken,
    process: u32,
}

impl Session {
    /// `work`: what a worker does until the session closes.
    pub(crate) fn open(
        pipeline: &Arc<Pipeline>,
        rules: Rules,
        sending: Sending,
        work: impl Fn(&Session) + Send + Sync + 'static,
    ) -> Arc<Session> {
        let policy = sending.policy;
        let session = Arc::new(Session {
            pipeline: Arc::clone(pipeline),
            producer: pipeline.with(|state, _| state.plan.open(policy)),
            rules,
            sending,
            cancel: CancelToken::new(),
            drain: CancelToken::new(),
            process: process_id(),
        });
        let (its, work) = (Arc::clone(&session), Arc::new(work));
        let start = move || {
            let (session, work) = (Arc::clone(&its), Arc::clone(&work));
            let name = format!("imtag-{}", its.sending.name);
            spawn_without_signals(&name, move || {
                // a panic is a defect: it ends this worker alone
                let work = panic::AssertUnwindSafe(|| work(&session));
                drop(panic::catch_unwind(work));
                let producer = session.producer;
                let ended = |state: &mut State, now| state.worker_has_ended(producer, now);
                session.pipeline.with(ended);
            })
        };
        let most = session.sending.max_threads;
        let pauses = session.sending.when_unavailable == WhenUnavailable::Pause;
        pipeline.with(|state, _| state.open(session.producer, Arc::new(start), most, pauses));
        event!(info, session = session.sending.name, "session began");
        session
    }

    /// The pipeline, for those that always run in the session's own process, as workers do.
    pub(crate) fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The same, to be shared with another client.
    pub(super) fn shared_pipeline(&self) -> Arc<Pipeline> {
        Arc::clone(&self.pipeline)
    }

    /// Makes a step; `None` in a forked process, which does not own the session.
    pub(crate) fn with<T>(&self, step: impl FnOnce(&mut State, Duration) -> T) -> Option<T> {
        self.is_owned().then(|| self.pipeline.with(step))
    }

    /// Waits until a look finds something; `None` in a forked process.
    pub(crate) fn wait<T>(
        &self,
        scope: &WaitScope,
        look: impl FnMut(&mut State, Duration) -> Polled<T, Duration>,
    ) -> Option<Result<T, WaitEnd>> {
        self.is_owned()
            .then(|| self.pipeline.wait(self.producer, scope, look))
    }

    /// False in a forked process.
    pub(crate) fn is_owned(&self) -> bool {
        self.process == process_id()
    }

    /// True if nothing more is sent.
    pub(crate) fn is_drained(&self) -> bool {
        self.drain.is_cancelled() || self.cancel.is_cancelled()
    }

    /// Why the session pauses, if it does.
    pub(crate) fn paused(&self) -> Option<RunError> {
        self.with(|state, _| state.read(self.producer).paused.clone())?
    }

    /// Ends a pause.
    pub(crate) fn resume(&self) {
        if self.with(|state, _| state.resume(self.producer)) == Some(true) {
            event!(info, session = self.sending.name, "session resumed");
        }
    }

    /// Its figures; those of a forked process, where it does not run, are zeros.
    pub(crate) fn stats(&self) -> SessionStats {
        let (name, producer) = (self.sending.name, self.producer);
        let stats = self.with(|state, now| SessionStats {
            name,
            progress: state.progress(producer),
            queued: state.plan.queued(producer) as u64,
            oldest: state
                .plan
                .oldest(producer)
                .map(|came| now.saturating_sub(came)),
        });
        stats.unwrap_or(SessionStats {
            name,
            ..SessionStats::default()
        })
    }

    /// Waits until the workers have ended. Call it when all changes have their outcomes.
    pub(crate) fn join_workers(&self, scope: &WaitScope) {
        let threads = self.wait(scope, |state, _| {
            let session = state.session(self.producer);
            session.closing = true;
            let threads = session.workers.take_ended();
            threads.map_or(Polled::Pending, Polled::Ready)
        });
        let threads = threads.and_then(Result::ok);
        for thread in threads.into_iter().flatten() {
            drop(thread.join());
        }
    }

    /// Cancels requests under way, sends nothing more, and removes the session. Returns how many changes had no outcome.
    pub(crate) fn abandon(&self) -> usize {
        let unsettled = self.with(|state, now| {
            // unless it was abandoned before
            let unsettled = state
                .is_open(self.producer)
                .then(|| state.plan.unsettled(self.producer))?;
            state.end(self.producer, RunError::Cancelled, now);
            Some(unsettled)
        });
        let Some(unsettled) = unsettled.flatten() else {
            return 0;
        };
        self.cancel.cancel();
        self.join_workers(&WaitScope::endless());
        let progress = self.with(|state, _| state.progress(self.producer));
        drop(self.with(|state, _| state.remove(self.producer)));
        let progress = progress.unwrap_or_default();
        event!(
            info,
            session = self.sending.name,
            taken = progress.taken,
            done = progress.done,
            failed = progress.failed,
            requests = progress.requests,
            users = progress.users,
            attempts = progress.attempts,
            splits = progress.splits,
            unsettled,
            "session ended"
        );
        unsettled
    }
}

impl State {
    /// Has a session take no more changes, and wait for no more to share requests. Callers that wait for capacity are refused.
    pub(crate) fn close(&mut self, producer: ProducerId) {
        self.session(producer).refuses = true;
        self.plan.set_flushing(producer);
    }

    /// Sends nothing more. Changes that were not sent fail, with this as the cause.
    pub(crate) fn end(&mut self, producer: ProducerId, why: RunError, now: Duration) {
        let session = self.session(producer);
        if session.ended.is_none() {
            session.ended = Some(why.clone());
            self.plan
                .end(producer, Error::not_sent(Cause::Ended(why)), now);
        }
    }

    /// Sends nothing until it is resumed. Returns false where the session ends instead, as it was cancelled.
    pub(crate) fn pause(&mut self, producer: ProducerId, why: &RunError) -> bool {
        let session = self.session(producer);
        if session.ended.is_some() || why.error().is_none() {
            return false;
        }
        if session.paused.is_none() {
            session.paused = Some(why.clone());
            session.pause_is_polled = false;
            self.plan.pause(producer);
        }
        true
    }

    /// Takes no more changes, and sends nothing any more. What is not sent, or fails of what is under way, waits until the session
    /// is abandoned.
    pub(super) fn hold(&mut self, producer: ProducerId) {
        self.close(producer);
        let session = self.session(producer);
        if !session.is_held {
            session.is_held = true;
            session.paused.get_or_insert(RunError::Cancelled);
            self.plan.pause(producer);
        }
    }

    /// Goes on after a pause, as if nothing was known of the service. Returns false if there is none.
    fn resume(&mut self, producer: ProducerId) -> bool {
        let session = self.session(producer);
        if session.is_held {
            return false;
        }
        let pauses = session.paused.take().is_some();
        if pauses {
            session.resumes += 1;
            session.health = RunHealth::default();
            session.last_failure = None;
            self.plan.resume(producer);
        }
        pauses
    }

    pub(crate) fn progress(&self, producer: ProducerId) -> Progress {
        let (splits, searches) = self.plan.searched(producer);
        Progress {
            splits,
            searches,
            ..self.read(producer).progress
        }
    }
}
