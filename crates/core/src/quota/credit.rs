//! The credit: how much less than a second an answer counts.
//!
//! An answered call arrived no later than its answer minus the way back, and the next call arrives
//! no earlier than its sending plus the way there. Between the two arrivals lies thus a whole round
//! trip more than between answer and sending, and at a round trip of 500 ms a client that ignored
//! it would use two thirds of its quota.
//!
//! What is surely spent on the way is the least round trip of the last minute or more, less a
//! margin. A faster answer counts at once; that the path has got longer is believed only when every
//! bucket that knew it shorter is gone. A bucket closes by answers as well as by time, so that an
//! idle client forgets nothing.

use std::num::NonZeroU32;
use std::time::Duration;

/// For what the measured minimum and the two clocks may be off: without it, a server clock 100 ppm
/// slow, whose second is longer than ours, rejects half of all calls.
const MARGIN: Duration = Duration::from_millis(2);

/// The open bucket and five closed ones.
const BUCKETS: usize = 6;

/// How long a bucket stays open at least.
const BUCKET_TIME: Duration = Duration::from_secs(10);

/// The least round trips measured, bucket by bucket.
#[derive(Debug)]
pub(super) struct Credit {
    /// The least of each, the open bucket first; `Duration::MAX` where there is none yet.
    least: [Duration; BUCKETS],
    open_since: Duration,
    answers_in_open: u64,
    /// Since the process started; fewer than `enough` have not seen what the path is like.
    answers: u64,
    /// 2 N.
    enough: u64,
}

impl Credit {
    pub(super) fn new(calls_per_second: NonZeroU32, start: Duration) -> Credit {
        Credit {
            least: [Duration::MAX; BUCKETS],
            open_since: start,
            answers_in_open: 0,
            answers: 0,
            enough: 2 * u64::from(calls_per_second.get()),
        }
    }

    /// Takes in the round trip of a call that was answered at `now`.
    pub(super) fn sample(&mut self, round_trip: Duration, now: Duration) {
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
    }

    pub(super) fn get(&self) -> Duration {
        if self.answers < self.enough {
            return Duration::ZERO;
        }
        let least = self.least.iter().min().copied().unwrap_or_default();
        least.saturating_sub(MARGIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// N = 1: two answers are enough, and fill a bucket.
    fn credit() -> Credit {
        Credit::new(NonZeroU32::MIN, Duration::ZERO)
    }

    #[test]
    fn there_is_no_credit_before_two_seconds_worth_of_answers() {
        let mut credit = credit();
        credit.sample(ms(50), ms(50));
        assert_eq!(credit.get(), ms(0));
        credit.sample(ms(60), ms(1_060));
        assert_eq!(credit.get(), ms(48));
    }

    #[test]
    fn a_round_trip_within_the_margin_gives_none() {
        let mut credit = credit();
        credit.sample(ms(1), ms(1));
        credit.sample(ms(1), ms(1_001));
        assert_eq!(credit.get(), ms(0));
    }

    #[test]
    fn a_faster_answer_lowers_it_at_once() {
        let mut credit = credit();
        credit.sample(ms(50), ms(50));
        credit.sample(ms(50), ms(1_050));
        credit.sample(ms(20), ms(2_020));
        assert_eq!(credit.get(), ms(18));
    }

    #[test]
    fn a_path_that_got_longer_is_believed_when_six_buckets_have_passed() {
        let mut credit = credit();
        credit.sample(ms(20), ms(0));
        credit.sample(ms(50), ms(5_000));
        // Each of these finds the open bucket ripe and opens the next one.
        for bucket in 1..=5 {
            credit.sample(ms(50), ms(bucket * 10_000));
            credit.sample(ms(50), ms(bucket * 10_000 + 5_000));
            assert_eq!(credit.get(), ms(18), "bucket {bucket}");
        }
        credit.sample(ms(50), ms(60_000));
        assert_eq!(credit.get(), ms(48));
    }

    #[test]
    fn idleness_forgets_nothing() {
        let mut credit = credit();
        credit.sample(ms(20), ms(0));
        for hour in 1..=10 {
            credit.sample(ms(50), ms(hour * 3_600_000));
        }
        assert_eq!(credit.get(), ms(18));
    }
}
