//! Repeatable random numbers, and the latency that is drawn from them: the n-th number of a stream is a function of the
//! seed, the stream and n alone.
//!
//! So it does not depend on what else is drawn, or in which order, as it would with a generator that has a state. The
//! mixing is SplitMix64's, written out because its numbers are a promise: a seed in a bug report must bring the same
//! faults with a later version.

use std::time::Duration;

/// The stream of requests' latencies. That of a standing fault is the fault's number, which is from 1.
const LATENCY: u64 = 0;

/// The step of SplitMix64: 2^64 divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The n-th number of a stream: evenly distributed, from 0 up to but not including 1.
pub(crate) fn uniform(seed: u64, stream: u64, n: u64) -> f64 {
    let start = mixed(seed.wrapping_add(mixed(stream.wrapping_add(STEP))));
    let bits = mixed(start.wrapping_add(n.wrapping_add(1).wrapping_mul(STEP)));
    // The upper 53 bits, which is what an f64 holds exactly.
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The latency of the network in front of the service, there and back together: the mean, plus or minus the jitter,
/// drawn anew for each request.
///
/// Half of it passes before the request arrives and is counted, half after it was handled. So the quota counts a
/// request at a time between its sending and its answer, as over a network.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Latency {
    pub(crate) mean: Duration,
    pub(crate) jitter: Duration,
}

impl Latency {
    /// Half of the latency of the n-th request, which is even from mean − jitter to mean + jitter, and never below 0.
    pub(crate) fn half(self, seed: u64, n: u64) -> Duration {
        let drawn = 2.0 * uniform(seed, LATENCY, n) * self.jitter.as_secs_f64();
        let drawn = Duration::try_from_secs_f64(drawn).unwrap_or(Duration::MAX);
        self.mean.saturating_add(drawn).saturating_sub(self.jitter) / 2
    }
}

/// Numbers for tests that do many things by chance: each run has the same.
#[cfg(test)]
pub(crate) struct Draw(pub(crate) u64);

#[cfg(test)]
impl Draw {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(STEP);
        (mixed(self.0) % bound as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_seed_draws_the_same_with_every_version() {
        // The first outputs of SplitMix64 for the seed 0, as its reference implementation prints them.
        assert_eq!(mixed(STEP), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mixed(STEP.wrapping_mul(2)), 0x6e78_9e6a_a1b9_65f4);
        // The rest was computed by a second implementation, in Python.
        for (stream, expected) in [
            (LATENCY, [0.838419518, 0.061296785, 0.98870058]),
            (1, [0.633615721, 0.464925826, 0.595569058]),
        ] {
            for (n, expected) in (0..).zip(expected) {
                let drawn = uniform(7, stream, n);
                assert!((drawn - expected).abs() < 1e-9, "{stream} {n}: {drawn}");
            }
        }
    }

    #[test]
    fn draws_are_even_and_those_of_neighbours_have_nothing_in_common() {
        const DRAWS: u64 = 100_000;
        let share = |hit: &dyn Fn(u64) -> bool| {
            (0..DRAWS).filter(|&n| hit(n)).count() as f64 / DRAWS as f64
        };
        for seed in [0, 1, 2, u64::MAX] {
            let one = |n| uniform(seed, 1, n);
            let other = |n| uniform(seed, 2, n);
            let next_seed = |n| uniform(seed.wrapping_add(1), 1, n);
            assert!((share(&|n| one(n) < 0.1) - 0.1).abs() < 0.005);
            for neighbour in [&other as &dyn Fn(u64) -> f64, &next_seed, &|n| one(n + 1)] {
                let both = share(&|n| one(n) < 0.1 && neighbour(n) < 0.1);
                assert!((both - 0.01).abs() < 0.002, "{both}");
            }
        }
    }

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
        let longest = Latency {
            mean: Duration::MAX,
            jitter: Duration::MAX,
        };
        assert!((0..100).all(|n| longest.half(7, n) <= Duration::MAX / 2));
        assert!(halves(50, 0).iter().all(|&half| half == MS * 25));
        let halves = halves(10, 30);
        let none = halves.iter().filter(|half| half.is_zero()).count();
        assert!(none.abs_diff(3333) < 200, "{none}");
        assert!(halves.iter().all(|&half| half <= MS * 20));
    }
}
