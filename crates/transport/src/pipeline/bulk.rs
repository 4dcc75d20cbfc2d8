//! Bulk runs: any number of changes, packed into the fewest requests and sent at the full quota. Outcomes come out in the
//! order in which they become known.

use std::collections::VecDeque;
use std::iter::Fuse;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imtag_core::{Change, ChangeRequest, Effect, InvalidChange, Operation};

use super::engine::State;
use super::outcome::{Completion, Delivery, Progress, Summary};
use super::session::Session;
use super::stats::SessionStats;
use crate::error::{Cause, ChangeError, RunError};
use crate::wait::{HostPoll, Polled, WaitEnd, WaitScope, Watch, deadline_after};

/// A bulk run that is fed by hand: changes are pushed, outcomes polled.
/// [`SessionOptions::run`](crate::BulkOptions::run) does both.
///
/// It may be used from several threads. It sends on threads of its own, which end when it is finished or dropped. If it is
/// dropped before it is finished, it cancels what is under way and sends nothing more, and the outcomes are lost. A drop
/// waits for the threads, as long as a credentials callback that one of them is in.
pub struct Bulk {
    pub(crate) session: Arc<Session>,
    pub(crate) started: Instant,
    /// Asked over the whole run, however short its waits are.
    pub(crate) host_poll: Option<Arc<HostPoll>>,
    /// The caller's tokens, and what they do here.
    pub(crate) _watches: Vec<Watch>,
}

/// A change, checked once, and not yet taken.
type Checked = Result<Change, InvalidChange>;

impl Bulk {
    /// Takes a change in; waits while there is no capacity, also while the run pauses: then until another thread resumes
    /// it. One that breaks the limits is not sent and has its outcome at once, by [`poll`](Bulk::poll), as all have theirs.
    ///
    /// # Errors
    /// If the change is not taken: the run has ended, or it belongs to the process that this one was forked from. For a
    /// change that breaks the limits the error says that instead.
    pub fn push(&self, id: u64, change: ChangeRequest) -> Result<(), ChangeError> {
        let mut one = Some((id, change.check(&self.session.rules))); // without the lock, as it takes a while
        self.ask();
        let pushed = self.wait(Duration::MAX, |state, now| {
            match self.offer(state, &mut one, now) {
                Ok(false) => Polled::Pending,
                taken => Polled::Ready(taken),
            }
        });
        match (pushed.unwrap_or(Err(Cause::Forked)), one) {
            (Err(why), Some((_, Ok(change)))) => Err(ChangeError::not_sent(&change, why)),
            (Err(_), Some((_, Err(invalid)))) => Err(invalid.into()),
            _ => Ok(()),
        }
    }

    /// Takes a change if there is capacity; returns whether it did. One that breaks the limits needs none.
    fn offer(
        &self,
        state: &mut State,
        offered: &mut Option<(u64, Checked)>,
        now: Duration,
    ) -> Result<bool, Cause> {
        let producer = self.session.producer;
        if self.session.is_drained() {
            state.end(producer, RunError::Cancelled, now);
        }
        let session = state.read(producer);
        if let Some(ended) = &session.ended {
            return Err(Cause::Ended(ended.clone()));
        }
        if session.refuses {
            return Err(Cause::Closed);
        }
        let has_capacity = state.plan.has_capacity(producer, Operation::Add);
        match offered.take_if(|(_, checked)| has_capacity || checked.is_err()) {
            Some((id, Ok(change))) => {
                let delivery = Delivery::Poll(id);
                state.push(producer, change.into(), delivery, Duration::MAX, now);
            }
            Some((id, Err(invalid))) => state.refuse(producer, id, invalid),
            None => return Ok(false),
        }
        Ok(true)
    }

    /// Sends from now on without waiting for more: call it when all is pushed. A later [`push`](Bulk::push) does not change
    /// it back. What is pushed is still waited for, while a request is under way: a change that waits for an earlier one of
    /// its user shares the next request, if it comes within the linger time.
    pub fn end_of_input(&self) {
        let producer = self.session.producer;
        self.session
            .with(|state, _| state.plan.set_flushing(producer));
    }

    /// The changes that got their outcomes since the last poll, in the order in which these became known. Waits for one, at
    /// most so long. It returns none if nothing is under way, or the time is up.
    #[must_use]
    pub fn poll(&self, timeout: Duration) -> Vec<Completion> {
        self.poll_while(timeout, |_| false)
    }

