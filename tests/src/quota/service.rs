//! The service's side of the quota: it counts arrivals by its own clock, and rejects what is too
//! much.
//!
//! Nobody knows which second it counts, nor whether a sliding window counts rejected calls too, so
//! that a client which does not slow down stays rejected: all are simulated. In a calendar second
//! the latter makes no difference, nor does it where nothing is rejected.

use std::collections::VecDeque;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Which second is counted: no page of the service's documentation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Window {
    /// From one full second of the service's clock to the next.
    Calendar,
    /// The second that ends with each arrival, and of it the accepted calls.
    Sliding,
    /// The second that ends with each arrival, and all that arrived in it.
    Strict,
}

/// The service's clock against the client's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// What it shows when the simulation begins: where calendar seconds begin.
    pub(super) phase: Duration,
    /// How much it is fast; negative: slow.
    pub(super) ppm: i32,
}

impl Clock {
    fn at(self, now: Duration) -> Duration {
        let off = now * self.ppm.unsigned_abs() / 1_000_000;
        self.phase + if self.ppm < 0 { now - off } else { now + off }
    }
}

/// The count of one operation.
pub(super) struct Service {
    quota: usize,
    window: Window,
    clock: Clock,
    /// The last second by its clock: all that arrived, and what the sliding window counts of it.
    arrived: VecDeque<Duration>,
    counted: VecDeque<Duration>,
    /// The calendar second, and what arrived in it.
    second: u64,
    in_second: usize,
    pub(super) accepted: usize,
    pub(super) rejected: usize,
    /// The most arrivals in any second of its clock.
    pub(super) most: usize,
}

impl Service {
    pub(super) fn new(quota: u32, window: Window, clock: Clock) -> Service {
        Service {
            quota: quota as usize,
            window,
            clock,
            arrived: VecDeque::new(),
            counted: VecDeque::new(),
            second: 0,
            in_second: 0,
            accepted: 0,
            rejected: 0,
            most: 0,
        }
    }

    /// Counts an arrival; they come in order of time. False if it is one too much.
    pub(super) fn admits(&mut self, now: Duration) -> bool {
        let now = self.clock.at(now);
        forget(&mut self.arrived, now);
        forget(&mut self.counted, now);
        if self.second != now.as_secs() {
            self.second = now.as_secs();
            self.in_second = 0;
        }
        let before = match self.window {
            Window::Calendar => self.in_second,
            Window::Sliding | Window::Strict => self.counted.len(),
        };
        let accepted = before < self.quota;
        self.arrived.push_back(now);
        self.in_second += 1;
        self.most = self.most.max(self.arrived.len());
        if accepted || self.window == Window::Strict {
            self.counted.push_back(now);
        }
        if accepted {
            self.accepted += 1;
        } else {
            self.rejected += 1;
        }
        accepted
    }
}

/// Drops what lies a full second back.
fn forget(times: &mut VecDeque<Duration>, now: Duration) {
    while times.front().is_some_and(|&at| at + SECOND <= now) {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(window: Window, ppm: i32, millis: &[u64]) -> Vec<bool> {
        let clock = Clock {
            phase: Duration::ZERO,
            ppm,
        };
        let mut service = Service::new(2, window, clock);
        let arrivals = millis.iter().map(|at| Duration::from_millis(*at));
        arrivals.map(|at| service.admits(at)).collect()
    }

    #[test]
    fn a_calendar_second_forgets_all_at_its_end_and_a_sliding_one_each_arrival_by_itself() {
        let calendar = arrivals(Window::Calendar, 0, &[800, 900, 950, 1_000, 1_100]);
        assert_eq!(calendar, [true, true, false, true, true]);
        let sliding = arrivals(Window::Sliding, 0, &[800, 900, 1_799, 1_800, 1_899]);
        assert_eq!(sliding, [true, true, false, true, false]);
    }

    #[test]
    fn a_strict_second_counts_rejected_calls_too() {
        for (window, last) in [(Window::Sliding, true), (Window::Strict, false)] {
            let served = arrivals(window, 0, &[800, 900, 1_700, 1_850]);
            assert_eq!(served, [true, true, false, last], "{window:?}");
        }
    }

    #[test]
    fn a_slow_clock_makes_its_second_longer() {
        for (ppm, millis, last) in [(0, 1_000, true), (-500, 1_000, false), (-500, 1_001, true)] {
            let served = arrivals(Window::Sliding, ppm, &[0, 1, millis]);
            assert_eq!(served, [true, true, last], "{ppm} ppm, {millis} ms");
        }
    }
}
