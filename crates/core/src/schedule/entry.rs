//! A change that is in the schedule, from its push to its outcome.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{Failed, Source, Why};
use crate::{Change, Effect};

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
