//! Asks the host whether to go on, on the calling thread, while a call waits. An interpreter sees a signal only when it
//! looks, which a thread that blocks in a call would prevent.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often a waiting call asks.
const INTERVAL: Duration = Duration::from_millis(100);

/// The host's callback: true cancels the call.
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

/// The polls of one call or run. After a yes the host is not asked again.
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

    /// When the host is asked next.
    pub(crate) fn due(&self) -> Instant {
        self.started + Duration::from_millis(self.due.load(Ordering::Relaxed))
    }

    /// Asks the host if it is due; true if it has said yes.
    pub(crate) fn is_cancelled(&self) -> bool {
        if !self.answered_yes.load(Ordering::Relaxed) && Instant::now() >= self.due() {
            // store only a yes: another thread may have got one meanwhile
            if (self.interrupt.0)() {
                self.answered_yes.store(true, Ordering::Relaxed);
            }
            self.schedule_next();
        }
        self.answered_yes.load(Ordering::Relaxed)
    }

    /// Takes a yes, for a caller that acts on it. The host is then asked again.
    pub(crate) fn take_yes(&self) -> bool {
        self.answered_yes.swap(false, Ordering::Relaxed)
    }

    fn schedule_next(&self) {
        let due = (self.started.elapsed() + INTERVAL).as_millis();
        let due = u64::try_from(due).unwrap_or(u64::MAX);
        self.due.store(due, Ordering::Relaxed);
    }
}
