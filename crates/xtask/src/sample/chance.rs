//! Chance that is a function: the same numbers in give the same number out, whatever was asked before.

/// A number that looks drawn by chance, from a seed and a position (the finaliser of SplitMix64).
pub(crate) fn mix(seed: u64, position: u64) -> u64 {
    let mut z = seed.wrapping_add(position.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::mix;

    #[test]
    fn it_is_the_published_splitmix64() {
        // The first three draws from seed 1234567, as the reference implementation gives them.
        let drawn = [0, 1, 2].map(|position| mix(1_234_567, position));
        let reference = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(drawn, reference);
    }
}
