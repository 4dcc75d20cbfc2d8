//! The changes of all bulk runs and batchers of a client in this process. There is one plan for all of them, as an
//! account has at most one operation under way, and a [`SessionState`] for each run or batcher.
//!
//! ```text
//! push ──► plan ──► ready ──► worker: one call ──► settle ──► plan ──► deliver ──► poll, or a Waiter
//! ```
//!
//! Everything is behind one lock. It is held for the plan's own steps only: never while a request is sent, and never
//! while a thread is unparked. Unlocking flushes events: it delivers outcomes and starts or wakes workers.

pub(crate) mod batcher;
pub(crate) mod bulk;
pub(crate) mod options;
pub(crate) mod outcome;
mod session;
mod withdraw;
mod worker;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::mem;
use std::sync::{Arc, Condvar, MutexGuard};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use imtag_core::plan::{Batch, BatchResult, Next, Plan, ProducerId, Settled};
use imtag_core::retry::RunHealth;
use imtag_core::{ChangeRequest, Effect, Rules};

use crate::error::{ChangeCause, ChangeError, Error, RunError};
use crate::wait::Lock;

use outcome::{Completion, Delivery, Progress};
use session::Session;
use withdraw::Submitted;

/// What the lock holds for one session.
pub(crate) struct SessionState {
    session: Arc<Session>,
    pub(crate) threads: Vec<JoinHandle<()>>,
    /// Workers that wait for work.
    pub(crate) idle: usize,
    /// When one of them wakes by itself.
    pub(crate) next_wake: Option<Duration>,
    /// Requests for the next free worker.
    pub(crate) ready: VecDeque<Batch>,
    /// Takes no more changes.
    pub(crate) refuses: bool,
    /// How many callers wait in a flush.
    pub(crate) flushes: usize,
    /// The workers end.
    pub(crate) closing: bool,
    pub(crate) completed: VecDeque<Completion>,
    /// Used by batchers only.
    pub(crate) submitted: Submitted,
    /// Threads that wait for capacity or for outcomes.
    pub(crate) waiters: Vec<Thread>,
    /// Used by runs only.
    pub(crate) health: RunHealth,
    /// Requests that were begun.
    begun: usize,
    /// The first request had to be tried again.
    pub(crate) first_is_late: bool,
    /// A result is known that `health` is not told of.
    pub(crate) result_is_known: bool,
    pub(crate) last_failure: Option<Arc<Error>>,
    pub(crate) ended: Option<RunError>,
    /// Without the splits, which the plan counts.
    pub(crate) progress: Progress,
    /// The most that is known of the failures' effects; none where none failed.
    pub(crate) effect: Option<Effect>,
}

/// What the lock holds.
pub(crate) struct Inner {
    pub(crate) plan: Plan<Delivery, ChangeCause>,
    pub(crate) sessions: HashMap<ProducerId, SessionState>,
    /// Producers with outcomes to deliver or requests to send.
    ready_producers: BTreeSet<ProducerId>,
    /// Threads to unpark after unlocking.
    to_unpark: Vec<Thread>,
}

pub(crate) struct Pipeline {
    origin: Instant,
    inner: Lock<Inner>,
}

/// The lock. Dropping it flushes events and unparks threads.
pub(crate) struct Guard<'d> {
    pub(crate) pipeline: &'d Pipeline,
    inner: Option<MutexGuard<'d, Inner>>,
}

const OPEN: &str = "a session is open until it is abandoned";
const HELD: &str = "the guard holds the lock";

impl Pipeline {
    pub(crate) fn new(rules: Rules) -> Pipeline {
        Pipeline {
            origin: Instant::now(),
            inner: Lock::new(Inner {
                plan: Plan::new(rules),
                sessions: HashMap::new(),
                ready_producers: BTreeSet::new(),
                to_unpark: Vec::new(),
            }),
        }
    }

    pub(crate) fn lock(&self) -> Guard<'_> {
        let inner = self.inner.lock();
        Guard {
            pipeline: self,
            inner: Some(inner),
        }
    }

    /// The plan's time.
    pub(crate) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    pub(crate) fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.origin)
    }
}

