//! How long a call waits: until its deadline, or until it is cancelled, whichever comes first. Every wait of a call
//! goes through here or through a socket that a cancel shuts.

use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::{Blocked, CancelToken, HostPoll, Watch};

/// Why a call waits no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitEnd {
    /// Its time is up.
    TimedOut,
    /// It was cancelled.
    Cancelled,
}

/// The deadline of a call, and its tokens if it has any.
#[derive(Debug, Clone)]
pub(crate) struct WaitScope {
    pub(crate) deadline: Instant,
    pub(crate) cancel: Option<CancelToken>,
    /// Ends waits like `cancel`, but no attempt.
    pub(crate) drain: Option<CancelToken>,
    /// Cuts waits short to ask whether to go on.
    pub(crate) host_poll: Option<Arc<HostPoll>>,
}

/// Longer than any call; an `Instant` cannot hold `Duration::MAX`.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The instant `after` from now, or one that never comes.
pub(crate) fn deadline_after(after: Duration) -> Instant {
    Instant::now() + after.min(FOREVER)
}

/// Puts this thread among those that are to be woken, once however often it waits.
pub(crate) fn wait_once(waiting: &mut Vec<Thread>) {
    let this = thread::current();
    if waiting.iter().all(|thread| thread.id() != this.id()) {
        waiting.push(this);
    }
}

impl WaitScope {
    /// Until the deadline; nothing cancels it.
    pub(crate) fn until(deadline: Instant) -> WaitScope {
        WaitScope {
            deadline,
            cancel: None,
            drain: None,
            host_poll: None,
        }
    }

    /// Wakes this thread when the call is cancelled, for as long as the watch lives. One watch serves all waits of
    /// a call.
    pub(crate) fn watch(&self) -> Vec<Watch> {
        self.tokens()
            .map(|token| token.watch(Blocked::Thread(thread::current())))
            .collect()
    }

    fn tokens(&self) -> impl Iterator<Item = &CancelToken> {
        self.cancel.iter().chain(&self.drain)
    }

    /// Whether the call may go on.
    pub(crate) fn check(&self) -> Result<(), WaitEnd> {
        let host_poll = self.host_poll.as_ref();
        if self.tokens().any(CancelToken::is_cancelled)
            || host_poll.is_some_and(|host_poll| host_poll.is_cancelled())
        {
            return Err(WaitEnd::Cancelled);
        }
        if Instant::now() >= self.deadline {
            return Err(WaitEnd::TimedOut);
        }
        Ok(())
    }

    /// The same with an earlier deadline.
    pub(crate) fn at_most(&self, deadline: Instant) -> WaitScope {
        WaitScope {
            deadline: self.deadline.min(deadline),
            ..self.clone()
        }
    }

    /// The same for an attempt, which is seen through when the call is drained.
    pub(crate) fn without_drain(&self) -> WaitScope {
        WaitScope {
            drain: None,
            ..self.clone()
        }
    }

    /// How long a wait for `until` may be now: to the deadline, or to the moment when the host is to be asked.
    pub(crate) fn wait_at_most(&self, until: Instant) -> Duration {
        let until = until.min(self.deadline);
        let until = match &self.host_poll {
            Some(host_poll) => until.min(host_poll.due()),
            None => until,
        };
        until.saturating_duration_since(Instant::now())
    }

    /// Waits until the thread is woken, or until `until`. May also return for no reason, as parking does: look at
    /// what was waited for, and wait again.
    pub(crate) fn park_until(&self, until: Instant) -> Result<(), WaitEnd> {
        self.check()?;
        let wait = self.wait_at_most(until);
        if !wait.is_zero() {
            thread::park_timeout(wait);
        }
        self.check()
    }

    /// Waits until `until`.
    pub(crate) fn sleep_until(&self, until: Instant) -> Result<(), WaitEnd> {
        while Instant::now() < until {
            self.park_until(until)?;
        }
        self.check()
    }
}
