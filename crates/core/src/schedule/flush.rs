//! The changes of a source that have no outcome, counted by epoch, so that a flush looks at counts and at no change.
//!
//! A flush ends the epoch: what came before it is of that epoch or an earlier one, what comes later is of a later one.
//!
//! ```text
//! changes   a b c │ d e │ f        the first flush waits for a b c, the second for a b c d e
//! epoch       0      1     2
//! ```

use std::collections::BTreeMap;

use super::{Schedule, Source};

/// A flush of a source: all changes that came before it.
#[derive(Debug, Clone, Copy)]
pub struct Flush(Epoch);

/// How many flushes came before.
pub(super) type Epoch = u64;

/// How many changes of a source have no outcome.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    epoch: Epoch,
    total: usize,
    /// Holds no zeros: as many epochs as have such changes.
    by_epoch: BTreeMap<Epoch, usize>,
}

impl Unsettled {
    /// Takes a change in, and says of which epoch it is.
    pub(super) fn add(&mut self) -> Epoch {
        self.total += 1;
        *self.by_epoch.entry(self.epoch).or_default() += 1;
        self.epoch
    }

    /// A change of this epoch has its outcome, or was taken back.
    pub(super) fn remove(&mut self, epoch: Epoch) {
        self.total -= 1;
        if let Some(count) = self.by_epoch.get_mut(&epoch) {
            *count -= 1;
            if *count == 0 {
                self.by_epoch.remove(&epoch);
            }
        }
    }

    pub(super) fn total(&self) -> usize {
        self.total
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.total == 0 && self.by_epoch.is_empty()
    }

    fn flush(&mut self) -> Flush {
        self.epoch += 1;
        Flush(self.epoch - 1)
    }

    fn is_over(&self, flush: Flush) -> bool {
        let oldest = self.by_epoch.first_key_value();
        oldest.is_none_or(|(epoch, _)| *epoch > flush.0)
    }

    fn left_of(&self, flush: Flush) -> usize {
        self.by_epoch
            .range(..=flush.0)
            .map(|(_, count)| count)
            .sum()
    }
}

impl<R, E: Clone> Schedule<R, E> {
    /// Begins a flush of a source: it is over once every change that came before it has its outcome. It hurries nothing.
    pub fn flush(&mut self, source: Source) -> Flush {
        self.of(source).unsettled.flush()
    }

    /// Whether every change that came before a flush has its outcome. Costs the same however many changes there are.
    #[must_use]
    pub fn is_flushed(&self, source: Source, flush: Flush) -> bool {
        let of = self.sources.get(&source);
        of.is_none_or(|of| of.unsettled.is_over(flush))
    }

    /// How many changes that came before a flush have no outcome yet.
    #[must_use]
    pub fn unsettled_before(&self, source: Source, flush: Flush) -> usize {
        let of = self.sources.get(&source);
        of.map_or(0, |of| of.unsettled.left_of(flush))
    }
}