impl SessionState {
    pub(crate) fn new(session: Arc<Session>) -> SessionState {
        SessionState {
            session,
            threads: Vec::new(),
            idle: 0,
            next_wake: None,
            ready: VecDeque::new(),
            refuses: false,
            flushes: 0,
            closing: false,
            completed: VecDeque::new(),
            submitted: Submitted::default(),
            waiters: Vec::new(),
            health: RunHealth::default(),
            begun: 0,
            first_is_late: false,
            result_is_known: false,
            last_failure: None,
            ended: None,
            progress: Progress::default(),
            effect: None,
        }
    }
}

impl Inner {
    pub(crate) fn session(&mut self, producer: ProducerId) -> &mut SessionState {
        self.sessions.get_mut(&producer).expect(OPEN)
    }

    /// Unparks the threads that wait for capacity or for outcomes.
    pub(crate) fn wake_waiters(&mut self, producer: ProducerId) {
        let mut waiters = mem::take(&mut self.session(producer).waiters);
        self.to_unpark.append(&mut waiters);
    }

    /// Delivers outcomes, and has workers send what can be sent, until nothing is left to do.
    fn flush_events(&mut self, pipeline: &Pipeline) {
        while self.collect_ready() {
            for producer in mem::take(&mut self.ready_producers) {
                self.deliver(producer);
                self.schedule_worker(producer, pipeline);
            }
        }
    }

    fn collect_ready(&mut self) -> bool {
        self.ready_producers
            .append(&mut self.plan.take_ready_producers());
        !self.ready_producers.is_empty()
    }

    /// True if unlocking would deliver events. Check it before waiting on the condvar, which unlocks without delivering.
    pub(crate) fn has_events(&mut self) -> bool {
        self.collect_ready() || !self.to_unpark.is_empty()
    }

    fn deliver(&mut self, producer: ProducerId) {
        let settled = self.plan.take_settled(producer);
        if settled.is_empty() {
            return;
        }
        let Some(state) = self.sessions.get_mut(&producer) else {
            return;
        };
        for Settled {
            reply: delivery,
            change,
            failure,
        } in settled
        {
            let result = match failure {
                None => Ok(()),
                Some(failure) => Err(ChangeError::from_failure(&change, failure)),
            };
            state.record(&result);
            match delivery {
                Delivery::Poll(id) => state.complete(id, change.into_request(), result),
                Delivery::Caller(caller) => {
                    caller.complete(result);
                    self.to_unpark.push(caller.thread.clone());
                }
                Delivery::Discard => {}
            }
        }
        self.to_unpark.append(&mut state.waiters);
    }

    /// What a session does next.
    pub(crate) fn next(&mut self, producer: ProducerId, now: Duration) -> Next {
        let state = self.session(producer);
        if state.is_run() && !state.may_begin() {
            return Next::Wait;
        }
        let next = self.plan.next(producer, now);
        if matches!(next, Next::Send(_)) {
            self.session(producer).begun += 1;
            self.wake_waiters(producer); // there is capacity again
        }
        next
    }

    /// Gives a worker what the session can send now, and has one wake when it can send more.
    pub(crate) fn schedule_worker(&mut self, producer: ProducerId, pipeline: &Pipeline) {
        loop {
            if !self.sessions.contains_key(&producer) {
                return;
            }
            let next = self.next(producer, pipeline.now());
            let state = self.session(producer);
            match next {
                Next::Send(batch) => {
                    state.ready.push_back(batch);
                    if state.idle >= state.ready.len() {
                        state.session.wake_worker();
                    } else if let Err(error) = state.start_worker() {
                        self.fail_without_threads(producer, error, pipeline);
                    }
                }
                Next::WaitUntil(moment) if state.idle > 0 => {
                    if state.next_wake.is_none_or(|next_wake| moment < next_wake) {
                        state.session.wake_worker();
                    }
                    return;
                }
                Next::WaitUntil(_) => {
                    // if none can be started, a busy worker looks when its request has ended
                    if let Err(error) = state.start_worker() {
                        self.fail_without_threads(producer, error, pipeline);
                    }
                    return;
                }
                Next::Wait => return,
            }
        }
    }

