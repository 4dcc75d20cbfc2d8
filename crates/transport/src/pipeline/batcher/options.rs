//! The options of a batcher.

use std::time::Duration;

use imtag_core::plan::BatchPolicy;

use super::Batcher;
use crate::Client;
use crate::pipeline::session::{Sending, Session, max_threads};

/// What a batcher does with a change when it holds as many as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// It waits for capacity, until the change's time is up.
    #[default]
    Wait,
    /// It refuses the change at once.
    Fail,
    /// The same, and [`Batcher::poll`] comes back once there is capacity, so that one thread that polls serves all who
    /// wait for it.
    Signal,
}

/// Options of a batcher; made by [`Client::batcher`].
#[derive(Debug, Clone)]
#[must_use]
pub struct BatcherOptions {
    client: Client,
    linger: Duration,
    capacity: usize,
    when_full: WhenFull,
    timeout: Duration,
    attempt_timeout: Duration,
    late_window: Duration,
}

impl BatcherOptions {
    pub(crate) fn new(client: Client) -> BatcherOptions {
        BatcherOptions {
            client,
            linger: Duration::from_millis(10),
            capacity: 10_000,
            when_full: WhenFull::Wait,
            timeout: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(10),
            late_window: Duration::from_secs(10),
        }
    }

    /// How long a change waits for others to share its request, at most half its time; default: 10 ms. 100 users, or a user with as many tags
    /// as a request takes of it (10), go at once.
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
    }

    /// How many changes are held before they are sent, at least 1; default: 10,000, a second's worth of the full quota.
    pub fn capacity(mut self, changes: usize) -> Self {
        self.capacity = changes.max(1);
        self
    }

    /// What happens to a change when so many are held; default: it waits.
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// The time for a change, with its waits and retries; default: 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The time for one attempt of a request; default: 10 s.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// For how long an attempt that was abandoned may still arrive; default: 10 s. The account's
    /// next change of another kind waits as long, as a late add would undo a remove. No page of the service says how late
    /// it can be.
    pub fn late_window(mut self, time: Duration) -> Self {
        self.late_window = time;
        self
    }

    /// Starts the batcher. It starts no thread before there is something to send.
    #[must_use]
    pub fn start(self) -> Batcher {
        let calls_per_second = self.client.parts().0.calls_per_second;
        let sending = Sending {
            policy: BatchPolicy {
                linger: self.linger.min(self.timeout / 2),
                late_window: self.late_window,
                capacity: self.capacity,
                full_slot_is_enough: true,
                // it lives for long, and an account may be imported meanwhile
                remember_rejected: false,
            },
            timeout: self.timeout,
            attempt_timeout: self.attempt_timeout,
            is_run: false,
            max_threads: max_threads(calls_per_second),
            thread_name: "imtag-batcher",
        };
        Batcher {
            session: Session::open(&self.client, sending),
            when_full: self.when_full,
            timeout: self.timeout,
        }
    }
}
