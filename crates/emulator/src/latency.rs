//! The latency of the network in front of the service: each request takes the mean, plus or minus the jitter, drawn anew
//! for each request.
//!
//! Half of it passes before the request arrives and is counted, half after it was handled, as over a network. So the
//! quota counts a request at a time between its sending and its answer.

use std::time::Duration;

use crate::rng::{Stream, uniform};

/// The mean and the jitter, there and back together; 0 if not set.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Latency {
    pub(crate) mean: Duration,
    pub(crate) jitter: Duration,
}

impl Latency {
    /// Half of the latency of the n-th request, which is even from mean − jitter to mean + jitter, and never below 0.
    pub(crate) fn half(self, seed: u64, n: u64) -> Duration {
        let drawn = self.jitter.mul_f64(2.0 * uniform(seed, Stream::Latency, n));
        (self.mean + drawn).saturating_sub(self.jitter) / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn halves(latency: u32, jitter: u32) -> Vec<Duration> {
        let latency = Latency {
            mean: MS * latency,
            jitter: MS * jitter,
        };
        (0..10_000).map(|n| latency.half(7, n)).collect()
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
