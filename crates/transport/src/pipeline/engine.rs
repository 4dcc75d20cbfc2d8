//! What the lock holds, and the two ways to it: a step, and a wait.
//!
//! A step runs with the lock held, and what follows from it is decided in one place, `follow_up`: for each session that the
//! step touched, outcomes are delivered, what waits for capacity is taken in, it is staffed, and its callers are woken if there is what one of them may wait for.
//! Threads are unparked and started when the lock is free.

use std::collections::BTreeMap;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use imtag_core::plan::{Batch, ChangeId, Item, Plan, ProducerId, Readiness, Settled};
use imtag_core::retry::RunHealth;
use imtag_core::{Effect, InvalidChange, Operation, Rules};

use super::outcome::{Completion, Delivery, Progress};
use super::queue::Queue;
use super::submissions::Submissions;
use super::workers::{Staffing, StartWorker, Workers};
use crate::error::{Cause, ChangeError, Error, RunError};
use crate::wait::thread::{self, Thread};
use crate::wait::{Lock, Polled, Sleeper, WaitEnd, WaitScope, Waiters, now};

/// The changes of all sessions of a client in one process.
pub(crate) struct Pipeline {
    /// The plan's time begins here.
    origin: Instant,
    state: Lock<State>,
}

/// What the lock holds.
pub(crate) struct State {
    pub(crate) plan: Plan<Delivery, Error>,
    sessions: BTreeMap<ProducerId, SessionState>,
    events: Events,
}

/// What is done when the lock is free.
#[derive(Default)]
struct Events {
    unpark: Vec<Thread>,
    start: Vec<(ProducerId, StartWorker)>,
    wake: Vec<Waker>,
}

/// What the lock holds for one session, besides what the plan knows of it.
pub(crate) struct SessionState {
    pub(crate) workers: Workers,
    /// Threads that wait for capacity, for outcomes, or for the end.
    callers: Waiters,
    /// What tasks have given that waits for capacity: changes, and gets.
    pub(super) queues: [Queue; 2],
    seen: Watched,
    pub(crate) submissions: Submissions,
    /// Takes no more changes.
    pub(crate) refuses: bool,
    /// The workers end.
    pub(crate) closing: bool,
    pub(crate) health: RunHealth,
    /// Of a request; none where none failed, or the failure says nothing about the service.
    pub(crate) last_failure: Option<Error>,
    pub(crate) ended: Option<RunError>,
    /// Where there is no thread to send with, it pauses, and nothing fails.
    pauses_without_worker: bool,
    /// Why it pauses, while it does.
    pub(crate) paused: Option<RunError>,
    /// It pauses for good, and is to be abandoned.
    pub(crate) is_held: bool,
    /// A poll for capacity has returned as it pauses.
    pub(crate) pause_is_polled: bool,
    /// Without the splits and searches, which the plan counts.
    pub(crate) progress: Progress,
    /// How many pauses have ended.
    pub(crate) resumes: u64,
    /// The most that is known of the failures' effects; none where none failed.
    pub(crate) effect: Option<Effect>,
}

/// What was known of a session when a request began.
#[derive(Clone, Copy)]
pub(crate) struct Began {
    /// How many requests the service had answered.
    pub(crate) answers: u64,
    pub(crate) resumes: u64,
}

/// What callers wait for, as it was after the last step that touched the session.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Watched {
    /// For changes, and for gets.
    has_capacity: [bool; 2],
    has_no_worker: bool,
    /// How many changes nothing waits for any more: they have their outcomes, or were taken back or disowned.
    over: u64,
    /// When the next withdrawn change is abandoned.
    next_abandoned: Option<Duration>,
    /// It takes no more changes, has ended, pauses, is held with no request under way.
    flags: [bool; 4],
}

const OPEN: &str = "a session is used from its opening to its removal only";

impl Pipeline {
    pub(crate) fn new(rules: Rules) -> Pipeline {
        Pipeline {
            origin: now(),
            state: Lock::new(State {
                plan: Plan::new(rules),
                sessions: BTreeMap::new(),
                events: Events::default(),
            }),
        }
    }

