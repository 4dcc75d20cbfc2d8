//! The changes of one account: one after the other, in the order in which they came.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::Number;
use crate::{Change, Operation};

/// The name of an account, held by a change of it instead of a copy.
#[derive(Debug)]
pub(super) struct Name(pub(super) Arc<Change>);

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

// as of the text, which it is looked up by
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

/// What waits for one account, and what is under way.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Changes that have not been dealt in full, the next one first.
    pub(super) waiting: VecDeque<Number>,
    /// Whether the first of them is in the packer of its lane.
    pub(super) active: bool,
    /// Slots under way.
    pub(super) under_way: usize,
    /// Until when an add may still land that was given up; and the same of a remove or clear.
    late_add: Duration,
    late_removal: Duration,
}

impl Queue {
    /// Takes a change out that waits, wherever it stands; whether it was in the packer of its lane.
    pub(super) fn take(&mut self, number: Number) -> bool {
        // they stand in the order of their numbers, as they came
        let Ok(at) = self.waiting.binary_search(&number) else {
            return false;
        };
        self.waiting.remove(at);
        let was_active = at == 0 && self.active;
        if was_active {
            self.active = false;
        }
        was_active
    }

    /// An attempt of this operation was given up, and may land until then.
    pub(super) fn may_land(&mut self, operation: Operation, until: Duration) {
        let late = match operation {
            Operation::Add => &mut self.late_add,
            Operation::Remove | Operation::Clear | Operation::Get => &mut self.late_removal,
        };
        *late = until.max(*late);
    }

    /// From when on an operation cannot be undone by a late one. Adds do not undo adds, nor removals removals.
    pub(super) fn safe_from(&self, operation: Operation) -> Duration {
        match operation {
            Operation::Add => self.late_removal,
            Operation::Remove | Operation::Clear => self.late_add,
            Operation::Get => Duration::ZERO,
        }
    }

    /// Until when there is anything to remember of the account.
    pub(super) fn remembered_until(&self) -> Duration {
        self.late_add.max(self.late_removal)
    }
}
