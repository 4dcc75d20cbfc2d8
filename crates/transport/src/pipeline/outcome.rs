//! Outcomes: of a change, with the ways to deliver it, and of a bulk run as a whole.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use imtag_core::{ChangeRequest, Effect, Generation};

use crate::error::{ChangeError, Error, RunError, counted};
use crate::wait::thread;
use crate::wait::{Lock, Polled, Sleeper, WaitEnd, WaitScope};

/// A change that has its outcome.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Completion {
    /// The number that the caller gave it; in a [`BulkRun`](crate::BulkRun), its position, counted from 0.
    pub id: u64,
    /// The change.
    pub change: Arc<ChangeRequest>,
    /// Whether it is done.
    pub result: Result<(), ChangeError>,
}

/// A get of a batcher that has its outcome.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GetCompletion {
    /// The number that the caller gave it.
    pub id: u64,
    /// The user.
    pub account: Arc<str>,
    /// The tags; `None` if the answer does not name the user. Gets of one user that were answered together share them.
    pub result: Result<Option<Arc<Vec<String>>>, ChangeError>,
}

/// A change or a get of a batcher that has its outcome.
#[derive(Debug, Clone)]
pub enum BatcherCompletion {
    /// A change.
    Change(Completion),
    /// A get.
    Get(GetCompletion),
}

impl BatcherCompletion {
    /// The number that the caller gave it.
    #[must_use]
    pub fn id(&self) -> u64 {
        match self {
            BatcherCompletion::Change(change) => change.id,
            BatcherCompletion::Get(get) => get.id,
        }
    }

    /// Whether it is done or was read, without what was read.
    ///
    /// # Errors
    /// If it is not.
    pub fn into_result(self) -> Result<(), ChangeError> {
        match self {
            BatcherCompletion::Change(change) => change.result,
            BatcherCompletion::Get(get) => get.result.map(drop),
        }
    }
}

/// Where the outcome of a change or a get is delivered.
#[derive(Debug, Clone)]
pub(crate) enum Delivery {
    /// To `poll`, under the caller's number.
    Poll(u64),
    /// To a thread or a task that waits for it.
    Caller(Recipient),
    /// Nowhere: its caller has an error already, as it waits no longer.
    Discard,
}

/// What a get has read; `None` where the answer does not name the account, and for a change.
pub(crate) type ReadTags = Option<Arc<Vec<String>>>;

/// Whether a change is made, or what a get has read.
pub(crate) type ItemResult = Result<ReadTags, ChangeError>;

/// One of the outcomes that a waiter waits for.
#[derive(Debug, Clone)]
pub(crate) struct Recipient {
    waiter: Arc<Waiter>,
    at: usize,
}

impl Recipient {
    /// Sets the outcome. What this returns is woken when the pipeline's lock is free.
    pub(crate) fn complete(&self, outcome: ItemResult) -> Option<Sleeper> {
        let mut slots = self.waiter.0.lock();
        let slot = slots.outcomes.get_mut(self.at)?;
        *slot = Some(outcome);
        slots.left -= 1;
        if slots.left > 0 {
            return None;
        }
        slots.sleeper.take()
    }
}

/// A thread or a task that waits for the outcomes of changes or gets that were given together. It is woken by the last.
#[derive(Debug)]
pub(crate) struct Waiter(Lock<Slots>);

#[derive(Debug)]
struct Slots {
    /// In the order in which they were given; none of what was not taken.
    outcomes: Vec<Option<ItemResult>>,
    /// How many are still to come.
    left: usize,
    /// A task has none before it is polled; with the last outcome nothing sleeps any more.
    sleeper: Option<Sleeper>,
}

impl Waiter {
    /// This thread, for one outcome.
    pub(crate) fn here() -> Arc<Waiter> {
        Waiter::new(1, Some(Sleeper::Thread(thread::current())))
    }

    /// The task that polls, for so many outcomes.
    pub(crate) fn of_task(outcomes: usize) -> Arc<Waiter> {
        Waiter::new(outcomes, None)
    }

    fn new(left: usize, sleeper: Option<Sleeper>) -> Arc<Waiter> {
        Arc::new(Waiter(Lock::new(Slots {
            outcomes: vec![None; left],
            left,
            sleeper,
        })))
    }

    /// Where an outcome goes.
    pub(crate) fn recipient(self: &Arc<Waiter>, at: usize) -> Recipient {
        let waiter = Arc::clone(self);
        Recipient { waiter, at }
    }

    /// So many outcomes will not come: what they are of was not taken.
    pub(crate) fn forgo(&self, outcomes: usize) {
        self.0.lock().left -= outcomes;
    }

    /// Waits for the one outcome. It is called on the thread that waits.
    pub(crate) fn wait(&self, scope: &WaitScope) -> Result<ItemResult, WaitEnd> {
        scope.wait_until(|| self.take().map_or(Polled::Pending, Polled::Ready))
    }

