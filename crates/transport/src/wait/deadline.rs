//! How long a call waits: its deadline, and what cancels it.

use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::{Blocked, CancelToken, HostPoll, Watch};

/// Why a wait ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitEnd {
    /// Its time is up.
    TimedOut,
    /// It was cancelled.
    Cancelled,
}

/// The deadline of a call, and what cancels it.
#[derive(Debug, Clone)]
pub(crate) struct WaitScope {
    pub(crate) deadline: Instant,
    pub(crate) cancel: Option<CancelToken>,
    /// Ends waits like `cancel`, but lets an attempt under way finish.
    pub(crate) drain: Option<CancelToken>,
    /// Interrupts waits to ask the host whether to go on.
    pub(crate) host_poll: Option<Arc<HostPoll>>,
}

/// Longer than any call; an `Instant` cannot hold `Duration::MAX`.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The instant `after` from now, or one that never comes.
pub(crate) fn deadline_after(after: Duration) -> Instant {
    Instant::now() + after.min(FOREVER)
}

/// Adds this thread to those that are woken, unless it is there already.
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

    /// Wakes this thread when the call is cancelled, until the watch is dropped. One watch serves all waits of a call.
    pub(crate) fn watch(&self) -> Vec<Watch> {
        self.tokens()
            .map(|token| token.watch(Blocked::Thread(thread::current())))
            .collect()
    }

    fn tokens(&self) -> impl Iterator<Item = &CancelToken> {
        self.cancel.iter().chain(&self.drain)
    }

    /// Fails if the wait is over.
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

    /// The same without the drain, for an attempt: it finishes when the call is drained.
    pub(crate) fn without_drain(&self) -> WaitScope {
        WaitScope {
            drain: None,
            ..self.clone()
        }
    }

    /// How long to wait for `until` now: at most until the deadline or the next host poll.
    pub(crate) fn wait_at_most(&self, until: Instant) -> Duration {
        let until = until.min(self.deadline);
        let until = match &self.host_poll {
            Some(host_poll) => until.min(host_poll.due()),
            None => until,
        };
        until.saturating_duration_since(Instant::now())
    }

    /// Waits until the thread is woken, or until `until`. It may return early, as parking does: check the condition and
    /// wait again.
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
