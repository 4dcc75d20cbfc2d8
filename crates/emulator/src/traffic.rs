//! The frequency of one route: whether an arrival is within the quota, and the busiest second so far.
//!
//! No page says how the service counts a second, so both ways are here: by calendar second, and by a sliding window
//! that reaches back one second from each arrival. Every arrival counts, also one that was rejected, unless that is
//! switched off: a caller that keeps to the quota is let in again within a second either way, while one that never
//! slows down is not, which is the stricter reading.
//!
//! Times are passed in (since the Unix epoch, from a monotone clock), so that tests need not wait.

use std::collections::VecDeque;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// How the service counts the calls of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Window {
    /// The last second before each arrival.
    #[default]
    Sliding,
    /// From one full second of the clock to the next.
    Calendar,
}

/// What is allowed on each route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    pub(crate) calls_per_second: u32,
    pub(crate) window: Window,
    pub(crate) rejected_arrivals_count: bool,
}

/// The arrivals on one route.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    arrivals: u64,
    all: Counter,
    over_quota: u64,
    /// Those that the quota is held against.
    counted: Counter,
    busiest_calendar_second: usize,
    busiest_sliding_second: usize,
}

/// The arrivals of the last second, and how many the present calendar second has seen.
#[derive(Debug, Default)]
struct Counter {
    recent: VecDeque<Duration>,
    calendar_second: u64,
    in_calendar_second: usize,
}

impl Counter {
    /// Forgets what has left the windows at `now`.
    fn advance(&mut self, now: Duration) {
        while self.recent.front().is_some_and(|&at| now - at >= SECOND) {
            self.recent.pop_front();
        }
        if self.calendar_second != now.as_secs() {
            self.calendar_second = now.as_secs();
            self.in_calendar_second = 0;
        }
    }

    fn count(&mut self, now: Duration) {
        self.recent.push_back(now);
        self.in_calendar_second += 1;
    }

    fn within(&self, window: Window) -> usize {
        match window {
            Window::Sliding => self.recent.len(),
            Window::Calendar => self.in_calendar_second,
        }
    }
}

impl Traffic {
    /// Takes note of an arrival, no earlier than the last one; true where it is within the quota.
    pub(crate) fn arrive(&mut self, now: Duration, quota: Quota) -> bool {
        self.arrivals += 1;
        self.all.advance(now);
        self.all.count(now);
        self.busiest_calendar_second = self
            .busiest_calendar_second
            .max(self.all.within(Window::Calendar));
        self.busiest_sliding_second = self
            .busiest_sliding_second
            .max(self.all.within(Window::Sliding));

        self.counted.advance(now);
        let allowed = usize::try_from(quota.calls_per_second).unwrap_or(usize::MAX);
        let within = self.counted.within(quota.window) < allowed;
        if within || quota.rejected_arrivals_count {
            self.counted.count(now);
        }
        self.over_quota += u64::from(!within);
        within
    }

    pub(crate) fn stats(&self) -> RouteStats {
        RouteStats {
            arrivals: self.arrivals,
            over_quota: self.over_quota,
            busiest_calendar_second: self.busiest_calendar_second,
            busiest_sliding_second: self.busiest_sliding_second,
        }
    }
}

/// What arrived on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct RouteStats {
    /// All requests that came in whole, also the rejected ones.
    pub arrivals: u64,
    /// Those of them that were over the quota: rejected, unless they failed for another reason, or a fault, first.
    pub over_quota: u64,
    /// The most arrivals between two full seconds of the clock.
    pub busiest_calendar_second: usize,
    /// The most arrivals within any second: two that are exactly a second apart are not within one.
    pub busiest_sliding_second: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn quota(window: Window) -> Quota {
        Quota {
            calls_per_second: 3,
            window,
            rejected_arrivals_count: true,
        }
    }

    /// Which of the arrivals, in milliseconds, are within the quota.
    fn accepted(quota: Quota, arrivals: &[u32]) -> Vec<bool> {
        let mut traffic = Traffic::default();
        let arrive = |&at: &u32| traffic.arrive(MS * at, quota);
        arrivals.iter().map(arrive).collect()
    }

    #[test]
    fn a_sliding_second_holds_the_quota_and_not_one_more() {
        let quota = quota(Window::Sliding);
        let arrivals = [500, 900, 1100, 1499, 2500];
        assert_eq!(accepted(quota, &arrivals), [true, true, true, false, true]);
        // Exactly a second after the first of them there is room again.
        assert_eq!(accepted(quota, &[500, 900, 1100, 1500]), [true; 4]);
    }

    #[test]
    fn a_calendar_second_holds_the_quota_and_not_one_more() {
        let quota = quota(Window::Calendar);
        let arrivals = [1000, 1998, 1999, 1999, 2000, 2000, 2000, 2999];
        let expected = [true, true, true, false, true, true, true, false];
        assert_eq!(accepted(quota, &arrivals), expected);
    }

    #[test]
    fn a_rejected_arrival_counts_unless_that_is_switched_off() {
        let arrivals = [0, 1, 2, 500, 1000];
        let mut quota = quota(Window::Sliding);
        assert_eq!(accepted(quota, &arrivals), [true, true, true, false, false]);
        quota.rejected_arrivals_count = false;
        assert_eq!(accepted(quota, &arrivals), [true, true, true, false, true]);
    }

    #[test]
    fn a_caller_that_keeps_to_the_quota_is_let_in_again_after_a_burst() {
        let mut traffic = Traffic::default();
        let quota = quota(Window::Sliding);
        let mut burst = (0..50).map(|_| traffic.arrive(Duration::ZERO, quota));
        assert_eq!(burst.by_ref().filter(|&within| within).count(), 3);
        drop(burst);
        assert_eq!(traffic.stats().over_quota, 47);
        let paced = (3..30).map(|n| traffic.arrive(MS * 334 * n, quota));
        assert!(paced.into_iter().all(|within| within));
    }

    #[test]
    fn the_busiest_seconds_are_exact() {
        let mut traffic = Traffic::default();
        for at in [900, 950, 1100, 1899, 1900, 5000] {
            traffic.arrive(MS * at, quota(Window::Calendar));
        }
        let expected = RouteStats {
            arrivals: 6,
            over_quota: 0,
            busiest_calendar_second: 3,
            busiest_sliding_second: 4,
        };
        assert_eq!(traffic.stats(), expected);
    }

    #[test]
    fn a_quota_of_nothing_lets_nothing_in() {
        let mut none = quota(Window::Sliding);
        none.calls_per_second = 0;
        assert_eq!(accepted(none, &[0, 5000]), [false, false]);
    }
}
