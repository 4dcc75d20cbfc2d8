//! What the progress says: figures in, a line out, without a clock and without a terminal.
//!
//! - Rates are of this run: what earlier runs settled has taken none of its time.
//! - Calls a second are counted over five of the quota's windows, which are seconds, or longer where the quota is less
//!   than one call a second: over less, a burst would look like more than the quota.
//! - The time left follows from the last half minute, and is left out while nothing is answered.
//! - A line is never wider than it may be: what matters least is left out first.

use std::collections::VecDeque;
use std::time::Duration;

use imtag_core::CallRate;

use crate::output::count;

/// What calls a second are counted over, in windows of the quota.
const CALLS_OVER: u32 = 5;

/// What the time left is computed from.
const USERS_OVER: Duration = Duration::from_secs(30);

const SECOND: Duration = Duration::from_secs(1);

/// After so long without an outcome, and the time between two calls, the line says so.
const SILENCE: Duration = Duration::from_secs(4);

/// Columns of a bar.
const BAR: (usize, usize) = (10, 30);

/// What an import is doing.
pub(super) enum Stage {
    Reading {
        rows: u64,
        bytes: u64,
        /// Of so many bytes, where that is known.
        all: Option<u64>,
    },
    Grouping,
    Sending(Meter),
}

impl Stage {
    /// The line to show, in so many columns; all of it, if there is no limit.
    pub(super) fn line(&self, at: Duration, width: Option<usize>) -> String {
        match self {
            Stage::Reading { rows, bytes, all } => {
                let rows = count(*rows, "row", "rows");
                let Some(all) = all.filter(|all| *all > 0) else {
                    return fit(&[format!("reading: {rows}"), rows], None, width);
                };
                // a file may grow while it is read
                let bytes = all.min(*bytes);
                let percent = part(100, bytes, all);
                let candidates = [
                    format!("reading: {percent} %, {rows}"),
                    format!("reading: {percent} %"),
                    format!("{percent} %"),
                ];
                fit(&candidates, Some((bytes, all)), width)
            }
            Stage::Grouping => {
                let candidates = ["putting the rows of each user together", "grouping"];
                fit(&candidates.map(str::to_owned), None, width)
            }
            Stage::Sending(meter) => meter.line(at, width),
        }
    }
}

/// How far the sending is.
pub(super) struct Meter {
    users: u64,
    quota: CallRate,
    settled: u64,
    failed: u64,
    sent: u64,
    /// A second apart, and no older than what is needed.
    samples: VecDeque<Sample>,
    last_outcome: Duration,
    /// Users wait until then, for requests of a killed run.
    wait_ends: Duration,
}

#[derive(Clone, Copy)]
struct Sample {
    at: Duration,
    settled: u64,
    sent: u64,
}

impl Meter {
    /// Of so many users; earlier runs have settled `before` of them.
    pub(super) fn new(users: u64, before: u64, quota: CallRate) -> Meter {
        let start = Sample {
            at: Duration::ZERO,
            settled: before,
            sent: 0,
        };
        Meter {
            users,
            quota,
            settled: before,
            failed: 0,
            sent: 0,
            samples: VecDeque::from([start]),
            last_outcome: Duration::ZERO,
            wait_ends: Duration::ZERO,
        }
    }

    /// Some users wait until then.
    pub(super) fn waits_until(&mut self, moment: Duration) {
        self.wait_ends = moment;
    }

    /// Records how far it is.
    pub(super) fn note(&mut self, at: Duration, settled: u64, failed: u64, sent: u64) {
        if settled > self.settled {
            self.last_outcome = at;
        }
        (self.settled, self.failed, self.sent) = (settled, failed, sent);
        let last = self.samples.back().map_or(Duration::ZERO, |it| it.at);
        if at >= last + SECOND {
            self.samples.push_back(Sample { at, settled, sent });
        }
        let needed = USERS_OVER.max(self.calls_over());
        while self.samples.get(1).is_some_and(|it| at >= it.at + needed) {
            self.samples.pop_front();
        }
    }

