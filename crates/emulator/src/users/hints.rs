//! Where users were found last: a table of hints. None is kept up to date: who uses one looks whether the user is there.

use std::ops::Range;

/// Of an account, for its hint. Accounts of one hash can be crafted: searches for users of their set are
/// then slow, as they were without hints.
pub(super) fn hash(account: &str) -> u32 {
    crc32fast::hash(account.as_bytes())
}

/// Where users were found last: the hash of the account, the number of the page, and the place in it. There are two to four
/// for each user, and up to six once others were removed, in sets: a user's hint is anywhere in its set, those of the
/// latest searches first.
#[derive(Debug, Default)]
pub(super) struct Hints(pub(super) Vec<u64>);

impl Hints {
    /// Next to each other in memory, so that all are read for little more than one.
    pub(super) const OF_SET: usize = 4;
    /// For places up to 255, as a page has fewer users; and 24 bits of a page's number, without which it is a wrong hint.
    const PLACE_BITS: u32 = 8;
    const PAGE_BITS: u32 = 24;

    /// None without a table.
    fn set_of(&self, hash: u32) -> Option<Range<usize>> {
        let mask = (self.0.len() / Self::OF_SET).checked_sub(1)?;
        let start = (hash as usize & mask) * Self::OF_SET;
        Some(start..start + Self::OF_SET)
    }

    pub(super) fn get(&self, hash: u32) -> Option<(usize, usize)> {
        let mut set = self.0[self.set_of(hash)?].iter();
        let hint = set.find(|hint| **hint >> 32 == u64::from(hash))?;
        let page = (hint >> Self::PLACE_BITS) & ((1 << Self::PAGE_BITS) - 1);
        let place = hint & ((1 << Self::PLACE_BITS) - 1);
        Some((page as usize, place as usize))
    }

    /// In place of an older one of this user, or else of the oldest.
    pub(super) fn set(&mut self, hash: u32, page: usize, place: usize) {
        let Some(set) = self.set_of(hash) else {
            return;
        };
        let set = &mut self.0[set];
        let old = set.iter().position(|hint| hint >> 32 == u64::from(hash));
        set[..=old.unwrap_or(Self::OF_SET - 1)].rotate_right(1);
        let page = (page as u64) << (64 - Self::PAGE_BITS) >> 32;
        set[0] = u64::from(hash) << 32 | page | place as u64;
    }

    /// Has a place for each of so many users. Where their number changes, all are forgotten: that takes no time, whereas
    /// each is found again by the order. A table is made anew only after a third of the users went, or half as many more
    /// came, so this takes little for each of these.
    pub(super) fn fit(&mut self, users: usize) {
        let least = (2 * users).max(Self::OF_SET);
        if self.0.len() < least || self.0.len() > 3 * least {
            self.0 = vec![0; least.next_power_of_two()];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_two_to_six_hints_and_few_changes_forget_them() {
        let mut hints = Hints::default();
        let mut forgotten = 0;
        let few = 8; // below, a table has one set or two
        let numbers = (few..=40_000).chain((few..40_000).rev());
        // each number twice, with the one above between, as users come and go
        for users in numbers.flat_map(|users| [users, users + 1, users]) {
            let before = hints.0.len();
            hints.fit(users);
            forgotten += usize::from(hints.0.len() != before);
            let range = 2 * users..=6 * users;
            assert!(range.contains(&hints.0.len()), "{users}");
        }
        // 14 tables from 16 up to 131,072, and 12 down to 32
        assert_eq!(forgotten, 26);
    }

    #[test]
    fn no_set_is_looked_at_without_a_table() {
        let mut hints = Hints::default();
        assert_eq!(hints.set_of(u32::MAX), None);
        hints.set(u32::MAX, 1, 2);
        assert_eq!(hints.get(u32::MAX), None);
        hints.fit(2);
        assert_eq!(hints.set_of(u32::MAX), Some(0..4));
        hints.fit(4);
        assert_eq!(hints.set_of(u32::MAX), Some(4..8));
    }
}
