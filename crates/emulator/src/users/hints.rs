//! Where users were found last: a table of hints. None is kept up to date: who uses one looks whether the user is there.

use std::ops::Range;

/// Of an account, for its hint. Who makes accounts of one hash makes its own searches slow, as they were without hints.
pub(super) fn hash(account: &str) -> u32 {
    crc32fast::hash(account.as_bytes())
}

/// Where users were found last: the hash of the account, the number of the page, and the place in it. There are two to four
/// for each user, in sets: a user's hint is anywhere in its set, those of the latest searches first.
#[derive(Debug, Default)]
pub(super) struct Hints(pub(super) Vec<u64>);

impl Hints {
    /// Next to each other in memory, so that all are read for little more than one.
    pub(super) const OF_SET: usize = 4;
    /// For places up to 255, as a page has fewer users; and 24 bits of a page's number, without which it is a wrong hint.
    const PLACE_BITS: u32 = 8;
    const PAGE_BITS: u32 = 24;

    fn set_of(&self, hash: u32) -> Range<usize> {
        let sets = self.0.len() / Self::OF_SET;
        let start = (hash as usize & sets.wrapping_sub(1)) * Self::OF_SET;
        start..start + Self::OF_SET
    }

    pub(super) fn get(&self, hash: u32) -> Option<(usize, usize)> {
        let mut set = self.0.get(self.set_of(hash))?.iter();
        let hint = set.find(|hint| **hint >> 32 == u64::from(hash))?;
        let page = (hint >> Self::PLACE_BITS) & ((1 << Self::PAGE_BITS) - 1);
        let place = hint & ((1 << Self::PLACE_BITS) - 1);
        Some((page as usize, place as usize))
    }

    /// In place of an older one of this user, or else of the oldest.
    pub(super) fn set(&mut self, hash: u32, page: usize, place: usize) {
        let set = self.set_of(hash);
        let Some(set) = self.0.get_mut(set) else {
            return;
        };
        let old = set.iter().position(|hint| hint >> 32 == u64::from(hash));
        set[..=old.unwrap_or(Self::OF_SET - 1)].rotate_right(1);
        let page = (page as u64) << (64 - Self::PAGE_BITS) >> 32;
        set[0] = u64::from(hash) << 32 | page | place as u64;
    }

    /// Has a place for each of so many users. Where their number changes, all are forgotten: that takes no time, whereas
    /// each is found again by the order.
    pub(super) fn fit(&mut self, users: usize) {
        let least = (2 * users).max(Self::OF_SET);
        if self.0.len() < least || self.0.len() > 4 * least {
            self.0 = vec![0; least.next_power_of_two()];
        }
    }
}
