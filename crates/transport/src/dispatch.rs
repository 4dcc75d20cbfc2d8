//! The changes of all bulk runs and batchers of a client in this process: one schedule, as an account has at most one
//! operation under way whoever asked for it, and for each session what has come of its changes.
//!
//! All of it is behind one lock, which is held for the schedule's own steps only: never while a request is sent, and
//! never while a thread is woken.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::mem;
use std::sync::{Arc, Condvar, MutexGuard};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use imtag_core::schedule::{Batch, Next, ProducerId, Schedule, Settled, Verdict};
use imtag_core::{Change, Effect, Rules};

use crate::batcher::Submitted;
use crate::change_error::{ChangeCause, ChangeError};
use crate::health::{EndedEarly, RunHealth};
use crate::session::Session;
use crate::wait::Lock;

/// Where the outcome of a change is delivered.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// To `poll`, under the caller's number.
    Poll(u64),
    /// To a thread that waits for it.
    Caller(Arc<Waiter>),
    /// Nowhere: its caller has an error already, as it waits no longer.
    Nobody,
}

/// A thread that waits for the outcome of one change.
#[derive(Debug)]
pub(crate) struct Waiter {
    thread: Thread,
    outcome: Lock<Option<Result<(), ChangeError>>>,
}

impl Waiter {
    /// This thread.
    pub(crate) fn here() -> Arc<Waiter> {
        Arc::new(Waiter {
            thread: thread::current(),
            outcome: Lock::new(None),
        })
    }

    /// Sets the outcome. The caller unparks the thread afterwards, without the lock.
    pub(crate) fn complete(&self, outcome: Result<(), ChangeError>) {
        *self.outcome.lock() = Some(outcome);
    }

    /// The outcome, once it is there.
    pub(crate) fn take(&self) -> Option<Result<(), ChangeError>> {
        let mut outcome = self.outcome.lock();
        outcome.take()
    }
}

/// The outcome of a change, for `poll`.
#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) id: u64,
    pub(crate) change: Arc<Change>,
    pub(crate) result: Result<(), ChangeError>,
}

/// What has been counted of a session.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) taken: u64,
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) requests: u64,
    pub(crate) attempts: u64,
    pub(crate) sent: u64,
}

/// A session's part of what is behind the lock.
pub(crate) struct OfSession {
    session: Arc<Session>,
    pub(crate) threads: Vec<JoinHandle<()>>,
    /// Threads that have nothing to do.
    pub(crate) idle: usize,
    /// One of them sleeps no longer than until then.
    pub(crate) watch: Option<Duration>,
    /// Requests to be sent by the next thread that is free.
    pub(crate) ready: VecDeque<Batch>,
    /// No more changes are taken.
    pub(crate) refuses: bool,
    /// Callers that wait for all to be sent.
    pub(crate) flushes: usize,
    /// The threads are to end.
    pub(crate) closing: bool,
    pub(crate) completed: VecDeque<Completed>,
    /// Of a batcher.
    pub(crate) submitted: Submitted,
    /// Threads that wait for something to change.
    pub(crate) waiting: Vec<Thread>,
    pub(crate) health: RunHealth,
    pub(crate) ended: Option<EndedEarly>,
    pub(crate) counts: Counts,
}

/// What is behind the lock.
pub(crate) struct Inner {
    pub(crate) schedule: Schedule<Delivery, ChangeCause>,
    pub(crate) sessions: HashMap<ProducerId, OfSession>,
    /// Sources that have something to hand out or to send.
    woken: BTreeSet<ProducerId>,
    /// To be woken once the lock is free.
    awake: Vec<Thread>,
}

pub(crate) struct Dispatch {
    origin: Instant,
    inner: Lock<Inner>,
}

/// The lock, which wakes whoever has something to look at when it is let go.
pub(crate) struct Guard<'d> {
    pub(crate) dispatch: &'d Dispatch,
    inner: Option<MutexGuard<'d, Inner>>,
}

const OPEN: &str = "a session is known until it is closed";
const HELD: &str = "the lock is held for as long as its guard lives";

impl Dispatch {
    pub(crate) fn new(rules: Rules) -> Dispatch {
        Dispatch {
            origin: Instant::now(),
            inner: Lock::new(Inner {
                schedule: Schedule::new(rules),
                sessions: HashMap::new(),
                woken: BTreeSet::new(),
                awake: Vec::new(),
            }),
        }
    }

    pub(crate) fn lock(&self) -> Guard<'_> {
        let inner = self.inner.lock();
        Guard {
            dispatch: self,
            inner: Some(inner),
        }
    }

    /// As the schedule counts time.
    pub(crate) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    pub(crate) fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.origin)
    }
}

impl OfSession {
    pub(crate) fn new(session: Arc<Session>) -> OfSession {
        OfSession {
            session,
            threads: Vec::new(),
            idle: 0,
            watch: None,
            ready: VecDeque::new(),
            refuses: false,
            flushes: 0,
            closing: false,
            completed: VecDeque::new(),
            submitted: Submitted::default(),
            waiting: Vec::new(),
            health: RunHealth::default(),
            ended: None,
            counts: Counts::default(),
        }
    }
}

impl Inner {
    pub(crate) fn of(&mut self, source: ProducerId) -> &mut OfSession {
        self.sessions.get_mut(&source).expect(OPEN)
    }

