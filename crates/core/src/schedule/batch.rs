//! What a request is made of: slots of different accounts, each with the parts of changes that share it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{Concerns, Number, Source};
use crate::{Change, Effect, Operation};

/// What goes into one request. It goes back to the schedule by [`settle`](super::Schedule::settle).
#[derive(Debug)]
#[must_use = "its accounts wait until it is settled"]
pub struct Batch {
    pub(super) number: u64,
    pub(super) source: Source,
    pub(super) operation: Operation,
    pub(super) slots: Vec<Slot>,
    /// How often its slots have been tried before.
    pub(super) tries: u32,
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
    /// The most that earlier tries may have done.
    pub(super) effect: Effect,
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

    /// How often these slots have been tried before, in other requests, because they were left out there.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// When the last of its changes is out of time.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// The same of other slots.
    pub(super) fn with(&self, slots: Vec<Slot>) -> Batch {
        Batch { slots, ..*self }
    }

    /// Whether no smaller request would tell more of who is at fault. Where the account is, all that share its slot
    /// are alike; else those who want the same tags.
    pub(super) fn stands_alone(&self, concerns: Concerns) -> bool {
        match self.slots.as_slice() {
            [slot] => concerns == Concerns::Account || slot.is_of_one_kind(),
            _ => false,
        }
    }

    /// The slots in two halves, by accounts or, where there is one, by the changes that share its slot.
    pub(super) fn halves(mut slots: Vec<Slot>) -> [Vec<Slot>; 2] {
        let other = match slots.as_mut_slice() {
            [slot] => vec![slot.split()],
            all => {
                let half = all.len().div_ceil(2);
                slots.split_off(half)
            }
        };
        [slots, other]
    }
}

impl Slot {
    /// The account.
    #[must_use]
    pub fn account(&self) -> &str {
        self.parts[0].change.account()
    }

    /// The tags, each once. None for a clear.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        let shared = self.parts.len() > 1;
        let mut seen: Vec<&str> = Vec::new();
        let tags = self.parts.iter().flat_map(Part::tags);
        tags.map(String::as_str).filter(move |tag| {
            let new = !shared || !seen.contains(tag);
            if shared && new {
                seen.push(tag);
            }
            new
        })
    }

    /// Whether all that share it want the same tags: the service could not tell them apart.
    pub(super) fn is_of_one_kind(&self) -> bool {
        let mut others = self.parts[1..].iter();
        others.all(|part| part.tags() == self.parts[0].tags())
    }

    /// Splits off about half of those who share it, but not between two who want the same tags.
    fn split(&mut self) -> Slot {
        self.parts.sort_by(|a, b| a.tags().cmp(b.tags()));
        let bounds = 1..self.parts.len();
        let half = self.parts.len().div_ceil(2);
        let bound = bounds
            .filter(|at| self.parts[at - 1].tags() != self.parts[*at].tags())
            .min_by_key(|at| at.abs_diff(half));
        let bound = bound.expect("who is split is not of one kind");
        Slot {
            parts: self.parts.split_off(bound),
            effect: self.effect,
        }
    }
}

impl Part {
    pub(super) fn tags(&self) -> &[String] {
        &self.change.tags()[self.tags.clone()]
    }
}
