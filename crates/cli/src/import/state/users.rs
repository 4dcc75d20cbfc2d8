//! Which users are done, which failed, and which are in doubt: a bit each, so that a hundred million users take 37.5 MB.
//! The bits of some thousand users are a block, which the store keeps as a row.

use std::ops::Range;

/// A set of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    Done,
    Failed,
    /// Users that an earlier run may have changed. It says nothing of users who are settled.
    InDoubt,
}

/// Sets of positions, `0..users`. *Settled* are those who are done and those who failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UserSets {
    users: u64,
    bits: [Vec<u64>; 3],
    done: u64,
    failed: u64,
}

impl UserSets {
    /// Users of a block.
    pub(super) const BLOCK: u64 = 8192;

    const BLOCK_WORDS: usize = 128;

    /// All sets are empty.
    pub(crate) fn new(users: u64) -> UserSets {
        let words = usize::try_from(users.div_ceil(64))
            .expect("who has so many users has more than their bits");
        UserSets {
            users,
            bits: [(); 3].map(|()| vec![0; words]),
            done: 0,
            failed: 0,
        }
    }

    /// All users.
    pub(crate) fn users(&self) -> u64 {
        self.users
    }

    /// Users who are done.
    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    /// Users who failed.
    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// Users who are either.
    pub(crate) fn settled(&self) -> u64 {
        self.done + self.failed
    }

    /// True if there is nothing left to do.
    pub(crate) fn are_settled(&self) -> bool {
        self.settled() == self.users
    }

    /// # Panics
    /// If there is no such position.
    pub(crate) fn contains(&self, set: Set, position: u64) -> bool {
        let (word, bit) = place(position);
        self.bits[set as usize][word] & bit != 0
    }

    /// # Panics
    /// If there is no such position.
    pub(crate) fn is_settled(&self, position: u64) -> bool {
        self.contains(Set::Done, position) || self.contains(Set::Failed, position)
    }

    /// Adds a user to a set. Who is settled stays what they were first.
    pub(crate) fn add(&mut self, set: Set, position: u64) {
        match set {
            Set::Done | Set::Failed if self.is_settled(position) => return,
            Set::Done => self.done += 1,
            Set::Failed => self.failed += 1,
            Set::InDoubt => {}
        }
        let (word, bit) = place(position);
        self.bits[set as usize][word] |= bit;
    }

    /// Users in doubt who are not settled.
    pub(crate) fn in_doubt(&self) -> u64 {
        let [done, failed, in_doubt] = &self.bits;
        let words = done.iter().zip(failed).zip(in_doubt);
        let left = words.map(|((done, failed), in_doubt)| in_doubt & !done & !failed);
        left.map(|word| u64::from(word.count_ones())).sum()
    }

    /// The bits of a block: the words of each set, one set after the other.
    pub(super) fn block(&self, block: u64) -> Vec<u8> {
        let words = self.words(block);
        let sets = self.bits.iter().flat_map(|set| &set[words.clone()]);
        sets.flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Sets a block as it was written; false, if these are not the bits of a block.
    pub(super) fn set_block(&mut self, block: u64, bytes: &[u8]) -> bool {
        let words = self.words(block);
        if words.is_empty() || bytes.len() != 3 * 8 * words.len() {
            return false;
        }
        let mut from = bytes.chunks_exact(8);
        for word in self.bits.iter_mut().flat_map(|set| &mut set[words.clone()]) {
            let bytes = from.next().and_then(|it| it.try_into().ok());
            *word = bytes.map_or(0, u64::from_le_bytes);
        }
        let count = |set: &[u64]| set.iter().map(|it| u64::from(it.count_ones())).sum::<u64>();
        let [done, failed, in_doubt] = [0, 1, 2].map(|set| &self.bits[set][words.clone()]);
        self.done += count(done);
        self.failed += count(failed);
        let is_twice = done
            .iter()
            .zip(failed)
            .any(|(done, failed)| done & failed != 0);
        let beyond = match self.users % 64 {
            _ if words.end < self.bits[0].len() => 0,
            0 => 0,
            last => !0 << last,
        };
        let last = words.len() - 1;
        !is_twice && (done[last] | failed[last] | in_doubt[last]) & beyond == 0
    }

    /// Where the words of a block are; none if there is no such block.
    fn words(&self, block: u64) -> Range<usize> {
        let all = self.bits[0].len();
        let start = usize::try_from(block)
            .ok()
            .and_then(|it| it.checked_mul(Self::BLOCK_WORDS));
        let start = start.unwrap_or(all).min(all);
        start..all.min(start + Self::BLOCK_WORDS)
    }
}

fn place(position: u64) -> (usize, u64) {
    // a position whose word has no index on this machine is past the end of any list
    let word = usize::try_from(position / 64).unwrap_or(usize::MAX);
    (word, 1 << (position % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_counts_once_as_what_they_were_first() {
        let mut users = UserSets::new(130);
        for position in 0..130 {
            let set = if position % 13 == 0 {
                Set::Failed
            } else {
                Set::Done
            };
            users.add(set, position);
            users.add(Set::Done, position);
            users.add(Set::Failed, position);
        }
        assert_eq!((users.done(), users.failed()), (120, 10));
        assert!(users.are_settled() && users.contains(Set::Failed, 117));
        assert!(UserSets::new(0).are_settled());
    }

    #[test]
    fn who_is_in_doubt_and_settled_is_in_doubt_no_longer() {
        let mut users = UserSets::new(129);
        for position in [0, 64, 128] {
            users.add(Set::InDoubt, position);
        }
        users.add(Set::Done, 64);
        assert_eq!((users.in_doubt(), users.settled()), (2, 1));
    }

    #[test]
    fn blocks_are_read_as_they_were_written_and_nothing_else_is_one() {
        let mut users = UserSets::new(UserSets::BLOCK + 70);
        for (set, position) in [(Set::Done, 0), (Set::Failed, 8191), (Set::InDoubt, 8261)] {
            users.add(set, position);
        }
        let blocks = [users.block(0), users.block(1)];
        assert_eq!(blocks.each_ref().map(Vec::len), [3 * 1024, 3 * 16]);
        let mut read = UserSets::new(UserSets::BLOCK + 70);
        assert!(read.set_block(0, &blocks[0]) && read.set_block(1, &blocks[1]));
        assert_eq!(read, users);
        let mut beyond = blocks[1].clone();
        beyond[15] = 0x80;
        let mut twice = blocks[1].clone();
        (twice[0], twice[16]) = (1, 1);
        for (block, bytes) in [
            (2, &blocks[1][..]),
            (u64::MAX, &[]),
            (1, &blocks[0]),
            (1, &beyond),
            (1, &twice),
        ] {
            assert!(!read.set_block(block, bytes));
        }
    }
}