    /// As [`poll`](Bulk::poll). It also returns, with nothing, as soon as a change can be
    /// [pushed](Bulk::push) without a wait, or the run has ended. So one thread can push and poll. Where the run
    /// [pauses](Bulk::paused) without capacity it returns once, to one of the threads that call it, and then waits as
    /// `push` does.
    #[must_use]
    pub fn poll_or_capacity(&self, timeout: Duration) -> Vec<Completion> {
        let producer = self.session.producer;
        self.poll_while(timeout, |state| {
            let session = state.read(producer);
            if session.ended.is_some() || state.plan.has_capacity(producer, Operation::Add) {
                return true;
            }
            session.paused.is_some()
                && !mem::replace(&mut state.session(producer).pause_is_polled, true)
        })
    }

    fn poll_while(
        &self,
        timeout: Duration,
        enough: impl Fn(&mut State) -> bool,
    ) -> Vec<Completion> {
        let producer = self.session.producer;
        self.ask();
        let polled = self.wait(timeout, |state, _| {
            let completed = state.take_changes(producer);
            if completed.is_empty() && state.plan.unsettled(producer) > 0 && !enough(state) {
                return Polled::Pending;
            }
            Polled::Ready(completed)
        });
        polled.unwrap_or_default()
    }

    /// Takes no more changes, waits until every change has its outcome, and returns the run's summary. Outcomes can be
    /// polled afterwards. Where the run pauses, it waits for the resume.
    #[must_use]
    pub fn finish(&self) -> Summary {
        let producer = self.session.producer;
        // else a thread that goes on pushing would keep the run from ending
        self.session.with(|state, _| state.close(producer));
        self.wait(Duration::MAX, |state, _| {
            if state.plan.unsettled(producer) > 0 {
                return Polled::Pending;
            }
            Polled::Ready(())
        });
        self.session.join_workers(&WaitScope::endless());
        self.summary()
    }

    /// Why the run pauses, if it does: see
    /// [`pause_when_unavailable`](crate::SessionOptions::pause_when_unavailable).
    #[must_use]
    pub fn paused(&self) -> Option<RunError> {
        self.session.paused()
    }

    /// Ends a pause: one request goes first, then all go.
    pub fn resume(&self) {
        self.session.resume();
    }

    /// Sends nothing more. Requests under way finish, and changes that were not sent fail as cancelled. Called again, it ends
    /// the requests under way too.
    pub fn cancel(&self) {
        if self.session.drain.is_cancelled() {
            self.session.cancel.cancel();
        } else {
            self.session.drain.cancel();
        }
        self.end_as_cancelled();
    }

    fn end_as_cancelled(&self) {
        let producer = self.session.producer;
        let end = |state: &mut State, now| state.end(producer, RunError::Cancelled, now);
        self.session.with(end);
    }

    /// How far the run is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let progress = |state: &mut State, _| state.progress(self.session.producer);
        self.session.with(progress).unwrap_or_default()
    }

    /// Its figures. They take microseconds, and a little more where it holds tens of thousands of changes.
    #[must_use]
    pub fn stats(&self) -> SessionStats {
        self.session.stats()
    }

    /// The run's summary so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let producer = self.session.producer;
        let known = self.session.with(|state, _| {
            let session = state.read(producer);
            let (effect, ended) = (session.effect, session.why_ended());
            (state.progress(producer), effect, ended)
        });
        let forked = (Progress::default(), None, Some(RunError::Forked));
        let (progress, effect, ended) = known.unwrap_or(forked);
        Summary {
            progress,
            elapsed: self.started.elapsed(),
            generation: self.session.rules.generation,
            effect: effect.unwrap_or(Effect::NotApplied),
            ended,
        }
    }

    /// Asks the host whether to stop, if that is due. A run whose outcomes come fast never waits long enough to ask there.
    fn ask(&self) {
        if let Some(host_poll) = &self.host_poll {
            if host_poll.is_cancelled() && host_poll.take_yes() {
                self.cancel();
            }
        }
    }

    /// Waits until a look finds something; `None` if the time is up, or in a forked process. A cancel ends the run, and the
    /// requests under way are waited for.
    fn wait<T>(
        &self,
        timeout: Duration,
        mut look: impl FnMut(&mut State, Duration) -> Polled<T, Duration>,
    ) -> Option<T> {
        let mut until = None;
        loop {
            // once the run is cancelled its tokens end no wait
            let tokens = !self.session.is_drained();
            if !tokens {
                self.end_as_cancelled();
            }
            // most looks find something at once, and need neither a deadline nor what ends a wait
            if let Polled::Ready(found) = self.session.with(&mut look)? {
                return Some(found);
            }
            let scope = WaitScope {
                deadline: *until.get_or_insert_with(|| deadline_after(timeout)),
                cancel: tokens.then(|| self.session.cancel.clone()),
                drain: tokens.then(|| self.session.drain.clone()),
                host_poll: self.host_poll.clone(),
            };
            match self.session.wait(&scope, &mut look)? {
                Ok(found) => return Some(found),
                Err(WaitEnd::TimedOut) => return None,
                Err(WaitEnd::Cancelled) => {}
            }
            if self
                .host_poll
                .as_ref()
                .is_some_and(|host_poll| host_poll.take_yes())
            {
                self.cancel();
            } // else a token was cancelled, or another thread took the host's yes
        }
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        self.session.abandon();
    }
}

