//! The options of one call: time limits, and ways to cancel it.

use std::time::{Duration, Instant};

use crate::wait::{CancelToken, HostPoll, Interrupt, WaitScope};

/// Options of one call. What is not set is as in the client's settings.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) cancel: Option<CancelToken>,
    pub(crate) drain: Option<CancelToken>,
    pub(crate) interrupt: Option<Interrupt>,
}

impl CallOptions {
    /// Options with nothing set.
    #[must_use]
    pub fn new() -> CallOptions {
        CallOptions::default()
    }

    /// The time for the whole call, with all waits, attempts and retries.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> CallOptions {
        self.timeout = Some(timeout);
        self
    }

    /// The time for one attempt, from its turn in the quota; after it the call may try again. Without it an attempt may use
    /// half of the time that the call has left, and all of it once an attempt got no answer in that time.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> CallOptions {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// Ends the call when the token is cancelled, from any thread.
    #[must_use]
    pub fn cancel(mut self, token: &CancelToken) -> CallOptions {
        self.cancel = Some(token.clone());
        self
    }

    /// Sends nothing more once the token is cancelled, from any thread: a call that waits (for the quota, or to try again)
    /// ends as cancelled; an attempt under way finishes.
    #[must_use]
    pub fn drain(mut self, token: &CancelToken) -> CallOptions {
        self.drain = Some(token.clone());
        self
    }

    /// Cancels the call when `ask` returns true. It runs on the thread that makes the call, about every 100 ms while the
    /// call waits: for hosts that see a signal only when they look.
    #[must_use]
    pub fn interrupt(mut self, ask: impl Fn() -> bool + Send + Sync + 'static) -> CallOptions {
        self.interrupt = Some(Interrupt::new(ask));
        self
    }

    /// How long a call with these options waits.
    pub(crate) fn wait_scope(&self, deadline: Instant) -> WaitScope {
        WaitScope {
            deadline,
            cancel: self.cancel.clone(),
            drain: self.drain.clone(),
            host_poll: self.interrupt.as_ref().map(HostPoll::new),
        }
    }
}
