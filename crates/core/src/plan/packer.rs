//! The packer: it puts the slots of many users into requests while more come in.
//!
//! A *slot* is up to 10 tags of one user: what one request can take of that user. A user with 25 tags has three slots,
//! which go in three requests. Which tags fill the next slot is decided in `form.rs`.
//!
//! A request takes one slot each of up to 100 users, those with the most slots left first. No other order ends with
//! fewer requests. Where all users are there from the start, it needs `max(⌈slots / 100⌉, the most slots of one user)`.
//! Example, in requests of two users: A and B have one slot, C has two. C A, then C B are two requests; A B, C, C are three.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::Hash;

use crate::limits::Limits;

/// The fewest requests for so many slots in all, of which one user has at most `longest`.
///
/// ```
/// use imtag_core::{Limits, plan::lower_bound};
///
/// assert_eq!(lower_bound(101, 1, &Limits::DOCUMENTED), 2);
/// assert_eq!(lower_bound(101, 10, &Limits::DOCUMENTED), 10);
/// ```
#[must_use]
pub fn lower_bound(slots: u64, longest: u64, limits: &Limits) -> u64 {
    slots
        .div_ceil(limits.users_per_request.max(1) as u64)
        .max(longest)
}

/// Users who have slots left. `T` is the caller's name for a user.
#[derive(Debug)]
pub(super) struct SlotPacker<T> {
    /// Users by the slots that they have left, in the order in which they came.
    buckets: BTreeMap<usize, VecDeque<T>>,
    /// Users who were removed and are still in a bucket. To search the bucket at each removal would take quadratic time.
    removed: HashSet<T>,
    users: usize,
}

impl<T> SlotPacker<T> {
    /// A packer without users.
    pub(super) fn new() -> SlotPacker<T> {
        SlotPacker {
            buckets: BTreeMap::new(),
            removed: HashSet::new(),
            users: 0,
        }
    }

    /// The number of users who have a slot left. The next request takes that many, up to its limit.
    pub(super) fn users(&self) -> usize {
        self.users
    }

    /// True if no user has a slot left.
    pub(super) fn is_empty(&self) -> bool {
        self.users == 0
    }

    /// Adds a user with this many slots. A user without slots is not added.
    pub(super) fn insert(&mut self, user: T, slots: usize) {
        if slots > 0 {
            self.buckets.entry(slots).or_default().push_back(user);
            self.users += 1;
        }
    }
}

impl<T: Clone + Eq + Hash> SlotPacker<T> {
    /// Removes a user, who must be in the packer.
    pub(super) fn remove(&mut self, user: T) {
        self.removed.insert(user);
        self.users -= 1;
        if self.removed.len() > self.users {
            for bucket in self.buckets.values_mut() {
                bucket.retain(|user| !self.removed.contains(user));
            }
            self.buckets.retain(|_, bucket| !bucket.is_empty());
            self.removed.clear();
        }
    }

    /// Takes one slot each of at most `limit` users: those who have the most slots left.
    pub(super) fn take_batch(&mut self, limit: usize) -> Vec<T> {
        let limit = limit.min(self.users);
        let mut batch = Vec::with_capacity(limit);
        let mut remaining = Vec::new();
        while batch.len() < limit {
            let Some(mut most_left) = self.buckets.last_entry() else {
                break;
            };
            let left = most_left.key() - 1;
            let bucket = most_left.get_mut();
            let take = bucket.len().min(limit - batch.len());
            let from = batch.len();
            let taken = bucket.drain(..take);
            if self.removed.is_empty() {
                batch.extend(taken);
            } else {
                batch.extend(taken.filter(|user| !self.removed.remove(user)));
            }
            if bucket.is_empty() {
                most_left.remove();
            }
            if left > 0 {
                remaining.push((left, from..batch.len()));
            }
        }
        self.users -= batch.len();
        // not before, as a request has a user at most once
        for (left, users) in remaining {
            for user in &batch[users] {
                self.insert(user.clone(), left);
            }
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Takes all batches, and counts them.
    fn requests(packer: &mut SlotPacker<usize>, slots: &mut [usize]) -> u64 {
        let mut requests = 0;
        while !packer.is_empty() {
            let users = packer.take_batch(100);
            let distinct: HashSet<_> = users.iter().collect();
            assert!(!users.is_empty() && users.len() <= 100 && distinct.len() == users.len());
            users.iter().for_each(|user| slots[*user] -= 1);
            requests += 1;
        }
        requests
    }

    fn packer(slots: &[usize]) -> SlotPacker<usize> {
        let mut packer = SlotPacker::new();
        let slots = slots.iter().enumerate();
        slots.for_each(|(user, slots)| packer.insert(user, *slots));
        packer
    }

    #[test]
    fn users_with_the_most_slots_come_first_and_equals_in_the_order_they_came() {
        let mut packer = packer(&[1, 3, 1, 3]);
        assert_eq!(packer.take_batch(3), [1, 3, 0]);
        assert_eq!(packer.users(), 3);
        assert_eq!(packer.take_batch(2), [1, 3]);
        assert_eq!(packer.take_batch(100), [2, 1, 3]);
        assert!(packer.is_empty() && packer.take_batch(100).is_empty());
    }

    #[test]
    fn a_user_who_is_removed_is_in_no_later_batch() {
        let mut packer = packer(&[2, 2, 1]);
        packer.remove(1);
        assert_eq!(packer.users(), 2);
        assert_eq!(packer.take_batch(100), [0, 2]);
        assert_eq!(packer.take_batch(100), [0]);
        assert!(packer.is_empty() && packer.take_batch(100).is_empty());
    }

    #[test]
    fn nothing_is_kept_of_users_who_come_and_go() {
        let mut packer = SlotPacker::new();
        for user in 0..1_000 {
            packer.insert(user, 1 + user % 3);
            packer.insert(user + 1_000, 1);
            packer.remove(user);
        }
        assert_eq!(packer.users(), 1_000);
        (1_000..1_500).for_each(|user| packer.remove(user));
        assert_eq!(packer.take_batch(400), (1_500..1_900).collect::<Vec<_>>());
        assert_eq!(packer.take_batch(400), (1_900..2_000).collect::<Vec<_>>());
        assert!(packer.is_empty() && packer.buckets.is_empty() && packer.removed.is_empty());
    }

    proptest! {
        #[test]
        fn all_slots_are_taken_in_as_many_requests_as_the_lower_bound_says(
            mut slots in proptest::collection::vec(0usize..13, 0..700)
        ) {
            let all = slots.iter().sum::<usize>() as u64;
            let longest = slots.iter().max().copied().unwrap_or(0) as u64;
            let mut packer = packer(&slots);
            let bound = lower_bound(all, longest, &Limits::DOCUMENTED);
            prop_assert_eq!(requests(&mut packer, &mut slots), bound);
            prop_assert!(slots.iter().all(|left| *left == 0));
        }
    }
}
