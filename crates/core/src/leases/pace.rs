//! How many calls a second a process makes, by those of the last four seconds.

use std::time::Duration;

/// The length of a bucket.
const BUCKET: Duration = Duration::from_millis(250);

/// Four seconds of them.
const BUCKETS: usize = 16;

/// Calls by quarter of a second.
#[derive(Debug, Default)]
pub(super) struct Pace {
    calls: [u32; BUCKETS],
    /// The number of the quarter that the last call was in, since the clock's origin.
    last: u64,
}

impl Pace {
    pub(super) fn sent(&mut self, now: Duration) {
        let quarter = number(now);
        let passed = quarter.saturating_sub(self.last).min(BUCKETS as u64);
        for later in 0..passed {
            self.calls[place(quarter - later)] = 0;
        }
        self.last = self.last.max(quarter);
        self.calls[place(self.last)] += 1;
    }

    /// How many calls a second are sure to come, of r in the last seconds: r − √r / 2, rounded down.
    pub(super) fn surely(&self, now: Duration) -> usize {
        let quarter = number(now).max(self.last);
        let oldest = quarter.saturating_sub(BUCKETS as u64 - 1);
        let calls = (oldest..=self.last).map(|it| self.calls[place(it)]);
        let calls: u32 = calls.sum();
        // c calls in four seconds: (c − √c) / 4
        let root = calls.isqrt() + u32::from(calls.isqrt().pow(2) < calls);
        ((calls - root) / 4) as usize
    }
}

fn number(now: Duration) -> u64 {
    u64::try_from(now.as_nanos() / BUCKET.as_nanos()).unwrap_or(u64::MAX)
}

fn place(quarter: u64) -> usize {
    // below 16
    (quarter % BUCKETS as u64) as usize
}
