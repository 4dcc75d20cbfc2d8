//! Packing: which tags of which users go into which request, so that there are as few requests as can be.
//!
//! A user's tags make slots of at most 10. A request takes at most 100 slots, and a user at most once. So no plan
//! has fewer requests than `max(⌈slots / 100⌉, the most slots of one user)`, and dealing the slots out like cards
//! reaches it: slot p goes to request p mod R. A user has at most R slots, and they are neighbours, so no two of
//! them meet in one request; and no request gets more than ⌈slots / R⌉ ≤ 100.

mod deck;

use std::ops::Range;

use crate::Limits;

pub use deck::{Deck, lower_bound};

/// A plan of requests for users of given numbers of tags. It holds one number a user, and works out a request
/// when it is asked for.
///
/// ```
/// use imtag_core::{Limits, packing::{Packing, Slot}};
///
/// // 25 tags are three slots of one user, who may stand in a request once
/// let packing = Packing::new([25, 2], &Limits::DOCUMENTED);
/// assert_eq!(packing.requests(), 3);
/// let first: Vec<Slot> = packing.request(0).collect();
/// assert_eq!(first, [Slot { user: 0, tags: 0..10 }, Slot { user: 1, tags: 0..2 }]);
/// ```
#[derive(Debug, Clone)]
pub struct Packing {
    /// How many slots there are up to and with each user.
    slots_up_to: Vec<usize>,
    tags: Vec<usize>,
    tags_per_slot: usize,
    requests: usize,
}

/// Some tags of one user, to go into one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The position of the user.
    pub user: usize,
    /// The positions of the tags among the user's.
    pub tags: Range<usize>,
}

impl Packing {
    /// Plans requests for users who have `tags[i]` distinct tags each. A user without a tag gets no slot.
    #[must_use]
    pub fn new(tags: impl IntoIterator<Item = usize>, limits: &Limits) -> Packing {
        let tags: Vec<usize> = tags.into_iter().collect();
        let tags_per_slot = limits.tags_per_user_and_request.max(1);
        let mut slots = 0;
        let mut longest = 0;
        let slots_up_to = tags.iter().map(|tags| {
            let of_user = tags.div_ceil(tags_per_slot);
            longest = longest.max(of_user);
            slots += of_user;
            slots
        });
        let slots_up_to = slots_up_to.collect();
        Packing {
            slots_up_to,
            tags,
            tags_per_slot,
            requests: slots.div_ceil(limits.users_per_request.max(1)).max(longest),
        }
    }

    /// How many requests the plan has: the lower bound.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests
    }

    /// The slots of one request; none past the last request.
    pub fn request(&self, request: usize) -> impl Iterator<Item = Slot> + '_ {
        let slots = match request < self.requests {
            true => self.slots_up_to.last().copied().unwrap_or(0),
            false => 0,
        };
        (request..slots)
            .step_by(self.requests.max(1))
            .map(|position| self.slot(position))
    }

    fn slot(&self, position: usize) -> Slot {
        let user = self.slots_up_to.partition_point(|up_to| *up_to <= position);
        let before = user.checked_sub(1).map_or(0, |last| self.slots_up_to[last]);
        let start = (position - before) * self.tags_per_slot;
        Slot {
            user,
            tags: start..self.tags[user].min(start + self.tags_per_slot),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn slots(packing: &Packing, request: usize) -> Vec<(usize, Range<usize>)> {
        let slots = packing.request(request);
        slots.map(|slot| (slot.user, slot.tags)).collect()
    }

    #[test]
    fn no_users_make_no_requests() {
        let packing = Packing::new([], &Limits::DOCUMENTED);
        assert_eq!(packing.requests(), 0);
        assert_eq!(slots(&packing, 0), []);
    }

    #[test]
    fn the_longest_user_sets_the_number_where_it_exceeds_the_slots() {
        let packing = Packing::new([25, 3, 0, 10], &Limits::DOCUMENTED);
        assert_eq!(packing.requests(), 3);
        assert_eq!(slots(&packing, 0), [(0, 0..10), (1, 0..3)]);
        assert_eq!(slots(&packing, 1), [(0, 10..20), (3, 0..10)]);
        assert_eq!(slots(&packing, 2), [(0, 20..25)]);
        assert_eq!(slots(&packing, 3), []);
    }

    #[test]
    fn a_hundred_and_one_users_make_two_requests_and_a_hundred_one() {
        let of = |users| Packing::new(vec![10; users], &Limits::DOCUMENTED).requests();
        assert_eq!((of(99), of(100), of(101)), (1, 1, 2));
    }

    proptest! {
        #[test]
        fn every_plan_is_complete_within_the_limits_and_at_the_lower_bound(
            tags in proptest::collection::vec(0usize..130, 0..400)
        ) {
            let packing = Packing::new(tags.iter().copied(), &Limits::DOCUMENTED);
            let of_user = |tags: &usize| tags.div_ceil(10);
            let slots: usize = tags.iter().map(of_user).sum();
            let longest = tags.iter().map(of_user).max().unwrap_or(0);
            prop_assert_eq!(packing.requests(), slots.div_ceil(100).max(longest));

            let mut seen = HashSet::new();
            for request in 0..packing.requests() {
                let mut users = HashSet::new();
                for slot in packing.request(request) {
                    prop_assert!(users.insert(slot.user), "a user twice in a request");
                    prop_assert!(!slot.tags.is_empty() && slot.tags.len() <= 10);
                    for tag in slot.tags {
                        prop_assert!(seen.insert((slot.user, tag)), "a tag twice");
                    }
                }
                prop_assert!(!users.is_empty() && users.len() <= 100);
            }
            prop_assert_eq!(seen.len(), tags.iter().sum::<usize>());
        }
    }
}
