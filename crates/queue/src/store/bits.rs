//! Sets of places: in a block, and in a post.

use crate::post::CHANGES_PER_BLOCK;

/// Places of a block's changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BlockBits(u128);

const _: () = assert!(CHANGES_PER_BLOCK <= u128::BITS);

impl BlockBits {
    pub(crate) fn insert(&mut self, place: u32) {
        self.0 |= 1_u128.checked_shl(place).unwrap_or(0);
    }

    pub(crate) fn contains(self, place: u32) -> bool {
        self.0.checked_shr(place).is_some_and(|it| it & 1 == 1)
    }

    pub(crate) fn union(self, other: BlockBits) -> BlockBits {
        BlockBits(self.0 | other.0)
    }

    pub(crate) fn len(self) -> u32 {
        self.0.count_ones()
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// None if they were written by no queue.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<BlockBits> {
        Some(BlockBits(u128::from_le_bytes(bytes.try_into().ok()?)))
    }
}

/// Sets a place of a post.
pub(crate) fn set(bits: &mut Vec<u8>, place: u32) {
    let (byte, bit) = at(place);
    if bits.len() <= byte {
        bits.resize(byte + 1, 0);
    }
    bits[byte] |= bit;
}

/// True if a place of a post is set.
pub(crate) fn is_set(bits: Option<&[u8]>, place: u32) -> bool {
    let (byte, bit) = at(place);
    bits.and_then(|bits| bits.get(byte))
        .is_some_and(|it| it & bit != 0)
}

fn at(place: u32) -> (usize, u8) {
    let byte = usize::try_from(place / 8).unwrap_or(usize::MAX);
    (byte, 1 << (place % 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_in_a_set_once_it_is_put_there_and_no_other_is() {
        let (mut block, mut post) = (BlockBits::default(), Vec::new());
        for place in [0, 7, 8, 63, 64, 99] {
            block.insert(place);
            set(&mut post, place);
        }
        for place in 0..200 {
            let is_in = [0, 7, 8, 63, 64, 99].contains(&place);
            assert_eq!(block.contains(place), is_in, "{place}");
            assert_eq!(is_set(Some(&post), place), is_in, "{place}");
            assert!(!is_set(None, place));
        }
        assert_eq!(block.len(), 6);
        assert_eq!(BlockBits::from_bytes(&block.to_bytes()), Some(block));
    }
}
