//! Which users are settled: a bit each, so that a hundred million of them take 12.5 MB.

use std::ops::Range;

/// A set of positions, `0..users`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    bits: Vec<u64>,
    users: u64,
    done: u64,
    failed: u64,
}

/// How a user is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Done,
    Failed,
}

impl Settled {
    /// None of so many users.
    pub(crate) fn none(users: u64) -> Settled {
        let words = usize::try_from(users.div_ceil(64))
            .expect("who has so many users has more than their bits");
        Settled {
            bits: vec![0; words],
            users,
            done: 0,
            failed: 0,
        }
    }

    /// # Panics
    /// Where there is no such position.
    pub(crate) fn is_settled(&self, position: u64) -> bool {
        let (word, bit) = place(position);
        self.bits[word] & bit != 0
    }

    /// All users.
    pub(crate) fn users(&self) -> u64 {
        self.users
    }

    /// Users who are done.
    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    /// Users who are listed as failed.
    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// Whether there is nothing left to do.
    pub(crate) fn is_complete(&self) -> bool {
        self.done + self.failed == self.users
    }

    /// One more user is settled.
    pub(crate) fn add(&mut self, position: u64, kind: Kind) {
        self.settle(position..position + 1, kind);
    }

    /// What a position is settled as first is what it stays.
    pub(super) fn settle(&mut self, positions: Range<u64>, kind: Kind) {
        let count = match kind {
            Kind::Done => &mut self.done,
            Kind::Failed => &mut self.failed,
        };
        for position in positions {
            let (word, bit) = place(position);
            *count += u64::from(self.bits[word] & bit == 0);
            self.bits[word] |= bit;
        }
    }
}

fn place(position: u64) -> (usize, u64) {
    // a position whose word has no number on this machine is past the end of any list
    let word = usize::try_from(position / 64).unwrap_or(usize::MAX);
    (word, 1 << (position % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_position_counts_once_as_what_it_was_first() {
        let mut settled = Settled::none(130);
        settled.settle(60..70, Kind::Done);
        settled.settle(69..71, Kind::Failed);
        settled.settle(0..130, Kind::Done);
        assert_eq!((settled.done(), settled.failed()), (129, 1));
        assert!(settled.is_complete());
    }

    #[test]
    fn only_what_was_settled_is_settled() {
        let mut settled = Settled::none(129);
        settled.settle(63..65, Kind::Done);
        settled.settle(128..129, Kind::Failed);
        let all: Vec<_> = (0..129).filter(|it| settled.is_settled(*it)).collect();
        assert_eq!(all, [63, 64, 128]);
        assert!(!settled.is_complete());
        assert!(Settled::none(0).is_complete());
    }
}
