//! The cap: how many calls a second the service is believed to admit.
//!
//! It is N until a call is rejected for its frequency: another process uses the same app, the quota
//! is set too high, or the way there got shorter. Each cut takes a tenth. Only a call sent
//! after the last cut makes another, as the others were already on their way.
//! Then it grows again, first slowly, to find out whether the cause is gone, and then with the
//! square of the time, so that one bad second does not cost minutes. Example, of N = 100:
//!
//! ```text
//! s after a cut   0     10    20    30    35.3
//! cap             90    92    94    97.2  100
//! ```

use std::num::NonZeroU32;
use std::time::Duration;

/// A cap is counted in millionths of a call.
const CALL: u64 = 1_000_000;

/// When growth, of at first 0.2 · N/100 calls a second, begins to quicken.
const SLOW: Duration = Duration::from_secs(20);

/// By when growth makes up for any cut.
const RECOVERED: Duration = Duration::from_secs(84);

/// N, and the last cut.
#[derive(Debug)]
pub(super) struct Cap {
    calls_per_second: u64,
    last_cut: Option<Cut>,
}

#[derive(Debug)]
struct Cut {
    at: Duration,
    /// What it left, in millionths of a call.
    left: u64,
}

impl Cap {
    pub(super) fn new(calls_per_second: NonZeroU32) -> Cap {
        Cap {
            calls_per_second: u64::from(calls_per_second.get()),
            last_cut: None,
        }
    }

    /// Whole calls, at least one.
    pub(super) fn calls(&self, now: Duration) -> usize {
        // At most N, which is a u32; a usize is no smaller on any target with sockets.
        (self.level(now) / CALL) as usize
    }

    /// Takes in that a call sent at `sent` was rejected.
    pub(super) fn cut(&mut self, sent: Duration, now: Duration) {
        if self.last_cut.as_ref().is_some_and(|cut| sent <= cut.at) {
            return;
        }
        let left = (self.level(now) * 9 / 10).max(CALL);
        self.last_cut = Some(Cut { at: now, left });
    }

    /// When the cap admits one call more than now.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        let cut = self.last_cut.as_ref()?;
        let target = (self.level(now) / CALL + 1) * CALL;
        if target > self.calls_per_second * CALL {
            return None;
        }
        // Growth has no inverse in integers, so the moment is found by bisection: some 27 steps,
        // only while a cut lasts.
        let mut early = micros(now.saturating_sub(cut.at));
        let mut late = micros(RECOVERED);
        while late - early > 1 {
            let middle = early + (late - early) / 2;
            if cut.left + self.growth(middle) < target {
                early = middle;
            } else {
                late = middle;
            }
        }
        Some(cut.at.saturating_add(Duration::from_micros(late)))
    }

    /// In millionths of a call.
    fn level(&self, now: Duration) -> u64 {
        let full = self.calls_per_second * CALL;
        self.last_cut.as_ref().map_or(full, |cut| {
            full.min(cut.left + self.growth(micros(now.saturating_sub(cut.at))))
        })
    }

    /// What was gained in so many microseconds since the cut, in millionths of a call: the
    /// integral of `0.2 · N/100 · max(1, (t / 20 s)²)`.
    ///
    /// A closed form, so that it does not depend on how often the cap is looked at. With t in
    /// seconds it is `N/500 · t` calls up to t = 20, then `N/500 · (t³ + 16,000) / 1,200`.
    fn growth(&self, since_cut: u64) -> u64 {
        let n = u128::from(self.calls_per_second);
        let t = u128::from(since_cut);
        let gained = if since_cut <= micros(SLOW) {
            n * t / 500
        } else {
            // Microseconds cubed, and millionths of a call: 10^18 / 10^6.
            n * (t * t * t + 16_000 * 10_u128.pow(18)) / (500 * 1_200 * 10_u128.pow(12))
        };
        u64::try_from(gained).unwrap_or(u64::MAX)
    }
}

/// No more than what matters, so that its cube fits in 128 bits.
fn micros(since_cut: Duration) -> u64 {
    u64::try_from(since_cut.min(RECOVERED).as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cap(calls_per_second: u32) -> Cap {
        Cap::new(NonZeroU32::new(calls_per_second).expect("not zero"))
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn calls_that_were_under_way_at_the_cut_make_no_other() {
        let mut cap = cap(100);
        cap.cut(secs(1), secs(2));
        cap.cut(secs(2), secs(2));
        assert_eq!(cap.calls(secs(2)), 90);
        cap.cut(Duration::from_millis(2_001), secs(3));
        // 90 and a second's growth of 0.2, less a tenth.
        assert_eq!(cap.level(secs(3)), 81_180_000);
    }

    #[test]
    fn it_grows_evenly_for_twenty_seconds_and_then_with_the_square() {
        let mut cap = cap(100);
        cap.cut(secs(0), secs(100));
        for (after, millionths) in [
            (0, 90_000_000),
            (10, 92_000_000),
            (20, 94_000_000),
            (30, 97_166_666),
            (35, 99_812_500),
            (36, 100_000_000),
        ] {
            assert_eq!(cap.level(secs(100 + after)), millionths, "after {after} s");
        }
    }

    #[test]
    fn it_never_falls_below_one_call_and_recovers_from_there_in_84_seconds() {
        for calls_per_second in [1, 2, 100, 100_000] {
            let mut cap = cap(calls_per_second);
            for step in 1..=200 {
                let now = Duration::from_nanos(step);
                cap.cut(now, now);
            }
            assert_eq!(cap.calls(Duration::from_nanos(200)), 1);
            assert_eq!(cap.calls(secs(85)), calls_per_second as usize);
            assert_eq!(cap.calls(Duration::MAX), calls_per_second as usize);
        }
    }

    #[test]
    fn the_next_call_is_admitted_at_the_moment_announced_and_not_before() {
        let mut cap = cap(100);
        assert_eq!(cap.next(secs(0)), None);
        cap.cut(secs(0), secs(0));
        assert_eq!(cap.next(secs(0)), Some(secs(5)));
        assert_eq!(cap.next(secs(5)), Some(secs(10)));
        let next = cap.next(secs(30)).expect("97 of 100 calls");
        assert_eq!(
            (cap.calls(next - Duration::from_micros(1)), cap.calls(next)),
            (97, 98)
        );
        assert_eq!(cap.next(secs(36)), None);
    }
}
