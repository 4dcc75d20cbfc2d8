//! Things with keys that cannot be mistaken: a key names one thing for ever, and none once that is removed.

use std::ops::{Index, IndexMut};

/// A producer of changes: a bulk run or a batcher. [`Plan::open`](super::Plan::open) makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProducerId(pub(super) Key);

/// A change or a get in the plan. A later one has a greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChangeId(pub(super) Key);

/// An account in the plan.
pub(super) type AccountId = Key;

/// Names a thing in an [`Arena`]. A later thing has a greater key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    /// No other thing of the arena has it.
    number: u64,
    at: usize,
}

/// Things in places that are used again, each with the number of what is there.
#[derive(Debug)]
pub(super) struct Arena<T> {
    places: Vec<(u64, Option<T>)>,
    free: Vec<usize>,
    inserted: u64,
}

/// A count keeps each thing that a key is used for: a change has slots to be sent or in requests, an account has changes or
/// is remembered, and a producer is used from its opening to its closing.
const KEPT: &str = "a key is used while what it names is kept";

impl<T> Arena<T> {
    pub(super) fn new() -> Arena<T> {
        Arena {
            places: Vec::new(),
            free: Vec::new(),
            inserted: 0,
        }
    }

    pub(super) fn insert(&mut self, thing: T) -> Key {
        self.inserted += 1;
        let place = (self.inserted, Some(thing));
        let at = match self.free.pop() {
            Some(at) => {
                self.places[at] = place;
                at
            }
            None => {
                self.places.push(place);
                self.places.len() - 1
            }
        };
        Key {
            number: self.inserted,
            at,
        }
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        let (number, thing) = self.places.get(key.at)?;
        thing.as_ref().filter(|_| *number == key.number)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (number, thing) = self.places.get_mut(key.at)?;
        thing.as_mut().filter(|_| *number == key.number)
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        self.free.push(key.at);
        self.places[key.at].1.take()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        let places = self.places.iter().enumerate();
        places.filter_map(|(at, (number, thing))| {
            let number = *number;
            Some((Key { number, at }, thing.as_ref()?))
        })
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        let places = self.places.iter_mut().enumerate();
        places.filter_map(|(at, (number, thing))| {
            let number = *number;
            Some((Key { number, at }, thing.as_mut()?))
        })
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

impl<T> Index<Key> for Arena<T> {
    type Output = T;

    fn index(&self, key: Key) -> &T {
        self.get(key).expect(KEPT)
    }
}

impl<T> IndexMut<Key> for Arena<T> {
    fn index_mut(&mut self, key: Key) -> &mut T {
        self.get_mut(key).expect(KEPT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_one_thing_and_none_once_that_is_removed() {
        let mut arena = Arena::new();
        let [a, b] = ["a", "b"].map(|thing| arena.insert(thing));
        assert_eq!(arena.remove(a), Some("a"));
        let c = arena.insert("c");
        assert_eq!(arena.places.len(), 2);
        assert_eq!(
            [a, b, c].map(|key| arena.get(key).copied()),
            [None, Some("b"), Some("c")]
        );
        assert_eq!(arena.remove(a), None);
        assert!(a < b && b < c);
        assert_eq!(arena.iter().map(|it| *it.1).collect::<Vec<_>>(), ["c", "b"]);
    }
}