    /// A moment in the plan's time.
    pub(crate) fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.origin)
    }

    pub(crate) fn now(&self) -> Duration {
        self.at(now())
    }

    /// Makes a step: the only way to the state. It must not wait.
    pub(crate) fn with<T>(&self, step: impl FnOnce(&mut State, Duration) -> T) -> T {
        let mut state = self.state.lock();
        // with the lock, so that the plan's time never goes back
        let now = self.now();
        let value = step(&mut state, now);
        state.follow_up(now);
        let events = mem::take(&mut state.events);
        drop(state);
        self.carry_out(events);
        value
    }

    fn carry_out(&self, events: Events) {
        for thread in events.unpark {
            thread.unpark();
        }
        for (producer, start) in events.start {
            match start() {
                Ok(thread) => self.with(|state, _| {
                    state.session(producer).workers.has_started(thread);
                }),
                Err(error) => {
                    let cause = Error::not_sent(Cause::NoThread(error));
                    self.with(|state, now| state.worker_has_not_started(producer, cause, now));
                }
            }
        }
        for waker in events.wake {
            // an executor that panics keeps no other task from being woken
            let wake = AssertUnwindSafe(|| waker.wake());
            drop(panic::catch_unwind(wake));
        }
    }

    /// Waits until a look finds something: the only wait of callers. It looks at least once, and once more when its time
    /// is up or it is cancelled.
    pub(crate) fn wait<T>(
        &self,
        producer: ProducerId,
        scope: &WaitScope,
        mut look: impl FnMut(&mut State, Duration) -> Polled<T, Duration>,
    ) -> Result<T, WaitEnd> {
        let mut place = None;
        let mut look = |state: &mut State, now, is_last: bool| {
            let callers = &mut state.untouched(producer).callers;
            place.take().and_then(|number| callers.leave(number));
            let polled = look(state, now);
            if !is_last && !matches!(polled, Polled::Ready(_)) {
                // with the same lock as the look, so that nothing happens in between without waking it
                place = Some(state.untouched(producer).callers.register());
            }
            polled
        };
        let mut watches = None;
        let found = scope.wait_until(|| {
            let polled = self.with(|state, now| look(state, now, false));
            if !matches!(polled, Polled::Ready(_)) {
                // a token that was cancelled meanwhile unparks this thread at once
                watches.get_or_insert_with(|| scope.watch());
            }
            self.by_clock(polled)
        });
        // out of the list, and what came until the end is found
        found.or_else(|end| match self.with(|state, now| look(state, now, true)) {
            Polled::Ready(found) => Ok(found),
            Polled::WaitUntil(_) | Polled::Pending => Err(end),
        })
    }

    /// Waits for the next request of a session; `None` when the session closes.
    pub(crate) fn next_request(&self, producer: ProducerId) -> Option<(Batch, Began)> {
        let this = thread::current();
        let request = WaitScope::endless().wait_until(|| {
            self.by_clock(self.with(|state, now| {
                // this touches the session: it may be the one that others counted on
                state.session(producer).workers.looks(&this);
                if let Some(batch) = state.plan.take(producer, now) {
                    let session = state.session(producer);
                    let began = Began {
                        answers: session.health.answers(),
                        resumes: session.resumes,
                    };
                    return Polled::Ready(Some((batch, began)));
                }
                if state.session(producer).closing {
                    return Polled::Ready(None);
                }
                let again = match state.plan.poll(producer, now) {
                    Readiness::NotBefore(moment) => Some(moment),
                    Readiness::Idle | Readiness::Ready => None,
                };
                let workers = &mut state.session(producer).workers;
                let again = workers.sleeps(this.clone(), again);
                again.map_or(Polled::Pending, Polled::WaitUntil)
            }))
        });
        request.ok().flatten()
    }

    /// The same, by the clock that threads wait by. A time without an end is past what an `Instant` holds.
    fn by_clock<T>(&self, polled: Polled<T, Duration>) -> Polled<T> {
        match polled {
            Polled::Ready(found) => Polled::Ready(found),
            Polled::WaitUntil(moment) => {
                let moment = self.origin.checked_add(moment);
                moment.map_or(Polled::Pending, Polled::WaitUntil)
            }
            Polled::Pending => Polled::Pending,
        }
    }
}

