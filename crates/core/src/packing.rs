//! Packing: slots are dealt out to requests while more come in. A request takes one slot of each of up to 100 users,
//! and takes them of the users who have the most left: of all orders it is the one that ends with the fewest requests.
//! Where all users are there from the start it needs `max(⌈slots / 100⌉, the most slots of one user)`, and none needs
//! fewer.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::Hash;

use crate::Limits;

/// The fewest requests for so many slots in all, of which one user has at most `longest`.
///
/// ```
/// use imtag_core::{Limits, packing::lower_bound};
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

/// Users who have slots left, each known by whatever the caller puts in for it.
///
/// ```
/// use imtag_core::packing::Deck;
///
/// let mut deck = Deck::new();
/// deck.put("one slot", 1);
/// deck.put("two slots", 2);
/// assert_eq!(deck.deal(1), ["two slots"]);
/// assert_eq!(deck.deal(100), ["one slot", "two slots"]);
/// assert!(deck.is_empty());
/// ```
#[derive(Debug)]
pub struct Deck<T> {
    /// By the slots that each user has left; who came first stands first.
    piles: BTreeMap<usize, VecDeque<T>>,
    /// Who has been taken out, and is still in a pile: looking for everyone who leaves would take quadratic time.
    gone: HashSet<T>,
    users: usize,
}

impl<T> Default for Deck<T> {
    fn default() -> Deck<T> {
        Deck::new()
    }
}

impl<T> Deck<T> {
    /// Of nobody.
    #[must_use]
    pub fn new() -> Deck<T> {
        Deck {
            piles: BTreeMap::new(),
            gone: HashSet::new(),
            users: 0,
        }
    }

    /// How many users have a slot left: the next request takes that many, up to its limit.
    #[must_use]
    pub fn users(&self) -> usize {
        self.users
    }

    /// Whether no user has a slot left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users == 0
    }

    /// Puts a user in who has so many slots; one without any is left out.
    pub fn put(&mut self, user: T, slots: usize) {
        if slots > 0 {
            self.piles.entry(slots).or_default().push_back(user);
            self.users += 1;
        }
    }
}

impl<T: Clone + Eq + Hash> Deck<T> {
    /// Takes a user out, who has to be in the deck.
    pub fn remove(&mut self, user: T) {
        self.gone.insert(user);
        self.users -= 1;
        if self.gone.len() > self.users {
            for pile in self.piles.values_mut() {
                pile.retain(|user| !self.gone.contains(user));
            }
            self.piles.retain(|_, pile| !pile.is_empty());
            self.gone.clear();
        }
    }

    /// Deals one slot of each of at most so many users, of those who have the most left.
    pub fn deal(&mut self, most: usize) -> Vec<T> {
        let most = most.min(self.users);
        let mut dealt = Vec::with_capacity(most);
        let mut have_more = Vec::new();
        while dealt.len() < most {
            let Some(mut tallest) = self.piles.last_entry() else {
                break;
            };
            let left = tallest.key() - 1;
            let pile = tallest.get_mut();
            let take = pile.len().min(most - dealt.len());
            let from = dealt.len();
            let taken = pile.drain(..take);
            match self.gone.is_empty() {
                true => dealt.extend(taken),
                false => dealt.extend(taken.filter(|user| !self.gone.remove(user))),
            }
            if pile.is_empty() {
                tallest.remove();
            }
            if left > 0 {
                have_more.push((left, from..dealt.len()));
            }
        }
        self.users -= dealt.len();
        // only now, as a user stands at most once in a request
        for (left, users) in have_more {
            for user in &dealt[users] {
                self.put(user.clone(), left);
            }
        }
        dealt
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// Deals all, and counts the requests.
    fn requests(deck: &mut Deck<usize>, slots: &mut [usize]) -> u64 {
        let mut requests = 0;
        while !deck.is_empty() {
            let users = deck.deal(100);
            let distinct: HashSet<_> = users.iter().collect();
            assert!(!users.is_empty() && users.len() <= 100 && distinct.len() == users.len());
            users.iter().for_each(|user| slots[*user] -= 1);
            requests += 1;
        }
        requests
    }

    fn deck(slots: &[usize]) -> Deck<usize> {
        let mut deck = Deck::new();
        slots
            .iter()
            .enumerate()
            .for_each(|(user, slots)| deck.put(user, *slots));
        deck
    }

    #[test]
    fn who_has_the_most_left_comes_first_and_among_equals_who_came_first() {
        let mut deck = deck(&[1, 3, 1, 3]);
        assert_eq!(deck.deal(3), [1, 3, 0]);
        assert_eq!(deck.users(), 3);
        assert_eq!(deck.deal(2), [1, 3]);
        assert_eq!(deck.deal(100), [2, 1, 3]);
        assert!(deck.is_empty() && deck.deal(100).is_empty());
    }

    #[test]
    fn a_user_who_is_taken_out_is_dealt_no_more() {
        let mut deck = deck(&[2, 2, 1]);
        deck.remove(1);
        assert_eq!(deck.users(), 2);
        assert_eq!(deck.deal(100), [0, 2]);
        assert_eq!(deck.deal(100), [0]);
        assert!(deck.is_empty() && deck.deal(100).is_empty());
    }

    #[test]
    fn nothing_is_kept_of_users_who_come_and_go() {
        let mut deck = Deck::new();
        for user in 0..1_000 {
            deck.put(user, 1 + user % 3);
            deck.put(user + 1_000, 1);
            deck.remove(user);
        }
        assert_eq!(deck.users(), 1_000);
        (1_000..1_500).for_each(|user| deck.remove(user));
        assert_eq!(deck.deal(400), (1_500..1_900).collect::<Vec<_>>());
        assert_eq!(deck.deal(400), (1_900..2_000).collect::<Vec<_>>());
        assert!(deck.is_empty() && deck.piles.is_empty() && deck.gone.is_empty());
    }

    #[test]
    fn a_hundred_and_one_users_make_two_requests_and_a_hundred_one() {
        let of = |users: usize| requests(&mut deck(&vec![1; users]), &mut vec![1; users]);
        assert_eq!((of(99), of(100), of(101)), (1, 1, 2));
    }

    proptest! {
        #[test]
        fn all_slots_are_dealt_in_as_many_requests_as_the_lower_bound_says(
            mut slots in proptest::collection::vec(0usize..13, 0..700)
        ) {
            let all = slots.iter().sum::<usize>() as u64;
            let longest = slots.iter().max().copied().unwrap_or(0) as u64;
            let mut deck = deck(&slots);
            let bound = lower_bound(all, longest, &Limits::DOCUMENTED);
            prop_assert_eq!(requests(&mut deck, &mut slots), bound);
            prop_assert!(slots.iter().all(|left| *left == 0));
        }
    }
}
