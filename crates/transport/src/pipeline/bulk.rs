//! Bulk runs: any number of changes, packed into the fewest requests and sent at the full quota. Outcomes come out in the
//! order in which they become known.

use std::collections::VecDeque;
use std::iter::Fuse;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imtag_core::{Change, ChangeRequest, Effect, InvalidChange};

use super::Guard;
use super::outcome::{Completion, Delivery, Progress, Summary};
use super::session::Session;
use crate::error::{ChangeCause, ChangeError, RunError};
use crate::wait::{HostPoll, WaitScope, Watch, deadline_after};

/// A bulk run that is fed by hand: changes are pushed, outcomes polled.
/// [`SessionOptions::run`](crate::BulkOptions::run) does both.
///
/// It may be used from several threads. It sends on threads of its own, which end when it is finished or dropped. If it is
/// dropped before it is finished, it cancels what is under way and sends nothing more, and the outcomes are lost.
pub struct Bulk {
    pub(super) session: Arc<Session>,
    pub(super) started: Instant,
    /// Asked over the whole run, however short its waits are.
    pub(super) host_poll: Option<Arc<HostPoll>>,
    /// The caller's tokens, and what they do here.
    pub(super) _watches: Vec<Watch>,
}

/// How a thread waits. After the run is cancelled it is made anew, without the run's tokens.
struct Waits {
    wait_scope: WaitScope,
    _watch: Vec<Watch>,
}

/// A change, checked once, and not yet taken.
type Checked = Result<Change, InvalidChange>;

/// What became of a change that was offered.
enum Offered {
    Taken,
    /// It was taken, and there are outcomes to be polled.
    Outcomes,
    /// It was not taken.
    Full,
}

impl Bulk {
    /// Takes a change in; waits while there is no capacity. One that breaks the limits is not sent and has its outcome at
    /// once, by [`poll`](Bulk::poll), as all have theirs.
    ///
    /// # Errors
    /// If the change is not taken: the run has ended, or it belongs to the process that this one was forked from. For a
    /// change that breaks the limits the error says that instead.
    pub fn push(&self, id: u64, change: ChangeRequest) -> Result<(), ChangeError> {
        let mut one = Some((id, self.check(change)));
        let mut waits = None;
        self.ask();
        loop {
            let offered = self.offer(&mut one);
            let Some((_, checked)) = &one else {
                return Ok(());
            };
            if let Err(why) = offered {
                return Err(match checked {
                    Ok(change) => ChangeError::not_sent(change, why),
                    Err(invalid) => invalid.clone().into(),
                });
            }
            let Some(inner) = self.session.lock() else {
                continue;
            };
            if self.session.is_full(&inner) {
                self.wait(inner, &mut waits, None);
            }
        }
    }

    /// Checks a change. It is done without the lock, as changes with many tags take a while.
    fn check(&self, change: ChangeRequest) -> Checked {
        change.check(self.session.client.rules())
    }

    fn takes_more(&self, inner: &mut Guard<'_>) -> Result<(), ChangeCause> {
        if self.session.is_drained() {
            self.session.end(inner, RunError::Cancelled);
        }
        let state = inner.session(self.session.producer);
        match &state.ended {
            Some(ended) => Err(ChangeCause::Ended(ended.clone())),
            None if state.refuses => Err(ChangeCause::Closed),
            None => Ok(()),
        }
    }

    /// Takes a change if there is capacity. One that breaks the limits needs none.
    fn offer(&self, offered: &mut Option<(u64, Checked)>) -> Result<Offered, ChangeCause> {
        let Some(mut inner) = self.session.lock() else {
            return Err(ChangeCause::Forked);
        };
        self.takes_more(&mut inner)?;
        let needs_capacity = offered.as_ref().is_some_and(|(_, checked)| checked.is_ok());
        if needs_capacity && self.session.is_full(&inner) {
            return Ok(Offered::Full);
        }
        if let Some((id, checked)) = offered.take() {
            match checked {
                Ok(change) => {
                    let delivery = Delivery::Poll(id);
                    self.session
                        .push(&mut inner, change, delivery, Duration::MAX);
                }
                Err(invalid) => self.session.refuse(&mut inner, id, invalid),
            }
        }
        if inner.session(self.session.producer).completed.is_empty() {
            Ok(Offered::Taken)
        } else {
            Ok(Offered::Outcomes)
        }
    }

    /// Sends from now on without linger time: call it when all is pushed. A later [`push`](Bulk::push) does not change it
    /// back.
    pub fn end_of_input(&self) {
        if let Some(mut inner) = self.session.lock() {
            inner.plan.set_flushing(self.session.producer, true);
        }
    }

    /// The changes that got their outcomes since the last poll, in the order in which these became known. Waits for one, at
    /// most so long. It returns none if nothing is under way, or the time is up.
    #[must_use]
    pub fn poll(&self, timeout: Duration) -> Vec<Completion> {
        self.poll_while(deadline_after(timeout), |_| false)
    }

    /// As [`poll`](Bulk::poll), without a timeout. It also returns, perhaps with nothing, as soon as a change can be
    /// [pushed](Bulk::push) without a wait or the run has ended. So one thread can push and poll.
    #[must_use]
    pub fn poll_or_capacity(&self) -> Vec<Completion> {
        self.poll_while(deadline_after(Duration::MAX), |inner| {
            !self.session.is_full(inner) || inner.session(self.session.producer).ended.is_some()
        })
    }

