//! The options of a bulk run.

use std::time::{Duration, Instant};

use imtag_core::ChangeRequest;
use imtag_core::plan::BatchPolicy;

use super::{Bulk, BulkRun};
use crate::pipeline::session::{Sending, Session, max_threads};
use crate::wait::{Blocked, HostPoll, Interrupt, Watch};
use crate::{CancelToken, Client};

/// Options of a bulk run; made by [`Client::bulk`]. What is not set has a default that fits a long run.
#[derive(Debug, Clone)]
#[must_use]
pub struct BulkOptions {
    client: Client,
    timeout: Duration,
    attempt_timeout: Duration,
    late_window: Duration,
    linger: Duration,
    capacity: usize,
    cancel: Option<CancelToken>,
    drain: Option<CancelToken>,
    interrupt: Option<Interrupt>,
    after_crash: bool,
}

impl BulkOptions {
    pub(crate) fn new(client: Client) -> BulkOptions {
        BulkOptions {
            client,
            timeout: Duration::from_secs(60),
            attempt_timeout: Duration::from_secs(10),
            late_window: Duration::from_secs(10),
            linger: Duration::from_secs(1),
            capacity: 4096,
            cancel: None,
            drain: None,
            interrupt: None,
            after_crash: false,
        }
    }

    /// The time for each request with its waits and retries; default: 60 s. For half of it a service that is away is
    /// waited for, so that a short outage costs time and no changes.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The time for one attempt; default: 10 s.
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

    /// Whether the run does again what a run of another process was killed over, of which attempts may be on their way
    /// yet; default: no. Until the late window from its start is over, each account's next change of another kind
    /// waits, as after an attempt that was abandoned.
    pub fn after_crash(mut self, after_crash: bool) -> Self {
        self.after_crash = after_crash;
        self
    }

    /// How long a change waits for others to share its request, while more may come; default: 1 s. At the end of the
    /// input nothing waits. `Duration::MAX`: until 100 users are together, or as many changes as are held wait.
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
    }

    /// How many changes are held before they are sent, at least 1; default: 4,096. The more, the fewer requests users of
    /// many tags need.
    pub fn capacity(mut self, changes: usize) -> Self {
        self.capacity = changes.max(1);
        self
    }

    /// Ends the run when the token is cancelled, from any thread, what is under way with it.
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = Some(token.clone());
        self
    }

    /// Sends nothing more once the token is cancelled, from any thread; what is under way is seen through.
    pub fn drain(mut self, token: &CancelToken) -> Self {
        self.drain = Some(token.clone());
        self
    }

    /// Asks on the thread that pushes, asks for outcomes or finishes, about every 100 ms while it does so: yes sends nothing more, and the second yes ends what
    /// is under way.
    pub fn interrupt(mut self, ask: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.interrupt = Some(Interrupt::new(ask));
        self
    }

    /// Sends all changes of an iterator, which is asked for more as there is capacity, on the thread that asks for
    /// outcomes.
    pub fn run<I: IntoIterator<Item = ChangeRequest>>(self, changes: I) -> BulkRun<I::IntoIter> {
        BulkRun::new(self.start(), changes.into_iter())
    }

    /// Starts a run that is fed by hand.
    #[must_use]
    pub fn start(self) -> Bulk {
        let sending = Sending {
            policy: BatchPolicy {
                linger: self.linger,
                late_window: self.late_window,
                capacity: self.capacity,
                full_slot_is_enough: false,
                remember_rejected: true,
            },
            timeout: self.timeout,
            attempt_timeout: self.attempt_timeout.min(self.timeout),
            is_run: true,
            max_threads: max_threads(self.client.parts().0.calls_per_second),
            thread_name: "imtag-bulk",
        };
        let session = Session::open(&self.client, sending);
        if self.after_crash {
            let mut inner = session.pipeline().lock();
            let now = inner.pipeline.now();
            inner.plan.after_crash(session.producer, now);
        }
        let watches = [
            (&self.cancel, &session.cancel),
            (&self.drain, &session.drain),
        ];
        let watch = |(given, ours): (&Option<CancelToken>, &CancelToken)| -> Option<Watch> {
            let ours = Blocked::Token(ours.clone());
            given.as_ref().map(|given| given.watch(ours))
        };
        Bulk {
            started: Instant::now(),
            host_poll: self.interrupt.as_ref().map(HostPoll::new),
            _watches: watches.into_iter().filter_map(watch).collect(),
            session,
        }
    }
}