    /// The line at a moment, in so many columns.
    fn line(&self, at: Duration, width: Option<usize>) -> String {
        let (users, failed) = (self.users, self.failed);
        let calls = self.calls_a_second(at);
        let share = 100.0 * calls / self.quota.admitted_per_second();
        let users = format!("{}/{}", self.settled, count(users, "user", "users"));
        // below one call a second a whole number would say nothing
        let parts = if self.quota.window() > SECOND {
            1_000.0
        } else {
            1.0
        };
        let calls = count((calls * parts).round() / parts, "call/s", "calls/s");
        let end = self.end(at).map_or(String::new(), |end| format!(", {end}"));
        let percent = part(100, self.settled, self.users);
        let candidates = [
            format!("{users}, {calls} ({share:.0} % of the quota), {failed} failed{end}"),
            format!("{users}, {calls} ({share:.0} %), {failed} failed{end}"),
            format!("{users}, {failed} failed{end}"),
            format!("{users}{end}"),
            format!("{percent} %{end}"),
            format!("{percent} %"),
        ];
        fit(&candidates, Some((self.settled, self.users)), width)
    }

    fn calls_over(&self) -> Duration {
        CALLS_OVER * self.quota.window()
    }

    fn calls_a_second(&self, at: Duration) -> f64 {
        let calls = |since: &Sample| {
            let over = at.saturating_sub(since.at).max(self.quota.window());
            rate(self.sent - since.sent, over)
        };
        let since = self
            .samples
            .iter()
            .rev()
            .find(|it| at >= it.at + self.calls_over());
        let calls = since.or(self.samples.front()).map_or(0.0, calls);
        calls.min(self.quota.admitted_per_second())
    }

    /// The time left; or what the import waits for, or that it waits for an answer.
    fn end(&self, at: Duration) -> Option<String> {
        let silence = at.saturating_sub(self.last_outcome.max(self.wait_ends));
        let wait = self.wait_ends.saturating_sub(at);
        if !wait.is_zero() && self.settled < self.users {
            let seconds = wait.as_millis().div_ceil(1_000);
            return Some(format!("some users wait for {seconds} s"));
        }
        if silence >= SILENCE + self.quota.window() && self.settled < self.users {
            return Some(format!("no answer for {}", spell(silence.as_secs())));
        }
        let since = self.samples.front()?;
        let over = at.saturating_sub(since.at).max(SECOND);
        let rate = rate(self.settled - since.settled, over);
        if rate == 0.0 {
            return None;
        }
        #[allow(clippy::cast_precision_loss)] // no file has 2^52 users
        let left = (self.users - self.settled) as f64 / rate;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        // it is not negative
        Some(format!("{} left", spell(left.ceil() as u64)))
    }
}

#[allow(clippy::cast_precision_loss)] // no import makes 2^52 of anything
fn rate(number: u64, over: Duration) -> f64 {
    number as f64 / over.as_secs_f64()
}