    fn poll_while(
        &self,
        until: Instant,
        enough: impl Fn(&mut Guard<'_>) -> bool,
    ) -> Vec<Completion> {
        let mut waits = None;
        self.ask();
        loop {
            let Some(mut inner) = self.session.lock() else {
                return Vec::new();
            };
            inner.flush_events();
            let completed = std::mem::take(&mut inner.session(self.session.producer).completed);
            let nothing_comes =
                inner.plan.unsettled(self.session.producer) == 0 || enough(&mut inner);
            if !completed.is_empty() || nothing_comes || Instant::now() >= until {
                drop(inner);
                return completed.into();
            }
            self.wait(inner, &mut waits, Some(until));
        }
    }

    /// Takes no more changes, waits until every change has its outcome, and returns the run's summary. Outcomes can be
    /// polled afterwards.
    #[must_use]
    pub fn finish(&self) -> Summary {
        if let Some(mut inner) = self.session.lock() {
            // else a thread that goes on pushing would keep the run from ending
            inner.session(self.session.producer).refuses = true;
            inner.wake_waiters(self.session.producer);
        }
        self.end_of_input();
        let mut waits = None;
        while let Some(mut inner) = self.session.lock() {
            inner.flush_events();
            if inner.plan.unsettled(self.session.producer) == 0 {
                break;
            }
            self.wait(inner, &mut waits, None);
        }
        self.session.join_workers();
        self.summary()
    }

    /// Sends nothing more. Requests under way finish, and changes that were not sent fail as cancelled. Called again, it ends
    /// the requests under way too.
    pub fn cancel(&self) {
        if self.session.drain.is_cancelled() {
            self.session.cancel.cancel();
        } else {
            self.session.drain.cancel();
        }
        if let Some(mut inner) = self.session.lock() {
            self.session.end(&mut inner, RunError::Cancelled);
        }
    }

    /// How far the run is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.session
            .lock()
            .map_or_else(Progress::default, |mut inner| {
                self.session.progress(&mut inner)
            })
    }

    /// The run's summary so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let (progress, effect, ended) = match self.session.lock() {
            Some(mut inner) => {
                let progress = self.session.progress(&mut inner);
                let state = inner.session(self.session.producer);
                (progress, state.effect, state.end())
            }
            None => (Progress::default(), None, Some(RunError::Forked)),
        };
        Summary {
            progress,
            elapsed: self.started.elapsed(),
            generation: self.session.client.rules().generation,
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

    /// Unlocks, and waits until something changes or the run is to stop.
    fn wait<'b>(&'b self, inner: Guard<'b>, waits: &mut Option<Waits>, until: Option<Instant>) {
        let until = until.unwrap_or_else(|| deadline_after(Duration::MAX));
        let waiting = waits.get_or_insert_with(|| self.waits());
        if self.session.wait(inner, &waiting.wait_scope, until).is_ok() {
            return;
        }
        if self
            .host_poll
            .as_ref()
            .is_some_and(|host_poll| host_poll.take_yes())
        {
            self.cancel();
        } else if !self.session.is_drained() {
            // another thread took the host's yes
        } else if let Some(mut inner) = self.session.lock() {
            self.session.end(&mut inner, RunError::Cancelled);
        }
        *waits = None;
    }

    /// Once the run is cancelled its tokens no longer end waits, as the requests under way are waited for.
    fn waits(&self) -> Waits {
        let tokens = !self.session.is_drained();
        let wait_scope = WaitScope {
            deadline: deadline_after(Duration::MAX),
            cancel: tokens.then(|| self.session.cancel.clone()),
            drain: tokens.then(|| self.session.drain.clone()),
            host_poll: self.host_poll.clone(),
        };
        Waits {
            _watch: wait_scope.watch(),
            wait_scope,
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

    /// Takes changes in while there is capacity and no outcome to yield. An input that is slower than the quota never uses
    /// the capacity up, so outcomes must end it.
    fn fill(&mut self) {
        while !self.takes_no_more {
            if self.pulled.is_none() {
                let next = self.input.next();
                self.pulled = next.map(|change| (self.next_id, self.bulk.check(change)));
                self.next_id += 1;
            }
            if self.pulled.is_none() {
                self.bulk.end_of_input();
                self.takes_no_more = true;
                return;
            }
            self.bulk.ask();
            match self.bulk.offer(&mut self.pulled) {
                Ok(Offered::Taken) => {}
                Ok(Offered::Full | Offered::Outcomes) => return,
                Err(_) => self.takes_no_more = true,
            }
        }
    }
}

impl<I: Iterator<Item = ChangeRequest>> Iterator for BulkRun<I> {
    type Item = Completion;

    fn next(&mut self) -> Option<Completion> {
        loop {
            if let Some(completion) = self.completions.pop_front() {
                return Some(completion);
            }
            self.fill();
            self.completions = if self.takes_no_more {
                self.bulk.poll(Duration::MAX).into()
            } else {
                self.bulk.poll_or_capacity().into()
            };
            if self.completions.is_empty() && self.takes_no_more {
                return None;
            }
        }
    }
}
