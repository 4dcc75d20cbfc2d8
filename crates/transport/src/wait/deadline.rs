//! How long a call waits: its deadline, and what cancels it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sync::{now, thread};
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
    deadline_from(now(), after)
}

/// The instant `after` from `start`, or one that never comes.
pub(crate) fn deadline_from(start: Instant, after: Duration) -> Instant {
    start + after.min(FOREVER)
}

/// What a thread that waits finds when it looks. `M` is a moment, by the clock of what is looked at.
#[derive(Debug)]
pub(crate) enum Polled<T, M = Instant> {
    /// The wait is over.
    Ready(T),
    /// Look again then, or when the thread is woken.
    WaitUntil(M),
    /// Look again when the thread is woken.
    Pending,
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

    /// No deadline, and nothing cancels it.
    pub(crate) fn endless() -> WaitScope {
        WaitScope::until(deadline_after(Duration::MAX))
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

    /// True if a token is cancelled. It does not ask the host, so a lock may be held.
    pub(crate) fn has_cancelled_token(&self) -> bool {
        self.tokens().any(CancelToken::is_cancelled)
    }

    /// Fails if the wait is over.
    pub(crate) fn check(&self) -> Result<(), WaitEnd> {
        self.check_at(now())
    }

    /// Fails if the wait is over. It is `now`.
    pub(crate) fn check_at(&self, now: Instant) -> Result<(), WaitEnd> {
        let host_poll = self.host_poll.as_ref();
        if self.has_cancelled_token() || host_poll.is_some_and(|host_poll| host_poll.is_cancelled())
        {
            return Err(WaitEnd::Cancelled);
        }
        if now >= self.deadline {
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
        until.saturating_duration_since(now())
    }

    /// Every wait of a thread: looks, and parks until there is cause to look again. What is ready counts, even if the time
    /// is up by now. `look` registers the thread with what wakes it, behind the lock that it looks behind.
    pub(crate) fn wait_until<T>(&self, mut look: impl FnMut() -> Polled<T>) -> Result<T, WaitEnd> {
        loop {
            let until = match look() {
                Polled::Ready(found) => return Ok(found),
                Polled::WaitUntil(until) => until,
                Polled::Pending => self.deadline,
            };
            self.park_until(until)?;
        }
    }

    /// Waits until the thread is woken, or until `until`. It may return early, as parking does: [`WaitScope::wait_until`]
    /// looks again.
    fn park_until(&self, until: Instant) -> Result<(), WaitEnd> {
        self.check()?;
        let wait = self.wait_at_most(until);
        if !wait.is_zero() {
            thread::park_timeout(wait);
        }
        self.check()
    }

    /// Waits until `until`.
    pub(crate) fn sleep_until(&self, until: Instant) -> Result<(), WaitEnd> {
        self.wait_until(|| {
            if now() < until {
                Polled::WaitUntil(until)
            } else {
                Polled::Ready(())
            }
        })?;
        self.check()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_wait_ends_with_what_is_ready_even_if_the_time_is_up() {
        let over = WaitScope::until(Instant::now());
        assert_eq!(over.wait_until(|| Polled::Ready(7)), Ok(7));
        let ended = over.wait_until(|| Polled::<()>::Pending);
        assert_eq!(ended, Err(WaitEnd::TimedOut));
    }

    #[test]
    fn a_wait_looks_again_when_the_thread_is_woken_and_when_it_said_it_would() {
        let endless = WaitScope::endless();
        let set = AtomicBool::new(false);
        let this = thread::current();
        thread::scope(|scope| {
            scope.spawn(|| {
                set.store(true, Ordering::SeqCst);
                this.unpark();
            });
            let woken = endless.wait_until(|| {
                if set.load(Ordering::SeqCst) {
                    Polled::Ready(())
                } else {
                    Polled::Pending
                }
            });
            assert_eq!(woken, Ok(()));
        });
        let soon = Instant::now() + Duration::from_millis(1);
        assert_eq!(endless.sleep_until(soon), Ok(()));
        assert!(Instant::now() >= soon);
    }
}
