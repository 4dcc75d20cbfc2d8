//! What is counted: the frequency of each route, which is held against the quota, and all that [`Stats`] has.
//!
//! No page says how the service counts a second, so both ways are here: by calendar second, and by a sliding window
//! that reaches back one second from each arrival. With 3 calls a second, and arrivals at 0.5, 0.9, 1.1 and 1.499 s, the
//! fourth is over the quota by the sliding window (all four lie within a second), and within it by the calendar (two lie
//! in each).
//!
//! Every arrival counts, also one that was rejected, unless that is switched off: a caller that keeps to the quota is
//! accepted again within a second either way, while one that never slows down is not, which is the stricter reading.
//!
//! Times are passed in (since the Unix epoch, from a [`Clock`]), so that tests need not wait.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use imtag_core::Limits;
use imtag_wire::Route;
use serde::{Serialize, Serializer};

const SECOND: Duration = Duration::from_secs(1);

/// The time of arrivals: a monotone clock that was set by the calendar once, at the start. A second of it is a calendar
/// second, and no adjustment of the system's time can make it jump.
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

impl Default for Quota {
    fn default() -> Quota {
        Quota {
            calls_per_second: Limits::default().calls_per_second,
            window: Window::default(),
            rejected_arrivals_count: true,
        }
    }
}

/// The arrivals on one route.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) stats: RouteStats,
    all: Counter,
    /// Those that the quota is held against.
    counted: Counter,
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
        self.all.advance(now);
        self.all.count(now);
        let stats = &mut self.stats;
        stats.arrivals += 1;
        for (busiest, window) in [
            (&mut stats.busiest_calendar_second, Window::Calendar),
            (&mut stats.busiest_sliding_second, Window::Sliding),
        ] {
            *busiest = self.all.within(window).max(*busiest);
        }

        self.counted.advance(now);
        let allowed = usize::try_from(quota.calls_per_second).unwrap_or(usize::MAX);
        let within = self.counted.within(quota.window) < allowed;
        if within || quota.rejected_arrivals_count {
            self.counted.count(now);
        }
        self.stats.over_quota += u64::from(!within);
        within
    }
}

/// What arrived on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
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

/// Counts since the start, or since the last reset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// What arrived on each of the eight routes.
    #[serde(serialize_with = "by_name")]
    pub routes: Vec<(Route, RouteStats)>,
    /// Requests for a path that is no route's, or not by POST.
    pub elsewhere: u64,
    /// How often each `ErrorCode` was answered, 0 included.
    pub codes: BTreeMap<i32, u64>,
    /// How many faults of each kind were met, queued or standing.
    pub faults: BTreeMap<&'static str, u64>,
    /// Faults that wait for a request.
    pub faults_waiting: usize,
    /// Faults that stand, each for its requests, until they are removed.
    pub faults_standing: usize,
    /// Users with an add, remove or clear that was carried out: each once a request, also where that left its tags as
    /// they were.
    pub users_changed: u64,
    /// Users that have tags now.
    pub users_with_tags: usize,
    /// Connections that were accepted, those of the admin API included.
    pub connections: u64,
    /// Requests that are being handled, on their way, or held in a delay.
    pub in_flight: usize,
}

impl Stats {
    /// What arrived on one route.
    #[must_use]
    pub fn route(&self, route: impl Into<Route>) -> RouteStats {
        self.routes[route.into().index()].1
    }

    /// What arrived on all routes together.
    #[must_use]
    pub fn arrivals(&self) -> u64 {
        self.routes.iter().map(|(_, stats)| stats.arrivals).sum()
    }

    /// How often this `ErrorCode` was answered.
    #[must_use]
    pub fn code(&self, code: i32) -> u64 {
        self.codes.get(&code).copied().unwrap_or(0)
    }
}

fn by_name<S: Serializer>(
    routes: &[(Route, RouteStats)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(routes.iter().map(|(route, stats)| (route.name(), stats)))
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
    fn a_caller_that_keeps_to_the_quota_is_accepted_again_after_a_burst() {
        let mut traffic = Traffic::default();
        let quota = quota(Window::Sliding);
        let mut burst = (0..50).map(|_| traffic.arrive(Duration::ZERO, quota));
        assert_eq!(burst.by_ref().filter(|&within| within).count(), 3);
        drop(burst);
        assert_eq!(traffic.stats.over_quota, 47);
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
        assert_eq!(traffic.stats, expected);
    }

    #[test]
    fn a_quota_of_0_accepts_nothing() {
        let mut none = quota(Window::Sliding);
        none.calls_per_second = 0;
        assert_eq!(accepted(none, &[0, 5000]), [false, false]);
    }
}
