//! The distinct tags of the app. Each text is held once, and known by a number; users have numbers.
//!
//! A number may be reused once no user has its tag: so what a caller's made-up tags take comes back, except the number's
//! own 24 bytes, and 4 in the list of free ones. That is done by [`sweep`](Tags::sweep), at the end of a request: until
//! then its numbers mean what they meant at its start, also where a user lost the tag meanwhile.

use std::collections::HashMap;
#[cfg(test)]
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The number of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TagId(u32);

/// The tags, and how many users have each.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    /// By their numbers. The text is empty where the number is free.
    tags: Vec<Tag>,
    ids: HashMap<Arc<str>, TagId>,
    free: Vec<TagId>,
    /// Tags that some user has.
    in_use: usize,
    /// Tags that no user had at some moment since the last sweep.
    idle: Vec<TagId>,
}

#[derive(Debug)]
struct Tag {
    text: Arc<str>,
    users: usize,
}

impl Tags {
    /// The number of a tag, which gets one if it is new.
    pub(crate) fn intern(&mut self, text: &str) -> TagId {
        if let Some(id) = self.find(text) {
            return id;
        }
        let text: Arc<str> = text.into();
        let tag = Tag {
            text: Arc::clone(&text),
            users: 0,
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.tags[id.0 as usize] = tag;
                id
            }
            None => {
                let id = u32::try_from(self.tags.len()).expect("4 billion texts do not fit");
                self.tags.push(tag);
                TagId(id)
            }
        };
        self.ids.insert(text, id);
        self.idle.push(id);
        id
    }

    /// The number of a tag that is known.
    pub(crate) fn find(&self, text: &str) -> Option<TagId> {
        self.ids.get(text).copied()
    }

    pub(crate) fn text(&self, id: TagId) -> &Arc<str> {
        &self.tags[id.0 as usize].text
    }

    /// How many users have a tag.
    pub(crate) fn users(&self, id: TagId) -> usize {
        self.tags[id.0 as usize].users
    }

    /// How many tags some user has.
    pub(crate) fn in_use(&self) -> usize {
        self.in_use
    }

    /// Counts one user more that has a tag.
    pub(crate) fn retain(&mut self, id: TagId) {
        let users = &mut self.tags[id.0 as usize].users;
        self.in_use += usize::from(*users == 0);
        *users += 1;
    }

    /// Counts one less.
    pub(crate) fn release(&mut self, id: TagId) {
        let users = &mut self.tags[id.0 as usize].users;
        *users -= 1;
        if *users == 0 {
            self.in_use -= 1;
            self.idle.push(id);
        }
    }

    /// Forgets the tags that no user has. Their numbers may be reused.
    pub(crate) fn sweep(&mut self) {
        for id in self.idle.drain(..) {
            let tag = &mut self.tags[id.0 as usize];
            // One that was idle twice is free already the second time.
            if tag.users == 0 && self.ids.get(&tag.text) == Some(&id) {
                self.ids.remove(&tag.text);
                tag.text = Arc::default();
                self.free.push(id);
            }
        }
        // The others stay within twice what they need, as a list grows.
        if self.ids.len() < self.ids.capacity() / 4 {
            self.ids.shrink_to(2 * self.ids.len());
        }
    }
}

#[cfg(test)]
impl Tags {
    /// Exactly these tags have a text, each with so many users; all other numbers are free, each once.
    pub(crate) fn assert_counts(&self, users: &BTreeMap<TagId, usize>) {
        let counted = self.ids.iter().map(|(text, id)| {
            let tag = &self.tags[id.0 as usize];
            assert_eq!(tag.text, *text);
            (*id, tag.users)
        });
        assert_eq!(counted.collect::<BTreeMap<_, _>>(), *users);
        assert_eq!((self.in_use, self.idle.len()), (users.len(), 0));
        let free: BTreeSet<_> = self.free.iter().copied().collect();
        assert_eq!(free.len(), self.free.len());
        assert!(free.iter().all(|id| !users.contains_key(id)));
        assert_eq!(free.len() + users.len(), self.tags.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_of_texts_are_given_back() {
        let mut tags = Tags::default();
        let kept = tags.intern("kept");
        tags.retain(kept);
        for tag in 0..10_000 {
            tags.intern(&tag.to_string());
        }
        assert!(tags.ids.capacity() > 10_000);
        tags.sweep();
        assert_eq!(tags.ids.len(), 1);
        assert!(tags.ids.capacity() < 10, "{}", tags.ids.capacity());
        assert_eq!(tags.find("kept"), Some(kept));
    }

    #[test]
    fn numbers_and_memory_of_idle_tags_are_used_again() {
        let mut tags = Tags::default();
        let empty = tags.intern("");
        tags.retain(empty);
        for round in 0..100 {
            for tag in 0..100 {
                let id = tags.intern(&format!("{round} {tag}"));
                tags.retain(id);
                tags.release(id);
                // Idle a second time before the sweep.
                tags.retain(id);
                tags.release(id);
            }
            tags.sweep();
        }
        assert_eq!(
            (tags.tags.len(), tags.ids.len(), tags.free.len()),
            (101, 1, 100)
        );
        assert_eq!(tags.find(""), Some(empty));
    }
}
