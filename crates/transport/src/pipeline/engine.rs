//! What the lock holds, and the two ways to it: a step, and a wait.
//!
//! A step runs with the lock held, and what follows from it is decided in one place, `follow_up`: outcomes are delivered,
//! and each session that the step touched is staffed. Threads are unparked and started when the lock is free.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::time::{Duration, Instant};

use imtag_core::plan::{Batch, Item, Plan, ProducerId, Readiness, Settled};
use imtag_core::retry::RunHealth;
use imtag_core::{Effect, Rules};

use super::outcome::{Delivery, Progress};
use super::submissions::Submissions;
use super::workers::{Staffing, StartWorker, Workers};
use crate::error::{Cause, ChangeError, Error, RunError};
use crate::wait::thread::{self, JoinHandle, Thread};
use crate::wait::{Lock, Polled, WaitEnd, WaitScope, deadline_after, now};

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
    /// Sessions that a step has touched. The plan names others.
    touched: BTreeSet<ProducerId>,
    events: Events,
}

/// What is done when the lock is free.
#[derive(Default)]
struct Events {
    unpark: Vec<Thread>,
    start: Vec<(ProducerId, StartWorker)>,
}

/// What the lock holds for one session, besides what the plan knows of it.
pub(crate) struct SessionState {
    pub(crate) workers: Workers,
    /// Threads that wait for capacity, for outcomes, or for the end.
    callers: Vec<Thread>,
    pub(crate) submissions: Submissions,
    /// Takes no more changes.
    pub(crate) refuses: bool,
    /// The workers end.
    pub(crate) closing: bool,
    pub(crate) health: RunHealth,
    /// Of a request; none where none failed, or the failure says nothing about the service.
    pub(crate) last_failure: Option<Error>,
    pub(crate) ended: Option<RunError>,
    /// Why it pauses, while it does.
    pub(crate) paused: Option<RunError>,
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

/// What a look finds.
pub(crate) enum Look<T> {
    Found(T),
    /// Nothing yet: it looks again when something happens, and at this moment at the latest.
    Nothing(Option<Duration>),
}

/// A thread that waits.
#[derive(Clone, Copy)]
enum Role {
    Caller,
    Worker,
}

const OPEN: &str = "a session is used from its opening to its removal only";

impl Pipeline {
    pub(crate) fn new(rules: Rules) -> Pipeline {
        Pipeline {
            origin: now(),
            state: Lock::new(State {
                plan: Plan::new(rules),
                sessions: BTreeMap::new(),
                touched: BTreeSet::new(),
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
                Ok(thread) => self.with(|state, _| state.worker_has_started(producer, thread)),
                Err(error) => {
                    let cause = Error::not_sent(Cause::NoThread(error));
                    self.with(|state, now| state.worker_has_not_started(producer, cause, now));
                }
            }
        }
    }

    /// Waits until a look finds something: the only wait of callers. It looks at least once, and once more when its time
    /// is up or it is cancelled.
    pub(crate) fn wait<T>(
        &self,
        producer: ProducerId,
        scope: &WaitScope,
        look: impl FnMut(&mut State, Duration) -> Look<T>,
    ) -> Result<T, WaitEnd> {
        self.wait_as(Role::Caller, producer, scope, look)
    }

    /// Waits for the next request of a session; `None` when the session closes.
    pub(crate) fn next_request(&self, producer: ProducerId) -> Option<(Batch, Began)> {
        let endless = WaitScope::until(deadline_after(Duration::MAX));
        let request = self.wait_as(Role::Worker, producer, &endless, |state, now| {
            if let Some(batch) = state.plan.take(producer, now) {
                state.wake_callers(producer); // there is capacity again
                let session = state.session(producer);
                let began = Began {
                    answers: session.health.answers(),
                    resumes: session.resumes,
                };
                return Look::Found(Some((batch, began)));
            }
            if state.session(producer).closing {
                return Look::Found(None);
            }
            match state.plan.poll(producer, now) {
                Readiness::NotBefore(moment) => Look::Nothing(Some(moment)),
                Readiness::Idle | Readiness::Ready => Look::Nothing(None),
            }
        });
        request.ok().flatten()
    }

    fn wait_as<T>(
        &self,
        role: Role,
        producer: ProducerId,
        scope: &WaitScope,
        mut look: impl FnMut(&mut State, Duration) -> Look<T>,
    ) -> Result<T, WaitEnd> {
        let this = thread::current();
        let mut watches = None;
        let found = scope.wait_until(|| {
            let looked = self.with(|state, now| {
                state.begins_look(role, producer, &this);
                match look(state, now) {
                    // with the same lock as the look, so that nothing happens in between without waking it
                    Look::Nothing(again) => {
                        Look::Nothing(state.sleeps(role, producer, &this, again))
                    }
                    found => found,
                }
            });
            let again = match looked {
                Look::Found(found) => return Polled::Ready(found),
                Look::Nothing(again) => again,
            };
            // a token that was cancelled meanwhile unparks this thread at once
            watches.get_or_insert_with(|| scope.watch());
            // a time without an end is past what an `Instant` holds
            let until = again.and_then(|moment| self.origin.checked_add(moment));
            until.map_or(Polled::Pending, Polled::WaitUntil)
        });
        // out of the list, and what came until the end is found
        found.or_else(|end| {
            self.with(|state, now| {
                state.begins_look(role, producer, &this);
                match look(state, now) {
                    Look::Found(found) => Ok(found),
                    Look::Nothing(_) => Err(end),
                }
            })
        })
    }
}

impl State {
    /// Adds the session of a producer.
    pub(crate) fn open(&mut self, producer: ProducerId, start: StartWorker, most_workers: usize) {
        let session = SessionState {
            workers: Workers::new(start, most_workers),
            callers: Vec::new(),
            submissions: Submissions::default(),
            refuses: false,
            closing: false,
            health: RunHealth::default(),
            last_failure: None,
            ended: None,
            paused: None,
            resumes: 0,
            progress: Progress::default(),
            effect: None,
        };
        self.sessions.insert(producer, session);
    }

