//! For which of the users who are not settled an earlier run may have done something.
//!
//! A run that ends knows them: it waits for all that is under way, and most users were never sent. A run that is
//! killed leaves no word, and then it is any of them.

use std::collections::BTreeSet;

use imtag_transport::Effect;

/// Users who are not settled, and may have been changed by an earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InDoubt {
    /// The run did not come to its end, so it may be any.
    Everybody,
    Users(BTreeSet<u64>),
}

impl InDoubt {
    /// Users who are told apart. Of more, which takes a hundred thousand failures in each of several runs, it may be any.
    pub(super) const AT_MOST: usize = 1 << 18;

    pub(crate) fn nobody() -> InDoubt {
        InDoubt::Users(BTreeSet::new())
    }

    pub(crate) fn from_users(users: impl IntoIterator<Item = u64>) -> InDoubt {
        let users: BTreeSet<u64> = users.into_iter().collect();
        if users.len() > InDoubt::AT_MOST {
            InDoubt::Everybody
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

    pub(crate) fn is_nobody(&self) -> bool {
        *self == InDoubt::nobody()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_are_kept_are_everybody() {
        let at_most = InDoubt::AT_MOST as u64;
        let all = InDoubt::from_users(0..at_most);
        assert_eq!(all.effect(at_most - 1), Effect::PossiblyApplied);
        assert_eq!(all.effect(at_most), Effect::NotApplied);
        assert_eq!(InDoubt::from_users(0..=at_most), InDoubt::Everybody);
        assert_eq!(InDoubt::Everybody.effect(7), Effect::PossiblyApplied);
    }
}
