//! Which users are settled: a bit each, so that a hundred million of them take 12.5 MB. And for which of the others an
//! earlier run may have done something: a run that ends names them, as it waits for all that is under way and most users
//! were never sent; after a run that is killed it may be any of them.

use std::collections::BTreeSet;
use std::ops::Range;

use imtag_transport::Effect;

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
    /// No user of `users` is settled.
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
    /// If there is no such position.
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

    /// Users who are either.
    pub(crate) fn count(&self) -> u64 {
        self.done + self.failed
    }

    /// True if there is nothing left to do.
    pub(crate) fn is_complete(&self) -> bool {
        self.count() == self.users
    }

    /// Settles one more user.
    pub(crate) fn add(&mut self, position: u64, kind: Kind) {
        self.settle(position..position + 1, kind);
    }

    /// Settles positions; those that are settled already stay what they are.
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
    // a position whose word has no index on this machine is past the end of any list
    let word = usize::try_from(position / 64).unwrap_or(usize::MAX);
    (word, 1 << (position % 64))
}

/// Users who are not settled, and may have been changed by an earlier run.
/// Example: of users 0 to 9 a run settles 0 to 4 and is interrupted while 5 is under way: `Users({5})`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InDoubt {
    /// The run did not come to its end, so it may be any.
    AnyUser,
    Users(BTreeSet<u64>),
}

impl InDoubt {
    /// The most users that are named. If there are more, which takes a hundred thousand failures in each of several runs,
    /// it may be any.
    pub(super) const AT_MOST: usize = 1 << 18;

    pub(crate) fn none() -> InDoubt {
        InDoubt::Users(BTreeSet::new())
    }

    pub(crate) fn from_users(users: impl IntoIterator<Item = u64>) -> InDoubt {
        let users: BTreeSet<u64> = users.into_iter().collect();
        if users.len() > InDoubt::AT_MOST {
            InDoubt::AnyUser
        } else {
            InDoubt::Users(users)
        }
    }

    /// What earlier runs may have done for a user who is not settled.
    pub(crate) fn effect(&self, position: u64) -> Effect {
        match self {
            InDoubt::Users(users) if !users.contains(&position) => Effect::NotApplied,
            _ => Effect::PossiblyApplied,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == InDoubt::none()
    }
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

    #[test]
    fn more_users_than_are_kept_are_any_user() {
        let at_most = InDoubt::AT_MOST as u64;
        let all = InDoubt::from_users(0..at_most);
        assert_eq!(all.effect(at_most - 1), Effect::PossiblyApplied);
        assert_eq!(all.effect(at_most), Effect::NotApplied);
        assert_eq!(InDoubt::from_users(0..=at_most), InDoubt::AnyUser);
        assert_eq!(InDoubt::AnyUser.effect(7), Effect::PossiblyApplied);
    }
}