    pub(crate) fn session(&mut self, producer: ProducerId) -> &mut SessionState {
        self.sessions.get_mut(&producer).expect(OPEN)
    }

    pub(crate) fn is_open(&self, producer: ProducerId) -> bool {
        self.sessions.contains_key(&producer)
    }

    /// Removes a session that has no change and no worker. Drop what it returns without the lock.
    pub(crate) fn remove(&mut self, producer: ProducerId) -> Option<SessionState> {
        self.plan.close(producer);
        self.sessions.remove(&producer)
    }

    /// Has a session staffed when the step is over, where the plan does not see by itself that something happened.
    pub(crate) fn touch(&mut self, producer: ProducerId) {
        self.touched.insert(producer);
    }

    /// Wakes the callers of a session, when the lock is free.
    pub(crate) fn wake_callers(&mut self, producer: ProducerId) {
        if let Some(session) = self.sessions.get_mut(&producer) {
            self.events.unpark.append(&mut session.callers);
        }
    }

    /// Wakes all workers that sleep, when the lock is free.
    pub(crate) fn wake_workers(&mut self, producer: ProducerId) {
        if let Some(session) = self.sessions.get_mut(&producer) {
            self.events.unpark.extend(session.workers.wake_all());
        }
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
        self.wake_callers(producer);
        self.touch(producer);
    }

    fn worker_has_started(&mut self, producer: ProducerId, thread: JoinHandle<()>) {
        self.session(producer).workers.has_started(thread);
        self.wake_callers(producer);
    }

    fn worker_has_not_started(&mut self, producer: ProducerId, cause: Error, now: Duration) {
        // a busy worker looks when its request is done: fewer workers are only slower
        if self.session(producer).workers.has_not_started() {
            self.plan.fail_unsent(producer, cause, now);
        }
        self.wake_callers(producer);
        self.touch(producer);
    }

    /// Decides what follows from a step: for each session that it touched, outcomes are delivered and workers woken or
    /// started.
    fn follow_up(&mut self, now: Duration) {
        loop {
            // also what the last round touched: a poll of the plan may settle changes of another session
            self.touched.append(&mut self.plan.take_ready_producers());
            let Some(producer) = self.touched.pop_first() else {
                return;
            };
            if self.is_open(producer) {
                self.deliver(producer);
                self.staff(producer, now);
            }
        }
    }

    fn deliver(&mut self, producer: ProducerId) {
        let settled = self.plan.take_settled(producer);
        if settled.is_empty() {
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
                Some(error) => Err(ChangeError::of_undone(&item, error, &undone)),
            };
            session.record(result.as_ref().err());
            match (delivery, item) {
                (Delivery::Poll(id), Item::Change(change)) => {
                    let submissions = &mut session.submissions;
                    submissions.complete(id, change.into_request(), result.map(drop));
                }
                (Delivery::Caller(caller), _) => {
                    caller.complete(result);
                    self.events.unpark.push(caller.thread.clone());
                }
                // no get is submitted
                (Delivery::Discard, _) | (Delivery::Poll(_), Item::Get(_)) => {}
            }
        }
        self.events.unpark.append(&mut session.callers);
    }

    fn staff(&mut self, producer: ProducerId, now: Duration) {
        let session = self.sessions.get_mut(&producer).expect(OPEN);
        if session.closing || session.workers.is_staffed() {
            return;
        }
        match session.workers.staff(self.plan.poll(producer, now)) {
            Staffing::Enough => {}
            Staffing::Wake(thread) => self.events.unpark.push(thread),
            Staffing::Start(start) => self.events.start.push((producer, start)),
        }
    }

    /// This thread looks, and is in no list while it does.
    fn begins_look(&mut self, role: Role, producer: ProducerId, this: &Thread) {
        let session = self.session(producer);
        match role {
            Role::Caller => session.callers.retain(|thread| thread.id() != this.id()),
            Role::Worker => {
                session.workers.looks(this);
                self.touch(producer); // it may be the one that others counted on
            }
        }
    }

    /// This thread has found nothing. Returns when it wakes by itself.
    fn sleeps(
        &mut self,
        role: Role,
        producer: ProducerId,
        this: &Thread,
        again: Option<Duration>,
    ) -> Option<Duration> {
        let session = self.session(producer);
        match role {
            Role::Caller => {
                session.callers.push(this.clone());
                again
            }
            Role::Worker => session.workers.sleeps(this.clone(), again),
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
