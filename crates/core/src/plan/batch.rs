//! What a request is made of, slots of different accounts with the changes that share each; and how it is split.

use std::ops::Range;
use std::time::Duration;

use super::arena::{AccountId, ChangeId, ProducerId};
use super::item::Item;
use crate::catalogue::{Effect, Scope};
use crate::change::Tags;
use crate::limits::Rules;
use crate::operation::Operation;
use crate::request::{Body, Form, Request};

/// What goes into one request. [`settle`](super::Plan::settle) takes it back.
#[derive(Debug)]
#[must_use = "its accounts wait until it is settled"]
pub struct Batch {
    pub(super) id: u64,
    pub(super) producer: ProducerId,
    pub(super) form: Form,
    /// At least one, each of another account.
    pub(super) slots: Vec<Slot>,
    /// How many of them, the last, are of proven accounts and fill up a request of fresh ones.
    pub(super) riders: usize,
    pub(super) kind: Kind,
    /// The other part of a request that failed. It holds the fault, if `slots` pass.
    pub(super) rest: Vec<Slot>,
    /// How often its slots have been left out before.
    pub(super) tries: u32,
    /// How often it has been postponed since the service answered it, and after which pause of its producer.
    pub(super) postponed: (u64, usize),
    /// Not to be sent before.
    pub(super) due: Duration,
    /// Since when the fault in it has been looked for.
    pub(super) since: Duration,
    /// The latest of its changes' deadlines.
    pub(super) deadline: Duration,
}

/// What a request is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Slots that are sent again, each as before.
    Retry,
    /// Of accounts of which nothing is known.
    Fresh,
    /// Of accounts that passed lately.
    Proven,
    /// A part of a request that failed.
    Search,
    /// Of accounts that failed a request lately.
    Suspects,
}

impl Kind {
    pub(super) const COUNT: usize = 5;
}

/// An account of a request with its tags.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) account: AccountId,
    /// The changes that share it, at least one, all of one account.
    pub(super) parts: Vec<Part>,
    /// The most that earlier tries may have done.
    pub(super) effect: Effect,
}

/// Tags of one change; or a get.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) id: ChangeId,
    pub(super) item: Item,
    /// Their positions in the change; empty for a clear and a get.
    pub(super) tags: Range<usize>,
}

/// What was recalled of a request until its turn.
#[derive(Debug, Default)]
pub struct Recalled {
    /// In ascending order.
    pub(super) changes: Vec<ChangeId>,
    pub(super) is_all: bool,
}

impl Recalled {
    /// True if nothing was recalled, so that the request goes as it is.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.changes.is_empty()
    }

    /// True if nothing is left to be sent.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.is_all
    }

    pub(super) fn has(&self, part: &Part) -> bool {
        self.changes.binary_search(&part.id).is_ok()
    }
}

impl Batch {
    /// Its request. It is not checked again, as its changes were when they were made.
    ///
    /// `rules`: those of the plan and of its changes.
    pub fn request(&self, rules: &Rules) -> impl Request + '_ {
        let users = self.slots.iter().map(|it| (it.account(), it.tags()));
        Body::from_checked(rules, self.form, users)
    }

    /// The same without what was recalled, of which something is left.
    pub fn request_without<'b>(
        &'b self,
        rules: &Rules,
        recalled: &Recalled,
    ) -> impl Request + use<'b> {
        let left = |slot: &&Slot| slot.parts.iter().any(|part| !recalled.has(part));
        let slots: Vec<&Slot> = self.slots.iter().filter(left).collect();
        let users = slots.into_iter().map(|slot| {
            let parts = slot.parts.iter().filter(|part| !recalled.has(part));
            let mut tags: Vec<&str> = Vec::new();
            for tag in parts.flat_map(Part::tags) {
                if !tags.contains(&tag) {
                    tags.push(tag);
                }
            }
            (slot.account(), tags.into_iter())
        });
        Body::from_checked(rules, self.form, users)
    }

    /// Its operation.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.form.operation()
    }

    /// How many users it is of.
    #[must_use]
    pub fn users(&self) -> usize {
        self.slots.len()
    }

    /// How often these slots have been sent before, in requests that left them out.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// The latest of its changes' deadlines.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// A batch of other slots that was not postponed, else the same.
    pub(super) fn with(&self, slots: Vec<Slot>, rest: Vec<Slot>) -> Batch {
        Batch {
            slots,
            rest,
            riders: 0,
            postponed: (0, 0),
            ..*self
        }
    }

    /// The other part of a request that failed, as a batch.
    pub(super) fn take_rest(&mut self) -> Option<Batch> {
        let rest = std::mem::take(&mut self.rest);
        (!rest.is_empty()).then(|| self.with(rest, Vec::new()))
    }

    /// Takes out those who fill it up, as a batch.
    pub(super) fn take_riders(&mut self) -> Option<Batch> {
        let riders = self.slots.split_off(self.slots.len() - self.riders);
        self.riders = 0;
        (!riders.is_empty()).then(|| self.with(riders, Vec::new()))
    }

    /// Notes what a try may have done.
    pub(super) fn note_effect(&mut self, effect: Effect) {
        for slot in &mut self.slots {
            slot.effect = slot.effect.max(effect);
        }
    }

    /// All that waits for its result.
    pub(super) fn len(&self) -> usize {
        self.slots.len() + self.rest.len()
    }

    /// True if no smaller request would show more exactly what is at fault. If it is the account, that is a single slot;
    /// else it is a single slot whose changes want the same tags.
    pub(super) fn is_indivisible(&self, scope: Scope) -> bool {
        match self.slots.as_slice() {
            [slot] => scope == Scope::Account || slot.has_equal_parts(),
            _ => false,
        }
    }

    /// Splits the slots into halves: by accounts or, if there is one, by the changes that share its slot.
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
    pub(super) fn account(&self) -> &str {
        self.parts[0].item.account()
    }

    /// The tags, each once. None for a clear and a get.
    pub(super) fn tags(&self) -> impl Iterator<Item = &str> {
        let shared = self.parts.len() > 1;
        let mut seen: Vec<&str> = Vec::new();
        let tags = self.parts.iter().flat_map(Part::tags);
        tags.filter(move |tag| {
            let new = !shared || !seen.contains(tag);
            if shared && new {
                seen.push(tag);
            }
            new
        })
    }

    /// True if all changes that share it want the same tags, so that the service cannot tell them apart.
    pub(super) fn has_equal_parts(&self) -> bool {
        let mut others = self.parts[1..].iter();
        others.all(|part| part.tags().eq(self.parts[0].tags()))
    }

    /// Splits off about half of the changes that share it. Changes that want the same tags stay together.
    fn split(&mut self) -> Slot {
        self.parts.sort_by(|a, b| a.tags().cmp(b.tags()));
        let bounds = 1..self.parts.len();
        let half = self.parts.len().div_ceil(2);
        let bound = bounds
            .filter(|at| self.parts[at - 1].tags().ne(self.parts[*at].tags()))
            .min_by_key(|at| at.abs_diff(half));
        // a slot that is split has unequal parts
        let bound = bound.unwrap_or(half);
        Slot {
            account: self.account,
            parts: self.parts.split_off(bound),
            effect: self.effect,
        }
    }
}

impl Part {
    pub(super) fn tags(&self) -> Tags<'_> {
        self.item.tags().within(self.tags.clone())
    }

    /// One of those.
    pub(super) fn tag(&self, at: usize) -> &str {
        self.item.tags().at(self.tags.start + at)
    }
}
