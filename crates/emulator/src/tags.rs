//! The distinct tags of the app. Each text is held once, and known by a number; users have numbers.
//!
//! A number is for others again once nobody carries its tag: so what a caller's made-up tags take comes back, except
//! the number's own 24 bytes. That is done by [`sweep`](Tags::sweep), at the end of a request: until then its numbers
//! mean what they meant at its start, also where a user lost the tag meanwhile.

use std::collections::HashMap;
#[cfg(test)]
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The number of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TagId(u32);

/// The tags, and how many users carry each.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    /// By their numbers. The text is empty where the number is free.
    tags: Vec<Tag>,
    ids: HashMap<Arc<str>, TagId>,
    free: Vec<TagId>,
    /// Tags that somebody carries.
    carried: usize,
    /// Tags that nobody carried at some moment since the last sweep.
    idle: Vec<TagId>,
}

#[derive(Debug)]
struct Tag {
    text: Arc<str>,
    carriers: usize,
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
            carriers: 0,
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

    /// How many users carry a tag.
    pub(crate) fn carriers(&self, id: TagId) -> usize {
        self.tags[id.0 as usize].carriers
    }

    /// How many tags somebody carries.
    pub(crate) fn carried(&self) -> usize {
        self.carried
    }

    pub(crate) fn add_carrier(&mut self, id: TagId) {
        let carriers = &mut self.tags[id.0 as usize].carriers;
        self.carried += usize::from(*carriers == 0);
        *carriers += 1;
    }

    pub(crate) fn drop_carrier(&mut self, id: TagId) {
        let carriers = &mut self.tags[id.0 as usize].carriers;
        *carriers -= 1;
        if *carriers == 0 {
            self.carried -= 1;
            self.idle.push(id);
        }
    }

    /// Forgets the tags that nobody carries. Their numbers are others' from now on.
    pub(crate) fn sweep(&mut self) {
        for id in self.idle.drain(..) {
            let tag = &mut self.tags[id.0 as usize];
            // One that was idle twice is free already the second time.
            if tag.carriers == 0 && self.ids.get(&tag.text) == Some(&id) {
                self.ids.remove(&tag.text);
                tag.text = Arc::default();
                self.free.push(id);
            }
        }
    }
}

#[cfg(test)]
impl Tags {
    /// Exactly these tags have a text, each with so many carriers; all other numbers are free, each once.
    pub(crate) fn assert_counts(&self, carriers: &BTreeMap<TagId, usize>) {
        let counted = self.ids.iter().map(|(text, id)| {
            let tag = &self.tags[id.0 as usize];
            assert_eq!(tag.text, *text);
            (*id, tag.carriers)
        });
        assert_eq!(counted.collect::<BTreeMap<_, _>>(), *carriers);
        assert_eq!((self.carried, self.idle.len()), (carriers.len(), 0));
        let free: BTreeSet<_> = self.free.iter().copied().collect();
        assert_eq!(free.len(), self.free.len());
        assert!(free.iter().all(|id| !carriers.contains_key(id)));
        assert_eq!(free.len() + carriers.len(), self.tags.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_number_until_nobody_carries_it() {
        let mut tags = Tags::default();
        let [x, y] = ["x", "y"].map(|text| tags.intern(text));
        assert_ne!(x, y);
        assert_eq!((tags.intern("x"), tags.find("z")), (x, None));
        assert_eq!((&**tags.text(x), &**tags.text(y)), ("x", "y"));
        tags.add_carrier(x);
        tags.sweep();
        assert_eq!((tags.find("x"), tags.find("y")), (Some(x), None));
        assert_eq!((tags.carried(), tags.carriers(x)), (1, 1));
        tags.drop_carrier(x);
        assert_eq!((tags.carried(), tags.find("x")), (0, Some(x)));
        tags.sweep();
        assert_eq!(tags.find("x"), None);
    }

    #[test]
    fn an_idle_tag_that_is_carried_again_before_the_sweep_stays() {
        let mut tags = Tags::default();
        let x = tags.intern("x");
        for _ in 0..3 {
            tags.add_carrier(x);
            tags.drop_carrier(x);
        }
        tags.add_carrier(x);
        tags.sweep();
        assert_eq!(tags.find("x"), Some(x));
    }

    #[test]
    fn numbers_and_memory_of_idle_tags_are_used_again() {
        let mut tags = Tags::default();
        let empty = tags.intern("");
        tags.add_carrier(empty);
        for round in 0..100 {
            for tag in 0..100 {
                let id = tags.intern(&format!("{round} {tag}"));
                tags.add_carrier(id);
                tags.drop_carrier(id);
                // Idle a second time before the sweep.
                tags.add_carrier(id);
                tags.drop_carrier(id);
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