impl State {
    /// Adds the session of a producer.
    pub(crate) fn open(
        &mut self,
        producer: ProducerId,
        start: StartWorker,
        most_workers: usize,
        pauses_without_worker: bool,
    ) {
        let session = SessionState {
            workers: Workers::new(start, most_workers),
            callers: Waiters::default(),
            queues: Default::default(),
            seen: Watched::default(),
            submissions: Submissions::default(),
            refuses: false,
            closing: false,
            health: RunHealth::default(),
            last_failure: None,
            ended: None,
            pauses_without_worker,
            paused: None,
            is_held: false,
            pause_is_polled: false,
            resumes: 0,
            progress: Progress::default(),
            effect: None,
        };
        self.sessions.insert(producer, session);
        self.plan.touch(producer);
    }

    /// Takes a change or a get in. It was checked by the client's rules when it was made.
    pub(crate) fn push(
        &mut self,
        producer: ProducerId,
        item: Item,
        delivery: Delivery,
        deadline: Duration,
        now: Duration,
    ) -> ChangeId {
        self.session(producer).progress.taken += 1;
        self.plan.push(producer, item, delivery, deadline, now)
    }

    /// Takes a change in that breaks the rules, with its outcome.
    pub(crate) fn refuse(&mut self, producer: ProducerId, id: u64, invalid: InvalidChange) {
        let (change, invalid) = invalid.into_parts();
        let error = ChangeError::not_sent(&change, Cause::Invalid(invalid));
        let session = self.session(producer);
        session.progress.taken += 1;
        session.record(Some(&error));
        let submissions = &mut session.submissions;
        submissions.push(id, Arc::new(change), Err(error));
    }

    /// A session, to be changed. This touches it: what follows is decided when the step is over.
    pub(crate) fn session(&mut self, producer: ProducerId) -> &mut SessionState {
        self.plan.touch(producer);
        self.untouched(producer)
    }

    /// A session, for what nothing follows from.
    pub(super) fn untouched(&mut self, producer: ProducerId) -> &mut SessionState {
        self.sessions.get_mut(&producer).expect(OPEN)
    }

    /// The outcomes of a session's changes that wait to be polled.
    pub(crate) fn take_changes(&mut self, producer: ProducerId) -> Vec<Completion> {
        mem::take(&mut self.untouched(producer).submissions.changes)
    }

    /// A session, to be read.
    pub(crate) fn read(&self, producer: ProducerId) -> &SessionState {
        self.sessions.get(&producer).expect(OPEN)
    }

    pub(crate) fn is_open(&self, producer: ProducerId) -> bool {
        self.sessions.contains_key(&producer)
    }

    /// Removes a session that has no change and no worker. Drop what it returns without the lock.
    pub(crate) fn remove(&mut self, producer: ProducerId) -> Option<SessionState> {
        self.plan.close(producer);
        self.sessions.remove(&producer)
    }

    /// This thread of a worker ends. If it was by a defect, another may be started.
    pub(crate) fn worker_has_ended(&mut self, producer: ProducerId, now: Duration) {
        let session = self.session(producer);
        let is_last = session.workers.has_ended(&thread::current());
        if is_last && session.closing {
            // what its callers have given up, and would be sent again: nothing sends it, and it must hold up no account
            let closed = Error::not_sent(Cause::Closed);
            self.plan.fail_unsent(producer, closed, now);
        }
    }

    fn worker_has_not_started(&mut self, producer: ProducerId, cause: Error, now: Duration) {
        // a busy worker looks when its request is done: fewer workers are only slower
        let session = self.session(producer);
        if !session.workers.has_not_started() {
            return;
        }
        // else what comes next might be sent before what failed
        let pauses = session.pauses_without_worker;
        if !(pauses && self.pause(producer, &RunError::Unavailable(cause.clone()))) {
            self.plan.fail_unsent(producer, cause, now);
        }
    }

    /// Decides what follows from a step: for each session that it touched, outcomes are delivered, workers woken or started,
    /// and callers woken.
    fn follow_up(&mut self, now: Duration) {
        // also for what this touches: a poll of the plan may settle changes of another session
        while let Some(producer) = self.plan.next_ready_producer() {
            if self.is_open(producer) {
                self.deliver(producer);
                self.admit(producer, now);
                self.staff(producer, now);
                self.wake_callers(producer);
            }
        }
        debug_assert!(
            self.sessions
                .iter()
                .all(|(id, it)| it.seen == self.seen(*id)),
            "a step touches each session whose callers wait for what it changed"
        );
    }

