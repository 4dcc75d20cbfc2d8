//! How far a bulk run is, and what it came to.

use std::fmt;
use std::time::Duration;

use imtag_core::{Effect, Generation};

use crate::Error;
use crate::pipeline::Guard;
use crate::pipeline::health::RunError;
use crate::pipeline::session::Session;

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
    /// Requests that were made; with retries it is `attempts`.
    pub requests: u64,
    /// Attempts that were made.
    pub attempts: u64,
    /// Attempts of which a byte left this machine: what the app's quota may have been charged.
    pub sent: u64,
    /// Requests that were split, as they failed without a word whose fault it is; each split makes two more.
    pub splits: u64,
}

impl Progress {
    pub(super) fn from_session(session: &Session, inner: &mut Guard<'_>) -> Progress {
        let counts = session.counts(inner);
        Progress {
            taken: counts.taken,
            done: counts.done,
            failed: counts.failed,
            requests: counts.requests,
            attempts: counts.attempts,
            sent: counts.sent,
            splits: inner.plan.splits(session.producer),
        }
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

/// What a bulk run came to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Summary {
    /// The counts, at the end.
    pub progress: Progress,
    /// How long it took.
    pub elapsed: Duration,
    /// The generation of paths that it used.
    pub generation: Generation,
    /// The most that is known of the effect of a change that failed; *not applied* where none did. Each failure has its
    /// own.
    pub effect: Effect,
    /// Why it ended before all was sent; `None` where it did not.
    pub ended: Option<RunError>,
}

impl Summary {
    /// Whether every change that was taken is done, and none is left.
    #[must_use]
    pub fn all_done(&self) -> bool {
        self.ended.is_none() && self.progress.failed == 0
    }

    /// The failure of a request that ended the run, where that is why it ended.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        match self.ended.as_ref()? {
            RunError::Refused(error) | RunError::Unavailable(error) => Some(error),
            RunError::Cancelled | RunError::Forked => None,
        }
    }

    /// Whether the same run may go on later as it is. Where it did not end early each failure says so of itself, and
    /// this is false.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match (&self.ended, self.error()) {
            (_, Some(error)) => error.retryable(),
            (ended, None) => matches!(ended, Some(RunError::Cancelled)),
        }
    }

    /// Requests that were spent on finding out who was at fault, where the `timpush` paths, which name them, would have
    /// needed none: 0 on these.
    #[must_use]
    pub fn timpush_would_save(&self) -> u64 {
        match self.generation {
            Generation::AllMemberPush => 2 * self.progress.splits,
            Generation::Timpush => 0,
        }
    }
}

/// A sentence: `2000 changes: 1990 done, 10 failed; 22 requests, 0 retries, …`.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Progress {
            taken,
            done,
            failed,
            requests,
            ..
        } = self.progress;
        let retries = self.progress.retries();
        write!(
            f,
            "{taken} changes: {done} done, {failed} failed; {requests} requests, {retries} retries"
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
