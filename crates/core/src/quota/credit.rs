//! The credit: how much less an answer counts, for what the ways of two calls surely take.
//!
//! ```text
//! client     sent ╲              ╱ answer        next sent ╲
//! service          ╲ arrives ╱                             ╲ arrives
//!                    ├──── at least answer to next sent, and a round trip ────┤
//! ```
//!
//! An answered call arrived no later than its answer less the way back, and the next call arrives
//! no earlier than its sending plus the way there. So a whole round trip more lies between the two
//! arrivals than between answer and sending. At a round trip of 500 ms a client that ignored it
//! would use two thirds of its quota.
//!
//! What is surely spent on the way is the least round trip of the last minute or more. A faster
//! answer counts at once. A longer path is believed only when every bucket that knew
//! it shorter is gone. A bucket closes by answers as well as by time, so that an idle client forgets
//! nothing.
//!
//! There is no credit before two seconds' worth of answers, and a hundred at least: the first two
//! answers of a process with one call a second do not show the minimum. Until then
//! such a process uses less of its quota, where round trips are long. It is the same after calls went over to another
//! host, as a credit is about one path: what the old one took may be more than the new one takes.

use std::num::NonZeroU32;
use std::time::Duration;

/// What it takes to have seen the path near its fastest, with 20 ms of jitter: after fifty answers
/// one process in fifteen is still rejected once in ten minutes. Two hundred would prevent the rare
/// rejection at 40 ms of jitter as well, but keep one call a second without credit for minutes.
const LEAST_ANSWERS: u64 = 100;

/// What it takes for some credit before that.
const EARLY_ANSWERS: u64 = 20;

/// The open bucket and five closed ones.
const BUCKETS: usize = 6;

/// How long a bucket stays open at least.
const BUCKET_TIME: Duration = Duration::from_secs(10);

/// The least round trips measured, bucket by bucket.
#[derive(Debug)]
pub(crate) struct Credit {
    /// The least of each, the open bucket first; `Duration::MAX` where there is none yet.
    least: [Duration; BUCKETS],
    open_since: Duration,
    answers_in_open: u64,
    /// Since the process started, or the path changed; fewer than `enough` have not seen what the path is like.
    answers: u64,
    /// What those took together.
    total: Duration,
    /// 2 N, and at least a hundred.
    enough: u64,
}

impl Credit {
    pub(crate) fn new(calls_per_second: NonZeroU32, start: Duration) -> Credit {
        Credit {
            least: [Duration::MAX; BUCKETS],
            open_since: start,
            answers_in_open: 0,
            answers: 0,
            total: Duration::ZERO,
            enough: LEAST_ANSWERS.max(2 * u64::from(calls_per_second.get())),
        }
    }

    /// The path changed: nothing is known of it yet.
    pub(crate) fn forget(&mut self, now: Duration) {
        self.least = [Duration::MAX; BUCKETS];
        self.open_since = now;
        self.answers_in_open = 0;
        self.answers = 0;
        self.total = Duration::ZERO;
    }

    /// Takes in the round trip of a call that was answered at `now`.
    pub(crate) fn sample(&mut self, round_trip: Duration, now: Duration) {
        let ripe = now.saturating_sub(self.open_since) >= BUCKET_TIME;
        if ripe && self.answers_in_open >= self.enough {
            self.least.rotate_right(1);
            self.least[0] = Duration::MAX;
            self.open_since = now;
            self.answers_in_open = 0;
        }
        self.least[0] = self.least[0].min(round_trip);
        self.answers_in_open += 1;
        self.answers += 1;
        self.total = self.total.saturating_add(round_trip);
    }

    pub(crate) fn get(&self) -> Duration {
        if self.answers < self.enough {
            return Duration::ZERO;
        }
        self.least.iter().min().copied().unwrap_or_default()
    }

    /// As [`get`](Credit::get), and some of it earlier: a process with a small part of the app's calls would have none for
    /// minutes. After twenty answers the mean is surely as far above what the path takes at its fastest as that is below the
    /// least seen.
    pub(crate) fn early(&self) -> Duration {
        if self.answers < EARLY_ANSWERS || self.answers >= self.enough {
            return self.get();
        }
        let least = self.least.iter().min().copied().unwrap_or_default();
        least.saturating_sub(self.mean().saturating_sub(least))
    }

    /// What a call takes; zero before the first answer.
    pub(crate) fn mean(&self) -> Duration {
        let total = u64::try_from(self.total.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(total / self.answers.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn credit(calls_per_second: u32) -> Credit {
        let calls_per_second = NonZeroU32::new(calls_per_second).expect("not zero");
        Credit::new(calls_per_second, Duration::ZERO)
    }

    fn sample(credit: &mut Credit, answers: usize, round_trip: Duration, now: Duration) {
        for _ in 0..answers {
            credit.sample(round_trip, now);
        }
    }

    #[test]
    fn there_is_no_credit_before_two_seconds_worth_of_answers_and_a_hundred_at_least() {
        for (calls_per_second, enough) in [(100, 200), (50, 100), (10, 100), (1, 100)] {
            let mut credit = credit(calls_per_second);
            sample(&mut credit, enough - 1, ms(50), ms(1_000));
            assert_eq!(credit.get(), ms(0));
            sample(&mut credit, 1, ms(60), ms(2_000));
            assert_eq!(credit.get(), ms(50));
        }
    }

    #[test]
    fn a_path_that_got_longer_is_believed_when_six_buckets_have_passed() {
        let mut credit = credit(1);
        sample(&mut credit, 1, ms(20), ms(0));
        sample(&mut credit, 99, ms(50), ms(5_000));
        // The first of each finds the open bucket ripe and opens the next one.
        for bucket in 1..=5 {
            sample(&mut credit, 100, ms(50), ms(bucket * 10_000));
            assert_eq!(credit.get(), ms(20), "bucket {bucket}");
        }
        sample(&mut credit, 1, ms(50), ms(60_000));
        assert_eq!(credit.get(), ms(50));
    }

    #[test]
    fn a_bucket_stays_open_for_ten_seconds_however_many_the_answers() {
        let mut credit = credit(1);
        sample(&mut credit, 1, ms(20), ms(0));
        sample(&mut credit, 10_000, ms(50), ms(9_999));
        assert_eq!(credit.get(), ms(20));
    }

    #[test]
    fn idleness_forgets_nothing() {
        let mut credit = credit(1);
        sample(&mut credit, 90, ms(20), ms(0));
        for hour in 1..=10 {
            sample(&mut credit, 1, ms(50), ms(hour * 3_600_000));
        }
        assert_eq!(credit.get(), ms(20));
    }
}
