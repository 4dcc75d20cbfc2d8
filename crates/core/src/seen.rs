//! Which texts a list has held so far. A handful is searched through; only a longer list pays for a map, so that
//! a list of any length is read in linear time.

use std::collections::HashMap;

const FEW: usize = 16;

/// The texts so far, each with the position where it stood first.
#[derive(Default)]
pub(crate) struct Seen<'a> {
    few: Vec<(&'a str, usize)>,
    many: HashMap<&'a str, usize>,
}

impl<'a> Seen<'a> {
    /// The position where `text` stood before, if it did; else notes it at `index`.
    pub(crate) fn before(&mut self, text: &'a str, index: usize) -> Option<usize> {
        let few = self.few.iter().find(|(seen, _)| *seen == text);
        let before = few
            .map(|(_, first)| *first)
            .or_else(|| self.many.get(text).copied());
        if before.is_none() {
            if self.few.len() < FEW {
                self.few.push((text, index));
            } else {
                self.many.insert(text, index);
            }
        }
        before
    }
}
