//! The interner: holds each text once and gives it a number. It is for tags, of which a few stand in millions of rows, and
//! for the accounts of a partition. The caller bounds how many are held.

use std::str::Utf8Error;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use twox_hash::XxHash3_64;

/// The hash of an account or tag, the same on every machine and in every run: the partition of a row follows from it, and
/// so the position of its user.
#[inline]
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// Texts, numbered in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    text: String,
    ends: Vec<u32>,
    numbers: HashTable<u32>,
}

impl Interner {
    /// The number of a text; adds it if it is new. `None` for a new text if `most` are held.
    ///
    /// # Errors
    /// If it is new, and not UTF-8.
    #[inline]
    pub(crate) fn number(&mut self, name: &[u8], most: usize) -> Result<Option<u32>, Utf8Error> {
        let Interner {
            text,
            ends,
            numbers,
        } = self;
        let is_it = |number: &u32| at(text, ends, *number).as_bytes() == name;
        let again = |number: &u32| hash(at(text, ends, *number).as_bytes());
        Ok(match numbers.entry(hash(name), is_it, again) {
            Entry::Occupied(known) => Some(*known.get()),
            Entry::Vacant(_) if ends.len() >= most => None,
            Entry::Vacant(place) => {
                text.push_str(std::str::from_utf8(name)?);
                let number = as_number(ends.len());
                place.insert(number);
                ends.push(as_number(text.len()));
                Some(number)
            }
        })
    }

    pub(crate) fn get(&self, number: u32) -> &str {
        at(&self.text, &self.ends, number)
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len() + 10 * self.ends.len()
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.numbers.clear();
    }
}

#[inline]
fn at<'t>(text: &'t str, ends: &[u32], number: u32) -> &'t str {
    let number = number as usize;
    let start = number.checked_sub(1).map_or(0, |before| ends[before]);
    &text[start as usize..ends[number] as usize]
}

fn as_number(length: usize) -> u32 {
    u32::try_from(length).expect("what is grouped at once is far below four gigabytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_same_on_every_machine() {
        // the published XXH3 of no bytes, without a seed
        assert_eq!(hash(b""), 0x2d06_8005_38d3_94c2);
    }
}
