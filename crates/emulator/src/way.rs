//! How long a request is under way, there and back: the latency, give or take the jitter, drawn anew for each.
//!
//! Half of it lies before the request arrives and is counted, half after it was dealt with, as over a network: so a
//! caller's quota is held against a time between its sending and its answer.

use std::time::Duration;

use crate::draw::{Stream, draw};

/// The latency and the jitter of all requests; none if not set.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Way {
    pub(crate) latency: Duration,
    pub(crate) jitter: Duration,
}

impl Way {
    /// Half the time that the n-th request is under way: between no time and latency + jitter, evenly around latency.
    pub(crate) fn half(self, seed: u64, n: u64) -> Duration {
        let drawn = self.jitter.mul_f64(2.0 * draw(seed, Stream::Way, n));
        (self.latency + drawn).saturating_sub(self.jitter) / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn halves(latency: u32, jitter: u32) -> Vec<Duration> {
        let way = Way {
            latency: MS * latency,
            jitter: MS * jitter,
        };
        (0..10_000).map(|n| way.half(7, n)).collect()
    }

    #[test]
    fn the_time_is_evenly_around_the_latency_and_within_the_jitter() {
        let halves = halves(50, 20);
        assert!(halves.iter().all(|half| (MS * 15..=MS * 35).contains(half)));
        let below = |most: Duration| halves.iter().filter(|&&half| half < most).count();
        for (most, share) in [(20, 2500), (25, 5000), (30, 7500)] {
            let (counted, most_off) = (below(MS * most), 200);
            assert!(counted.abs_diff(share) < most_off, "{most} ms: {counted}");
        }
    }

    #[test]
    fn without_jitter_it_is_the_latency_and_with_more_than_that_never_below_0() {
        assert!(halves(50, 0).iter().all(|&half| half == MS * 25));
        let halves = halves(10, 30);
        let none = halves.iter().filter(|half| half.is_zero()).count();
        assert!(none.abs_diff(3333) < 200, "{none}");
        assert!(halves.iter().all(|&half| half <= MS * 20));
    }
}
