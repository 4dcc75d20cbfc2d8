//! The changes of one account, which are sent one after the other in the order in which they came, and what is known of
//! each change from its push to its outcome.
//!
//! Example: of `add a, add b, remove a` the two adds may share a slot, and the remove waits for their answer. If the answer
//! does not come, the remove also waits for the late window, as the add may arrive after it and undo it.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::ops::{Deref, Range};
use std::time::Duration;

use super::queue::Epoch;
use super::{ChangeFailure, ChangeId, FailureCause, ProducerId};
use crate::catalogue::Effect;
use crate::change::Change;
use crate::operation::ChangeOperation;

/// The name of an account, held by a change of it instead of a copy.
#[derive(Debug)]
pub(super) struct Name(pub(super) Change);

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.0.account()
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self
    }
}

// the hash of the text, as it is looked up by that
impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        str::hash(self, state);
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        **self == **other
    }
}

impl Eq for Name {}

/// The changes of one account that wait, and how many of its slots are in requests.
#[derive(Debug, Default)]
pub(super) struct AccountQueue {
    /// Changes with a slot that is in no request yet, the next one first.
    pub(super) waiting: VecDeque<ChangeId>,
    /// True if the first of them is in the packer of its operation's queue.
    pub(super) active: bool,
    /// Slots in requests.
    pub(super) under_way: usize,
    /// When the late window of an add is over; and that of a remove or clear.
    late_add: Duration,
    late_removal: Duration,
}

impl AccountQueue {
    /// Takes out a change that waits, at any position. Returns true if it was in the packer.
    pub(super) fn take(&mut self, id: ChangeId) -> bool {
        // sorted, as a later change has a greater id
        let Ok(at) = self.waiting.binary_search(&id) else {
            return false;
        };
        self.waiting.remove(at);
        let was_active = at == 0 && self.active;
        self.active &= !was_active;
        was_active
    }

    /// Notes that an attempt of this operation may arrive at the service until then.
    pub(super) fn may_arrive_late(&mut self, operation: ChangeOperation, until: Duration) {
        let late = match operation {
            ChangeOperation::Add => &mut self.late_add,
            ChangeOperation::Remove | ChangeOperation::Clear => &mut self.late_removal,
        };
        *late = until.max(*late);
    }

    /// From when on no late attempt can undo an operation. Adds do not undo adds, nor removals removals.
    pub(super) fn safe_from(&self, operation: ChangeOperation) -> Duration {
        match operation {
            ChangeOperation::Add => self.late_removal,
            ChangeOperation::Remove | ChangeOperation::Clear => self.late_add,
        }
    }

    /// Until when the account's late windows must be remembered.
    pub(super) fn remembered_until(&self) -> Duration {
        self.late_add.max(self.late_removal)
    }
}

/// All changes that are not settled.
pub(super) type Entries<R, E> = HashMap<ChangeId, Entry<R, E>, BuildHasherDefault<IdHasher>>;

/// Hashes ids fast: the plan counts them up, so no caller can choose ids that collide.
#[derive(Debug, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes
            .iter()
            .for_each(|byte| self.write_u64(self.0 ^ u64::from(*byte)));
    }

    fn write_u64(&mut self, id: u64) {
        // 2^64 by the golden ratio
        self.0 = id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A change without an outcome.
#[derive(Debug)]
pub(super) struct Entry<R, E> {
    pub(super) producer: ProducerId,
    pub(super) reply: R,
    pub(super) change: Change,
    /// Slots that are in no request yet.
    pub(super) left: usize,
    /// Slots in requests.
    pub(super) under_way: usize,
    pub(super) deadline: Duration,
    pub(super) came: Duration,
    /// None once its producer counts it no more.
    pub(super) epoch: Option<Epoch>,
    pub(super) failure: Option<ChangeFailure<E>>,
}

impl<R, E: Clone> Entry<R, E> {
    /// True if the two may share a slot, as their order makes no difference.
    pub(super) fn commutes_with(&self, other: &Self) -> bool {
        self.producer == other.producer && self.change.operation() == other.change.operation()
    }

    /// True if no slot of it has been in a request.
    pub(super) fn is_untouched(&self, tags_per_slot: usize) -> bool {
        self.left == slots(&self.change, tags_per_slot)
    }

    /// The tags that are in no request yet.
    pub(super) fn rest(&self, tags_per_slot: usize) -> Range<usize> {
        let taken = slots(&self.change, tags_per_slot) - self.left;
        let tags = self.change.tags().len();
        (taken * tags_per_slot).min(tags)..tags
    }

    /// Notes that some of its tags are not done.
    pub(super) fn note_failure(
        &mut self,
        cause: &FailureCause<E>,
        effect: Effect,
        tags: Range<usize>,
    ) {
        let failure = self.failure.get_or_insert_with(|| ChangeFailure {
            cause: cause.clone(),
            effect,
            undone: Vec::new(),
        });
        failure.effect = failure.effect.max(effect);
        failure.undone.extend(tags);
    }
}

/// The slots that a change takes.
pub(super) fn slots(change: &Change, tags_per_slot: usize) -> usize {
    change.tags().len().div_ceil(tags_per_slot).max(1)
}
