//! Times as rows have them: milliseconds.

use std::time::{Duration, Instant, SystemTime};

/// The queue's clock: that of the machine as it was at the opening, but never before what is stored, and from there on by
/// the time that passes. So posts are in its order, and a step of the machine's clock makes none old.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    opened: Instant,
    at_opening: i64,
}

impl Clock {
    /// `machine`: what the machine's clock says; `stored`: the latest time in the file.
    pub(crate) fn new(machine: i64, stored: i64) -> Clock {
        Clock {
            opened: Instant::now(),
            at_opening: machine.max(stored),
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.at_opening.saturating_add(self.since_opening())
    }

    pub(crate) fn since_opening(&self) -> i64 {
        millis(self.opened.elapsed())
    }
}

pub(crate) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Milliseconds of the machine's clock.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    millis(since.unwrap_or_default())
}

pub(crate) fn moment(millis: i64) -> SystemTime {
    let since = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
    SystemTime::UNIX_EPOCH + since
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_clock_counts_once_and_what_is_stored_is_never_later() {
        let near = |clock: Clock, time: i64| (time..time + 10_000).contains(&clock.now());
        assert!(near(Clock::new(5_000_000, 0), 5_000_000));
        assert!(near(Clock::new(5_000_000, 9_000_000), 9_000_000));
    }
}