    /// Wakes whoever waits for something to change.
    pub(crate) fn wake_waiting(&mut self, source: ProducerId) {
        let mut waiting = mem::take(&mut self.of(source).waiting);
        self.awake.append(&mut waiting);
    }

    /// Hands out what has become known, and sees to it that somebody sends what can be sent.
    fn go_on(&mut self, dispatch: &Dispatch) {
        while self.has_woken() {
            for source in mem::take(&mut self.woken) {
                self.hand_out(source);
                self.attend(source, dispatch);
            }
        }
    }

    fn has_woken(&mut self) -> bool {
        self.woken.append(&mut self.schedule.take_ready_producers());
        !self.woken.is_empty()
    }

    /// Whether there is anything that is only handed out when the lock is let go: to be asked before a rest, which
    /// lets go of it in silence.
    pub(crate) fn has_news(&mut self) -> bool {
        self.has_woken() || !self.awake.is_empty()
    }

    fn hand_out(&mut self, source: ProducerId) {
        let settled = self.schedule.take_settled(source);
        if settled.is_empty() {
            return;
        }
        let Some(of) = self.sessions.get_mut(&source) else {
            return;
        };
        let ended = match &of.ended {
            Some(ended) => ChangeCause::Ended(ended.clone()),
            None => ChangeCause::Closed,
        };
        for Settled {
            reply: delivery,
            change,
            failure,
        } in settled
        {
            let result = match failure {
                None => Ok(()),
                Some(failure) => Err(ChangeError::of(&change, failure, &ended)),
            };
            match result {
                Ok(()) => of.counts.done += 1,
                Err(_) => of.counts.failed += 1,
            }
            match delivery {
                Delivery::Poll(id) => of.complete(id, change, result),
                Delivery::Caller(caller) => {
                    caller.complete(result);
                    self.awake.push(caller.thread.clone());
                }
                Delivery::Nobody => {}
            }
        }
        self.awake.append(&mut of.waiting);
    }

    /// What a session may do now.
    pub(crate) fn next(&mut self, source: ProducerId, now: Duration) -> Next {
        let of = self.of(source);
        if of.is_run() && !of.health.may_begin() {
            return Next::Wait;
        }
        let next = self.schedule.next(source, now);
        if matches!(next, Next::Send(_)) {
            self.of(source).health.begins();
            self.wake_waiting(source); // there is room again
        }
        next
    }

    /// Sees to it that a thread sends what a session can send now, and that one wakes when it can send more.
    pub(crate) fn attend(&mut self, source: ProducerId, dispatch: &Dispatch) {
        loop {
            if !self.sessions.contains_key(&source) {
                return;
            }
            let next = self.next(source, dispatch.now());
            let of = self.of(source);
            match next {
                Next::Send(batch) => {
                    of.ready.push_back(batch);
                    if of.idle >= of.ready.len() {
                        of.session.wake_thread();
                    } else if let Err(error) = of.more_threads() {
                        self.without_threads(source, error, dispatch);
                    }
                }
                Next::WaitUntil(moment) if of.idle > 0 => {
                    if of.watch.is_none_or(|watch| moment < watch) {
                        of.session.wake_thread();
                    }
                    return;
                }
                Next::WaitUntil(_) => {
                    // whoever is busy will look when it is done
                    if let Err(error) = of.more_threads() {
                        self.without_threads(source, error, dispatch);
                    }
                    return;
                }
                Next::Wait => return,
            }
        }
    }

    /// Nobody can send, nor look after what lingers: all of it has failed.
    fn without_threads(&mut self, source: ProducerId, error: std::io::Error, dispatch: &Dispatch) {
        let of = self.of(source);
        if !of.threads.is_empty() {
            return; // with fewer threads than wished for it is slower, no more
        }
        of.health.is_heard = true;
        let hurried = of.is_run() || of.flushes > 0 || of.refuses;
        let cause = ChangeCause::NoThread(Arc::new(error));
        let mut batches = mem::take(&mut of.ready);
        self.schedule.set_flushing(source, true);
        while let Next::Send(batch) = self.schedule.next(source, dispatch.now()) {
            self.schedule.admitted(source, batch.operation());
            batches.push_back(batch);
        }
        self.schedule.set_flushing(source, hurried);
        if batches.is_empty() {
            self.has_woken();
            self.woken.remove(&source); // it would be tried without end
        }
        for batch in batches {
            let verdict = Verdict::Failed(cause.clone(), Effect::NotApplied);
            self.schedule.settle(batch, verdict, false, dispatch.now());
        }
    }
}

impl OfSession {
    fn is_run(&self) -> bool {
        self.session.sending.is_run
    }

    /// Starts a thread, unless there are as many as may be. It counts as one without anything to do until it looks, so
    /// that no other is started for the same reason.
    fn more_threads(&mut self) -> std::io::Result<()> {
        if self.threads.len() < self.session.sending.threads_at_most && !self.closing {
            let thread = Session::start_thread(&self.session)?;
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
        debug_assert!(inner.awake.is_empty(), "nobody is left asleep");
        self.inner = Some(Lock::wait(inner, signal, at_most));
    }

    /// Hands out what has become known.
    pub(crate) fn go_on(&mut self) {
        let dispatch = self.dispatch;
        self.inner.as_mut().expect(HELD).go_on(dispatch);
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
        inner.go_on(self.dispatch);
        let awake = mem::take(&mut inner.awake);
        drop(inner);
        for thread in awake {
            thread.unpark();
        }
    }
}
