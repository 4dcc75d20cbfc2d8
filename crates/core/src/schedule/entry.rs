//! A change that is in the schedule, from its push to its outcome.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::flush::Epoch;
use super::{Failed, Number, Source, Why};
use crate::{Change, Effect};

/// All changes that are not settled.
pub(super) type Entries<R, E> = HashMap<Number, Entry<R, E>, BuildHasherDefault<ByNumber>>;

/// Spreads numbers that are given out one after the other: nobody can choose them to collide.
#[derive(Debug, Default)]
pub(super) struct ByNumber(u64);

impl Hasher for ByNumber {
    fn write(&mut self, bytes: &[u8]) {
        bytes
            .iter()
            .for_each(|byte| self.write_u64(self.0 ^ u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 by the golden ratio
        self.0 = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Debug)]
pub(super) struct Entry<R, E> {
    pub(super) source: Source,
    pub(super) reply: R,
    pub(super) change: Arc<Change>,
    /// Slots that have not been dealt.
    pub(super) left: usize,
    pub(super) under_way: usize,
    pub(super) deadline: Duration,
    pub(super) came: Duration,
    pub(super) epoch: Epoch,
    pub(super) failed: Option<Failed<E>>,
}

impl<R, E: Clone> Entry<R, E> {
    /// Whether nothing of it has been sent.
    pub(super) fn is_untouched(&self, tags_per_slot: usize) -> bool {
        self.left == slots(&self.change, tags_per_slot)
    }

    /// The tags that have not been dealt.
    pub(super) fn rest(&self, tags_per_slot: usize) -> Range<usize> {
        let dealt = slots(&self.change, tags_per_slot) - self.left;
        let tags = self.change.tags().len();
        (dealt * tags_per_slot).min(tags)..tags
    }

    /// Notes that some of its tags are not done.
    pub(super) fn note(&mut self, why: &Why<E>, effect: Effect, tags: Range<usize>) {
        let failed = self.failed.get_or_insert_with(|| Failed {
            why: why.clone(),
            effect,
            undone: Vec::new(),
        });
        failed.effect = failed.effect.max(effect);
        failed.undone.extend(tags);
    }
}

/// The slots that a change takes.
pub(super) fn slots(change: &Change, tags_per_slot: usize) -> usize {
    change.tags().len().div_ceil(tags_per_slot).max(1)
}
