//! What a request is made of: slots of different accounts, each with the parts of changes that share it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{Number, Source};
use crate::{Change, Effect, Operation};

/// What goes into one request. It goes back to the schedule by [`settle`](super::Schedule::settle).
#[derive(Debug)]
#[must_use = "its accounts wait until it is settled"]
pub struct Batch {
    pub(super) source: Source,
    pub(super) operation: Operation,
    pub(super) slots: Vec<Slot>,
    /// How often its slots have been tried before.
    pub(super) tries: u32,
    /// The most that earlier tries may have done.
    pub(super) effect: Effect,
    /// Not to be sent before.
    pub(super) due: Duration,
    /// The latest of its changes' deadlines.
    pub(super) deadline: Duration,
}

/// An account of a request with its tags.
#[derive(Debug)]
pub struct Slot {
    /// The changes that share it, at least one, all of one account.
    pub(super) parts: Vec<Part>,
}

/// Tags of one change.
#[derive(Debug, Clone)]
pub struct Part {
    pub(super) number: Number,
    pub(super) change: Arc<Change>,
    /// Their positions in the change; empty for a clear.
    pub(super) tags: Range<usize>,
}

impl Batch {
    /// What it does.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// Its slots, at least one, each of another account.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// How often these slots have been tried before, in other requests.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// When the last of its changes is out of time.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Whether nobody but one change can be at fault in it.
    pub(super) fn stands_alone(&self) -> bool {
        matches!(self.slots.as_slice(), [slot] if slot.parts.len() == 1)
    }

    /// The same of other slots.
    pub(super) fn of(&self, slots: Vec<Slot>) -> Batch {
        Batch { slots, ..*self }
    }

    /// Splits it, by accounts or, where it has one, by the changes that share the slot.
    pub(super) fn halves(mut self) -> [Batch; 2] {
        let other = match self.slots.as_mut_slice() {
            [slot] => {
                let half = slot.parts.len().div_ceil(2);
                let parts = slot.parts.split_off(half);
                vec![Slot { parts }]
            }
            slots => {
                let half = slots.len().div_ceil(2);
                self.slots.split_off(half)
            }
        };
        let other = self.of(other);
        [self, other]
    }
}

impl Slot {
    /// The account.
    #[must_use]
    pub fn account(&self) -> &str {
        self.parts[0].change.account()
    }

    /// The tags; where changes that share the slot have one in common, it comes twice. None for a clear.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().flat_map(Part::tags)
    }
}

impl Part {
    pub(super) fn tags(&self) -> impl Iterator<Item = &str> {
        self.change.tags()[self.tags.clone()]
            .iter()
            .map(String::as_str)
    }
}