    fn deliver(&mut self, producer: ProducerId) {
        let settled = self.plan.take_settled(producer);
        if settled.len() == 0 {
            return;
        }
        let session = self.sessions.get_mut(&producer).expect(OPEN);
        for Settled {
            reply: delivery,
            item,
            failure,
            undone,
            read,
        } in settled
        {
            let result = match failure {
                None => Ok(read),
                Some(error) => {
                    let undone = undone.iter().map(|tag| item.tags().at(*tag));
                    let (operation, account) = (item.operation(), item.account());
                    Err(ChangeError::new(operation, account, error, undone))
                }
            };
            session.record(result.as_ref().err());
            match delivery {
                Delivery::Poll(id) => session.submissions.complete(id, item, result),
                Delivery::Caller(caller) => self.events.wake(caller.complete(result)),
                Delivery::Discard => {}
            }
        }
    }

    /// Wakes a thread or a task when the lock is free.
    pub(super) fn wake_later(&mut self, sleeper: Option<Sleeper>) {
        self.events.wake(sleeper);
    }

    /// Wakes the callers if there is what one of them may wait for.
    fn wake_callers(&mut self, producer: ProducerId) {
        let seen = self.seen(producer);
        let session = self.sessions.get_mut(&producer).expect(OPEN);
        let before = mem::replace(&mut session.seen, seen);
        let before = Watched {
            // nobody waits for the capacity to be used up, or for a worker to start
            has_capacity: [0, 1].map(|at| before.has_capacity[at] && seen.has_capacity[at]),
            has_no_worker: before.has_no_worker && seen.has_no_worker,
            ..before
        };
        if seen != before {
            self.events.unpark.extend(session.callers.take_all());
        }
    }

    fn seen(&self, producer: ProducerId) -> Watched {
        let session = self.read(producer);
        let unsettled = self.plan.unsettled(producer) as u64;
        Watched {
            has_capacity: [Operation::Add, Operation::Get]
                .map(|operation| self.plan.has_capacity(producer, operation)),
            has_no_worker: session.workers.have_ended(),
            over: session.progress.taken.wrapping_sub(unsettled),
            next_abandoned: session.submissions.late.front().map(|it| it.0),
            flags: [
                session.refuses,
                session.ended.is_some(),
                session.paused.is_some(),
                session.is_held && self.plan.requests_under_way(producer) == 0,
            ],
        }
    }

    fn staff(&mut self, producer: ProducerId, now: Duration) {
        let session = self.sessions.get_mut(&producer).expect(OPEN);
        if session.closing {
            self.events.unpark.extend(session.workers.wake_all());
            return;
        }
        if session.workers.is_staffed() {
            return;
        }
        match session.workers.staff(self.plan.poll(producer, now)) {
            Staffing::Enough => {}
            Staffing::Wake(thread) => self.events.unpark.push(thread),
            Staffing::Start(start) => self.events.start.push((producer, start)),
        }
    }
}

impl Events {
    fn wake(&mut self, sleeper: Option<Sleeper>) {
        match sleeper {
            Some(Sleeper::Thread(thread)) => self.unpark.push(thread),
            Some(Sleeper::Task(waker)) => self.wake.push(waker),
            None => {}
        }
    }
}

impl SessionState {
    /// Why a run is over, once all is settled. If no request was answered, however few there were, the service became
    /// unavailable.
    pub(crate) fn why_ended(&self) -> Option<RunError> {
        let unavailable = self.last_failure.clone().map(RunError::Unavailable);
        let unanswered = unavailable.filter(|_| self.health.answers() == 0);
        self.ended.clone().or(unanswered)
    }

    /// True if it pauses, or has since then.
    pub(crate) fn paused_since(&self, began: Began) -> bool {
        self.paused.is_some() || self.resumes != began.resumes
    }

    /// Counts the outcome of a change or a get.
    pub(crate) fn record(&mut self, failure: Option<&ChangeError>) {
        match failure {
            None => self.progress.done += 1,
            Some(error) => {
                self.progress.failed += 1;
                self.effect = self.effect.max(Some(error.effect()));
            }
        }
    }
}
