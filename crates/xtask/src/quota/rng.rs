//! Chance that is the same in every run: SplitMix64, for which a simulation needs no dependency.

use std::time::Duration;

/// A stream of drawn numbers.
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly drawn from `from` up to and including `to`.
    pub(super) fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = nanos(to.saturating_sub(from)) + 1;
        // The remainder's bias, of one in 10^9 or so, is no matter here.
        from + Duration::from_nanos(self.next() % span)
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.next() % n == 0
    }
}

/// Virtual time stays far below the 584 years that fit.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
