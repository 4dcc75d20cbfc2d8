//! A question that the host of a call may be asked on the calling thread while the call waits: whether to go on. It
//! is for hosts that see a signal only when they look, as interpreters do, and which a thread that blocks in a call
//! would keep from looking.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a call waits at most before it asks again.
const EVERY: Duration = Duration::from_millis(100);

/// Whether the call is to be cancelled.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<dyn Fn() -> bool + Send + Sync>);

impl Interrupt {
    pub(crate) fn new(ask: impl Fn() -> bool + Send + Sync + 'static) -> Interrupt {
        Interrupt(Arc::new(ask))
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interrupt")
    }
}

/// The question in one call or run, which is asked when it is due and never after it was answered with yes.
#[derive(Debug)]
pub(crate) struct HostPoll {
    interrupt: Interrupt,
    started: Instant,
    /// Milliseconds after the start.
    due: AtomicU64,
    answered_yes: AtomicBool,
}

impl HostPoll {
    pub(crate) fn new(interrupt: &Interrupt) -> Arc<HostPoll> {
        let host_poll = HostPoll {
            interrupt: interrupt.clone(),
            started: Instant::now(),
            due: AtomicU64::new(0),
            answered_yes: AtomicBool::new(false),
        };
        host_poll.schedule_next();
        Arc::new(host_poll)
    }

    /// When it is to be asked next.
    pub(crate) fn due(&self) -> Instant {
        self.started + Duration::from_millis(self.due.load(Ordering::Relaxed))
    }

    /// Asks if it is time to, and says whether the call is to end.
    pub(crate) fn is_cancelled(&self) -> bool {
        if !self.answered_yes.load(Ordering::Relaxed) && Instant::now() >= self.due() {
            // never no over a yes that another thread has got meanwhile
            if (self.interrupt.0)() {
                self.answered_yes.store(true, Ordering::Relaxed);
            }
            self.schedule_next();
        }
        self.answered_yes.load(Ordering::Relaxed)
    }

    /// Whether it was answered with yes. Whoever is told so sees to it, and it is asked again from then on.
    pub(crate) fn take_yes(&self) -> bool {
        self.answered_yes.swap(false, Ordering::Relaxed)
    }

    fn schedule_next(&self) {
        let due = (self.started.elapsed() + EVERY).as_millis();
        let due = u64::try_from(due).unwrap_or(u64::MAX);
        self.due.store(due, Ordering::Relaxed);
    }
}