/// `12 s`, `3 min 20 s`, `2 h 5 min`.
fn spell(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// The first candidate that fits, with a bar before it if there is room; the start of the last if none fits. Without a
/// width the first, and no bar.
fn fit(candidates: &[String], share: Option<(u64, u64)>, width: Option<usize>) -> String {
    let Some(width) = width else {
        return candidates[0].clone();
    };
    let fits = candidates.iter().find(|it| it.len() <= width);
    let Some(line) = fits else {
        let last = candidates.last().map_or("", String::as_str);
        return last.chars().take(width).collect();
    };
    // the brackets, and a blank
    let columns = (width - line.len()).saturating_sub(3).min(BAR.1);
    match share {
        Some((done, all)) if columns >= BAR.0 => {
            let bar = "=".repeat(part(columns, done, all));
            format!("[{bar:<columns$}] {line}")
        }
        _ => line.clone(),
    }
}

/// What is done, of so many parts of all.
fn part(parts: usize, done: u64, all: u64) -> usize {
    let part = u128::from(done) * parts as u128 / u128::from(all.max(1));
    usize::try_from(part).unwrap_or(parts).min(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// An import of 100,000 users at a hundred requests of a user a second, so many seconds on.
    fn running(before: u64, until: u64) -> Meter {
        let mut meter = Meter::new(100_000, before, CallRate::default());
        for tenth in 1..=until * 10 {
            let at = Duration::from_millis(tenth * 100);
            meter.note(at, before + tenth * 10, 3, tenth * 10);
        }
        meter
    }

    #[test]
    fn the_line_says_how_far_it_is_how_fast_and_how_long_it_takes() {
        let meter = running(0, 20);
        assert_eq!(
            meter.line(seconds(20), Some(120)),
            "[                              ] 2000/100000 users, 100 calls/s (100 % of the quota), 3 failed, 16 min 20 s left"
        );
        assert_eq!(
            meter.line(seconds(20), None),
            "2000/100000 users, 100 calls/s (100 % of the quota), 3 failed, 16 min 20 s left"
        );
        // ten seconds later without an answer
        let line = meter.line(seconds(30), None);
        assert!(line.contains(" 0 calls/s (0 % of the quota)"), "{line}");
        assert!(line.ends_with(", no answer for 10 s"), "{line}");
        // what earlier runs settled took none of this one's time
        let line = running(98_000, 2).line(seconds(2), None);
        assert!(line.ends_with(", 18 s left"), "{line}");
    }

    #[test]
    fn less_than_a_call_a_second_is_said_as_a_fraction_and_no_silence() {
        let mut meter = Meter::new(1_000, 0, "0.1".parse().unwrap());
        meter.note(Duration::from_millis(100), 100, 0, 1);
        let line = meter.line(Duration::from_secs(9), None);
        assert!(
            line.starts_with("100/1000 users, 0.1 calls/s (100 % of the quota), 0 failed, "),
            "{line}"
        );
        for call in 1..10 {
            let at = Duration::from_secs(10 * call);
            meter.note(at, 100 * (call + 1), 0, call + 1);
            let line = meter.line(at + Duration::from_secs(9), None);
            assert!(line.ends_with(" left"), "{line}");
            let line = meter.line(at, None);
            assert!(line.contains(" 0.1 calls/s (100 % of the quota)"), "{line}");
        }
        let mut silent = Meter::new(1_000, 0, "0.1".parse().unwrap());
        silent.note(Duration::from_secs(1), 100, 0, 1);
        let line = silent.line(Duration::from_secs(15), None);
        assert!(line.ends_with("no answer for 14 s"), "{line}");
    }

    #[test]
    fn a_burst_is_never_more_than_the_quota() {
        let mut meter = Meter::new(100_000, 0, CallRate::default());
        for (millis, sent) in [(1, 100), (1_001, 200), (2_001, 300), (2_200, 301)] {
            let at = Duration::from_millis(millis);
            meter.note(at, sent, 0, sent);
            for later in [0, 10, 200] {
                let line = meter.line(at + Duration::from_millis(later), None);
                assert!(line.contains(" 100 calls/s (100 % of the quota)"), "{line}");
            }
        }
    }

    #[test]
    fn a_wait_that_is_known_is_no_silence() {
        let mut meter = Meter::new(100, 0, CallRate::default());
        meter.waits_until(seconds(10));
        assert_eq!(
            meter.line(seconds(6), None),
            "0/100 users, 0 calls/s (0 % of the quota), 0 failed, some users wait for 4 s"
        );
        assert_eq!(
            meter.line(seconds(12), None),
            "0/100 users, 0 calls/s (0 % of the quota), 0 failed"
        );
        let line = meter.line(seconds(15), None);
        assert!(line.ends_with("0 failed, no answer for 5 s"), "{line}");
    }

    #[test]
    fn every_line_fits_whatever_the_width() {
        let mut meter = running(0, 20);
        meter.users = 1_000_000_000;
        let reading = |all| Stage::Reading {
            rows: u64::MAX,
            bytes: 1,
            all,
        };
        for width in 0..=200 {
            for at in [seconds(20), seconds(9_999_999)] {
                let line = meter.line(at, Some(width));
                assert!(line.len() <= width, "{width}: {line}");
            }
            for all in [Some(2), None] {
                let line = reading(all).line(seconds(20), Some(width));
                assert!(line.len() <= width, "{width}: {line}");
            }
        }
        let at = |width| running(50_000, 20).line(seconds(20), Some(width));
        assert_eq!(at(20), "52 %, 8 min 0 s left");
        assert_eq!(at(39), "52000/100000 users, 8 min 0 s left");
        assert_eq!(
            at(79),
            "52000/100000 users, 100 calls/s (100 % of the quota), 3 failed, 8 min 0 s left"
        );
    }

    #[test]
    fn reading_says_its_share_where_the_length_is_known() {
        let reading = |all, width| {
            let (rows, bytes) = (50, 450);
            let reading = Stage::Reading { rows, bytes, all };
            reading.line(seconds(1), width)
        };
        assert_eq!(reading(Some(1_000), None), "reading: 45 %, 50 rows");
        assert_eq!(
            reading(Some(1_000), Some(40)),
            "[======         ] reading: 45 %, 50 rows"
        );
        assert_eq!(reading(None, Some(40)), "reading: 50 rows");
    }
}