    /// The outcomes, or the task is woken once all are there.
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Vec<Option<ItemResult>>> {
        // cloned before the lock is taken; what it replaces is dropped when the lock is free
        let mut sleeper = Some(Sleeper::Task(waker.clone()));
        let mut slots = self.0.lock();
        if slots.left == 0 {
            return Poll::Ready(mem::take(&mut slots.outcomes));
        }
        mem::swap(&mut slots.sleeper, &mut sleeper);
        drop(slots);
        Poll::Pending
    }

    /// Wakes nothing: what slept is not there any more.
    pub(crate) fn forget(&self) {
        let sleeper = self.0.lock().sleeper.take();
        drop(sleeper); // when the lock is free
    }

    /// The one outcome, once it is there.
    pub(crate) fn take(&self) -> Option<ItemResult> {
        self.0.lock().outcomes.first_mut()?.take()
    }

    /// The outcomes that are there. None comes after this.
    pub(crate) fn take_all(&self) -> Vec<Option<ItemResult>> {
        let mut slots = self.0.lock();
        mem::take(&mut slots.outcomes)
    }
}

/// How far a bulk run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Changes that were taken in.
    pub taken: u64,
    /// Those that are done.
    pub done: u64,
    /// Those that failed.
    pub failed: u64,
    /// Requests that were made, each counted once.
    pub requests: u64,
    /// Users of these requests, together: a user counts in each request that he is in.
    pub users: u64,
    /// Attempts that were made: requests and their retries.
    pub attempts: u64,
    /// Attempts of which a byte left this machine: what the app's quota may have been charged.
    pub sent: u64,
    /// Requests that were split, as the answer did not say which account or tag is at fault.
    pub splits: u64,
    /// Requests that were made of parts of those, to find the account or tag at fault.
    pub searches: u64,
}

impl Progress {
    /// Counts a request of so many users that took so many attempts, of which so many left this machine.
    pub(super) fn count_request(&mut self, users: usize, attempts: u32, sent: u32) {
        if attempts > 0 {
            self.requests += 1;
            self.users += users as u64;
        }
        self.attempts += u64::from(attempts);
        self.sent += u64::from(sent);
    }

    /// Changes that have no outcome yet.
    #[must_use]
    pub fn unsettled(&self) -> u64 {
        self.taken - self.done - self.failed
    }

    /// Attempts beyond the first of each request.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.attempts - self.requests
    }
}

/// The summary of a bulk run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Summary {
    /// The counts, at the end.
    pub progress: Progress,
    /// How long it took.
    pub elapsed: Duration,
    /// The generation of paths that it used.
    pub generation: Generation,
    /// The strongest effect of a change that failed; *not applied* if none did. Each failure has its own.
    pub effect: Effect,
    /// Why it ended before all was sent; `None` if it did not.
    pub ended: Option<RunError>,
}

impl Summary {
    /// Whether every change that was taken is done, and none is left.
    #[must_use]
    pub fn all_done(&self) -> bool {
        self.ended.is_none() && self.progress.failed == 0
    }

    /// The failure of the request that ended the run, if one did.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.ended.as_ref()?.error()
    }

    /// Whether the same run may go on later as it is. False if it did not end early: then each failure says so of itself.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match (&self.ended, self.error()) {
            (_, Some(error)) => error.retryable(),
            (ended, None) => matches!(ended, Some(RunError::Cancelled)),
        }
    }

    /// What the caller can do, where not all is done.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match (&self.ended, self.error()) {
            (_, Some(error)) => error.remedy(),
            (Some(_), None) => "send again what is still wanted",
            (None, None) => "see the error of each change that failed",
        }
    }

    /// Requests that were spent on finding the accounts at fault. The `timpush` paths name them, so there it is 0.
    #[must_use]
    pub fn timpush_would_save(&self) -> u64 {
        match self.generation {
            Generation::AllMemberPush => self.progress.searches,
            Generation::Timpush => 0,
        }
    }
}

/// A sentence: `2000 changes: 1990 done, 10 failed; 22 requests, 1 retry; …`.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let progress = &self.progress;
        write!(
            f,
            "{}: {} done, {} failed; {}, {}",
            counted(progress.taken, "change", "changes"),
            progress.done,
            progress.failed,
            counted(progress.requests, "request", "requests"),
            counted(progress.retries(), "retry", "retries")
        )?;
        if self.timpush_would_save() > 0 {
            write!(
                f,
                "; {} of the requests looked for accounts at fault, which the timpush paths name",
                self.timpush_would_save()
            )?;
        }
        match &self.ended {
            Some(ended) => write!(f, "; ended early: {ended}"),
            None => Ok(()),
        }
    }
}
