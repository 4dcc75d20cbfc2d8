//! The texts of a list so far: whether the next one has come before, and where. Requests have up to a hundred accounts,
//! users up to ten tags, so this is asked a thousand times for a full request.
//!
//! The first [`FEW`] texts are in an open hash table that lies on the stack, whole, and is cleared by writing 256 bytes.
//! Its hash is quick and has no key, so texts can be crafted that all have the same one: then each is compared with at
//! most `FEW` others. Later texts are in a map whose hash has a key. So a list of any length costs time in proportion to
//! its bytes.

use std::collections::HashMap;

use arrayvec::ArrayVec;

/// At most half of the table.
const FEW: usize = 128;
const TABLE: usize = 256;

/// The texts of a list so far, each with its first position.
pub(crate) struct Seen<'a> {
    few: ArrayVec<First<'a>, FEW>,
    /// Each text's number in `few`, counted from 1, where its hash says, or after it where there was a free place.
    table: [u8; TABLE],
    many: Option<HashMap<&'a str, usize>>,
}

/// A text where it came first.
struct First<'a> {
    hash: u64,
    text: &'a str,
    index: usize,
}

impl Default for Seen<'_> {
    fn default() -> Self {
        Seen {
            few: ArrayVec::new_const(),
            table: [0; TABLE],
            many: None,
        }
    }
}

impl<'a> Seen<'a> {
    /// Forgets the texts, and keeps no memory of the many: to clear a map takes time in proportion to its capacity, and the
    /// lists to come may be far smaller than the largest so far.
    pub(crate) fn clear(&mut self) {
        if self.few.is_empty() {
            return;
        }
        self.few.clear();
        self.table = [0; TABLE];
        self.many = None;
    }

    /// The earlier position of `text`, if it has one; else notes this one.
    pub(crate) fn before(&mut self, text: &'a str, index: usize) -> Option<usize> {
        let hash = hash(text.as_bytes());
        let mut at = (hash >> 56) as usize;
        // half of the table is free
        while self.table[at] != 0 {
            let first = &self.few[usize::from(self.table[at]) - 1];
            if first.hash == hash && first.text == text {
                return Some(first.index);
            }
            at = (at + 1) % TABLE;
        }
        let first = First { hash, text, index };
        if self.few.try_push(first).is_err() {
            return self.before_among_many(text, index);
        }
        self.table[at] = self.few.len() as u8;
        None
    }

    fn before_among_many(&mut self, text: &'a str, index: usize) -> Option<usize> {
        let many = self.many.get_or_insert_default();
        let before = many.get(text).copied();
        if before.is_none() {
            many.insert(text, index);
        }
        before
    }
}

/// Of all bytes, eight at a time; the last eight may begin among those before. Its highest bits depend on all bytes, so the
/// table uses these.
fn hash(bytes: &[u8]) -> u64 {
    /// Odd, and without a pattern in its bits: the fraction of the golden ratio.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let add = |hash: u64, word: u64| (hash.rotate_left(29) ^ word).wrapping_mul(SPREAD);
    let length = bytes.len() as u64;
    let Some(last) = bytes.last_chunk() else {
        let word = bytes
            .iter()
            .fold(length, |word, byte| word << 8 | u64::from(*byte));
        return add(0, word);
    };
    let mut hash = length;
    let mut rest = &bytes[..bytes.len() - 1]; // without the end, so that the last eight are not read here
    while let Some((word, after)) = rest.split_first_chunk() {
        hash = add(hash, u64::from_le_bytes(*word));
        rest = after;
    }
    add(hash, u64::from_le_bytes(*last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where each text came before, by the plainest means there are.
    fn plain<'t>(texts: &[&'t str]) -> Vec<Option<usize>> {
        let mut firsts: Vec<(&'t str, usize)> = Vec::new();
        let texts = texts.iter().enumerate().map(|(index, text)| {
            let before = firsts.iter().find(|first| first.0 == *text);
            let before = before.map(|first| first.1);
            if before.is_none() {
                firsts.push((*text, index));
            }
            before
        });
        texts.collect()
    }

    fn seen<'t>(seen: &mut Seen<'t>, texts: &[&'t str]) -> Vec<Option<usize>> {
        let texts = texts.iter().enumerate();
        texts
            .map(|(index, text)| seen.before(text, index))
            .collect()
    }

    proptest! {
        #[test]
        fn a_text_is_found_where_it_came_first_in_lists_of_any_length(
            texts in prop_oneof![
                prop::collection::vec("[ab]{0,3}|[ab]{7,9}|a{15,26}[ab]{0,2}", 0..300),
                prop::collection::vec("[a-z]{0,40}", 100..400),
            ],
            repeated in 0_usize..400
        ) {
            let mut texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            texts.extend_from_within(..repeated.min(texts.len()));
            let mut used = Seen::default();
            prop_assert_eq!(seen(&mut used, &texts), plain(&texts));
            used.clear();
            prop_assert_eq!(seen(&mut used, &texts), plain(&texts));
        }
    }

    /// A list of one more than the few, after a long one, costs no more than without it.
    #[test]
    fn a_long_list_leaves_no_memory_to_clear() {
        let texts: Vec<String> = (0..10_000).map(|text| text.to_string()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut used = Seen::default();
        for (count, many) in [(10_000, 9_872), (129, 1), (128, 0), (1, 0), (129, 1)] {
            used.clear();
            assert!(used.many.is_none());
            assert_eq!(seen(&mut used, &texts[..count]), vec![None; count]);
            assert_eq!(used.many.as_ref().map_or(0, HashMap::len), many);
        }
    }

    /// Two words with a hash that is the same are crafted by hand: what the first word changes, the second undoes.
    #[test]
    fn texts_of_one_hash_are_told_apart() {
        let spread = |word: u64| word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let length = 16_u64.rotate_left(29);
        let words = (0..4_000_000_u64).filter_map(|first| {
            let first = first.wrapping_mul(0x0001_0001_0041_2347) & 0x7f7f_7f7f_7f7f_7f7f;
            let last = spread(length ^ first).rotate_left(29);
            let words = [first.to_le_bytes(), last.to_le_bytes()].concat();
            String::from_utf8(words).ok()
        });
        let crafted: Vec<String> = words.take(300).collect();
        let texts: Vec<&str> = crafted.iter().map(String::as_str).collect();
        let hashes = texts.iter().map(|text| hash(text.as_bytes()));
        assert!(texts.len() == 300 && hashes.into_iter().all(|it| it == 0));
        assert!(
            seen(&mut Seen::default(), &texts)
                .iter()
                .all(Option::is_none)
        );
        let twice = [texts.clone(), texts].concat();
        assert_eq!(
            seen(&mut Seen::default(), &twice)[300..],
            plain(&twice)[300..]
        );
    }
}
