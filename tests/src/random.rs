//! Numbers that look drawn by chance and are the same in every run: SplitMix64.

/// A number from a seed and a position, whatever was asked before.
pub(crate) fn mix(seed: u64, position: u64) -> u64 {
    let mut z = seed.wrapping_add(position.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A stream of such numbers.
pub(crate) struct Rng {
    seed: u64,
    drawn: u64,
}

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng { seed, drawn: 0 }
    }

    /// A number below `bound`. The remainder's bias is no matter where this is used.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let number = mix(self.seed, self.drawn);
        self.drawn += 1;
        number % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_published_splitmix64() {
        // The first three draws from seed 1234567, as the reference implementation gives them.
        let reference = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(
            [0, 1, 2].map(|position| mix(1_234_567, position)),
            reference
        );
        let mut rng = Rng::new(1_234_567);
        assert_eq!([0; 3].map(|_| rng.below(u64::MAX)), reference);
    }
}