/// A bulk run over an iterator. It yields the changes with their outcomes, in the order in which these become known, and
/// ends when all have theirs. It pulls and sends only while it is asked: drive it to its end, or drop it to cancel.
///
/// If the run ends early, it yields all changes that it took, and takes no more. [`finish`](BulkRun::finish) says why, and
/// [`into_rest`](BulkRun::into_rest) returns the others.
#[must_use = "it sends as it is asked for outcomes"]
pub struct BulkRun<I: Iterator<Item = ChangeRequest>> {
    bulk: Bulk,
    input: Fuse<I>,
    next_id: u64,
    /// Pulled and not yet taken. It is one at most, as the input may block before its next.
    pulled: Option<(u64, Checked)>,
    /// Taken from the run, and not yet yielded.
    completions: VecDeque<Completion>,
    takes_no_more: bool,
}

impl<I: Iterator<Item = ChangeRequest>> BulkRun<I> {
    pub(super) fn new(bulk: Bulk, input: I) -> BulkRun<I> {
        BulkRun {
            bulk,
            input: input.fuse(),
            next_id: 0,
            pulled: None,
            completions: VecDeque::new(),
            takes_no_more: false,
        }
    }

    /// How far the run is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.bulk.progress()
    }

    /// Its figures.
    #[must_use]
    pub fn stats(&self) -> SessionStats {
        self.bulk.stats()
    }

    /// Sends what is left, and returns the run's summary. Outcomes that were not yielded are only counted.
    #[must_use]
    pub fn finish(mut self) -> Summary {
        self.by_ref().for_each(drop);
        self.bulk.finish()
    }

    /// The changes that were not taken, if the run ended early; their positions follow those that were taken. It drops the
    /// run: call it after the iteration has ended, as outcomes that were not yielded are lost.
    pub fn into_rest(self) -> impl Iterator<Item = ChangeRequest> {
        let BulkRun { input, pulled, .. } = self;
        let pulled = pulled.map(|(_, checked)| match checked {
            Ok(change) => Arc::unwrap_or_clone(change.into_request()),
            Err(invalid) => invalid.into_parts().0,
        });
        pulled.into_iter().chain(input)
    }

    /// Pulls the next change, and checks it. It may block as long as the input does.
    fn pull(&mut self) {
        let rules = &self.bulk.session.rules;
        let next = self.input.next();
        self.pulled = next.map(|change| (self.next_id, change.check(rules)));
        self.next_id += 1;
        if self.pulled.is_none() {
            self.bulk.end_of_input();
            self.takes_no_more = true;
        }
    }
}

impl<I: Iterator<Item = ChangeRequest>> Iterator for BulkRun<I> {
    type Item = Completion;

    /// Hands changes in until there is an outcome. An input that is slower than the quota never uses the capacity up, so
    /// outcomes must end it, too.
    fn next(&mut self) -> Option<Completion> {
        loop {
            if let Some(completion) = self.completions.pop_front() {
                return Some(completion);
            }
            if self.pulled.is_none() && !self.takes_no_more {
                self.pull();
            }
            let BulkRun {
                bulk,
                pulled,
                takes_no_more,
                ..
            } = self;
            bulk.ask();
            let producer = bulk.session.producer;
            let looked = bulk.wait(Duration::MAX, |state, now| {
                let mut taken = false;
                if !*takes_no_more {
                    let offered = bulk.offer(state, pulled, now);
                    *takes_no_more = offered.is_err();
                    taken = matches!(offered, Ok(true));
                }
                let nothing_comes = *takes_no_more && state.plan.unsettled(producer) == 0;
                let completed = state.take_changes(producer);
                if completed.is_empty() && !taken && !nothing_comes {
                    return Polled::Pending;
                }
                Polled::Ready(completed)
            });
            *takes_no_more |= looked.is_none(); // in a forked process
            self.completions = looked.unwrap_or_default().into();
            if self.completions.is_empty() && self.takes_no_more {
                return None;
            }
        }
    }
}
