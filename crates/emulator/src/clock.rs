//! The time of arrivals: a monotone clock that was set by the calendar once, at the start. A second of it is a
//! calendar second, and no adjustment of the system's time can make it jump.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) struct Clock {
    started: Instant,
    /// Since the Unix epoch.
    started_at: Duration,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock {
            started: Instant::now(),
            started_at: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    /// Since the Unix epoch.
    pub(crate) fn now(&self) -> Duration {
        self.started_at + self.started.elapsed()
    }

    /// A time of [`now`](Clock::now), since the start.
    pub(crate) fn since_start(&self, now: Duration) -> Duration {
        now.saturating_sub(self.started_at)
    }
}