    /// No worker can be started: fails all changes of a session that has none.
    fn fail_without_threads(
        &mut self,
        producer: ProducerId,
        error: std::io::Error,
        pipeline: &Pipeline,
    ) {
        let state = self.session(producer);
        if !state.threads.is_empty() {
            return; // fewer workers are only slower
        }
        state.result_is_known = true;
        let flushing = state.is_run() || state.flushes > 0 || state.refuses;
        let cause = ChangeCause::NoThread(Arc::new(error));
        let mut batches = mem::take(&mut state.ready);
        self.plan.set_flushing(producer, true);
        while let Next::Send(batch) = self.plan.next(producer, pipeline.now()) {
            self.plan.admitted(producer, batch.operation());
            batches.push_back(batch);
        }
        self.plan.set_flushing(producer, flushing);
        if batches.is_empty() {
            self.collect_ready();
            self.ready_producers.remove(&producer); // else `flush_events` would come back here for ever
        }
        for batch in batches {
            let result = BatchResult::Failed(cause.clone(), Effect::NotApplied);
            self.plan.settle(batch, result, false, pipeline.now());
        }
    }
}

impl SessionState {
    fn is_run(&self) -> bool {
        self.session.sending.is_run
    }

    /// True if another request may be begun.
    fn may_begin(&self) -> bool {
        let late = self.first_is_late || self.health.first_is_late();
        self.result_is_known || self.health.result_is_known() || self.begun < 1 + usize::from(late)
    }

    /// Why a run is over, once all is settled. If no request was answered, however few there were, the service became
    /// unavailable.
    pub(crate) fn end(&self) -> Option<RunError> {
        let unavailable = self.last_failure.clone().map(RunError::Unavailable);
        let unanswered = unavailable.filter(|_| self.health.answers() == 0);
        self.ended.clone().or(unanswered)
    }

    /// Counts the outcome of a change.
    fn record(&mut self, result: &Result<(), ChangeError>) {
        match result {
            Ok(()) => self.progress.done += 1,
            Err(error) => {
                self.progress.failed += 1;
                self.effect = self.effect.max(Some(error.effect()));
            }
        }
    }

    /// Leaves the outcome of a change to be polled.
    fn complete(&mut self, id: u64, change: Arc<ChangeRequest>, result: Result<(), ChangeError>) {
        self.submitted.remove(id);
        self.completed.push_back(Completion { id, change, result });
    }

    /// Starts a worker, unless there are `max_threads`. It counts as idle until it runs, so no second one is started for the
    /// same request.
    fn start_worker(&mut self) -> std::io::Result<()> {
        if self.threads.len() < self.session.sending.max_threads && !self.closing {
            let thread = Session::spawn_worker(&self.session)?;
            self.threads.push(thread);
            self.idle += 1;
        }
        Ok(())
    }
}

impl Guard<'_> {
    /// Waits for a signal, at most so long.
    pub(crate) fn wait(&mut self, signal: &Condvar, at_most: Option<Duration>) {
        let Some(inner) = self.inner.take() else {
            return;
        };
        debug_assert!(
            inner.to_unpark.is_empty(),
            "a thread would never be unparked"
        );
        self.inner = Some(Lock::wait(inner, signal, at_most));
    }

    /// Delivers outcomes, without unlocking.
    pub(crate) fn flush_events(&mut self) {
        let pipeline = self.pipeline;
        self.inner.as_mut().expect(HELD).flush_events(pipeline);
    }
}

impl std::ops::Deref for Guard<'_> {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        self.inner.as_ref().expect(HELD)
    }
}

impl std::ops::DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut Inner {
        self.inner.as_mut().expect(HELD)
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let Some(mut inner) = self.inner.take() else {
            return;
        };
        inner.flush_events(self.pipeline);
        let to_unpark = mem::take(&mut inner.to_unpark);
        drop(inner);
        for thread in to_unpark {
            thread.unpark();
        }
    }
}
