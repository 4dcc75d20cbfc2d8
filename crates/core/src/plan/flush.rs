//! Which changes a flush sends, and waits for.
//!
//! It is for the changes that came before it: they linger no more. They are counted by epoch, so that it looks at counts
//! and at no change. A flush ends the epoch: what came before it is of that epoch or an earlier one, what comes later of a
//! later one.
//!
//! ```text
//! changes   a b c │ d e │ f        the first flush waits for a b c, the second for a b c d e
//! epoch       0      1     2
//! ```

use std::collections::BTreeMap;

/// A flush of a producer: it is over when every change that came before it has its outcome.
#[derive(Debug, Clone, Copy)]
pub struct Flush(Epoch);

/// How many flushes came before.
pub(super) type Epoch = u64;

/// How many changes of a producer have no outcome.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    epoch: Epoch,
    total: usize,
    /// Holds no zeros: as many epochs as have such changes.
    by_epoch: BTreeMap<Epoch, usize>,
}

impl Unsettled {
    /// Counts a change, and returns its epoch.
    pub(super) fn add(&mut self) -> Epoch {
        self.total += 1;
        *self.by_epoch.entry(self.epoch).or_default() += 1;
        self.epoch
    }

    /// Counts a change off, by its epoch: it has its outcome, or was withdrawn.
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

    pub(super) fn flush(&mut self) -> Flush {
        self.epoch += 1;
        Flush(self.epoch - 1)
    }

    /// True if a change of that epoch came before a flush.
    pub(super) fn has_flushed(&self, epoch: Epoch) -> bool {
        epoch < self.epoch
    }

    pub(super) fn is_over(&self, flush: Flush) -> bool {
        let oldest = self.by_epoch.first_key_value();
        oldest.is_none_or(|(epoch, _)| *epoch > flush.0)
    }

    pub(super) fn left_of(&self, flush: Flush) -> usize {
        self.by_epoch
            .range(..=flush.0)
            .map(|(_, count)| count)
            .sum()
    }
}
