//! The changes of one account, which are sent one after the other in the order in which they came; and what is remembered
//! of an account. `activate.rs` decides when the next one has its turn.
//!
//! Example: of `add a, add b, remove a` the two adds may share a slot, and the remove waits for their answer. If the answer
//! does not come, the remove also waits for the late window, as the add may arrive after it and undo it.

use std::collections::VecDeque;
use std::time::Duration;

use super::arena::{ChangeId, ProducerId};
use super::item::{ChangeFailure, Item};
use crate::catalogue::Scope;
use crate::request::Form;

/// Who an account's next change goes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// Those of which nothing is known; also all others, while no faults are found.
    Fresh,
    /// Those that passed lately, while faults are found.
    Proven,
    /// Those that failed a request lately.
    Suspects,
}

/// The changes of one account that wait, and what is remembered of it.
#[derive(Debug)]
pub(super) struct AccountState<E> {
    text: AccountText,
    /// That of its text, by the plan's key: it is made once, when an item is pushed.
    pub(super) hash: u64,
    /// The producer whose gets these are; none where they are changes.
    pub(super) reader: Option<ProducerId>,
    /// Changes with a slot that is in no request yet, the next one first.
    pub(super) waiting: Waiting,
    /// Where the first of them is, once its turn has come: in this packer of its form's queue.
    pub(super) active: Option<Group>,
    /// Slots that are in requests, or wait to be sent again.
    pub(super) under_way: usize,
    /// When the late window of what adds is over; and that of what removes. A replace does both.
    late_add: Duration,
    late_removal: Duration,
    /// It failed a request lately, and goes with its like until then.
    pub(super) suspect_until: Duration,
    /// What producers were rejected for here, and remember.
    pub(super) rejected: Vec<Rejected<E>>,
}

/// The text of an account.
#[derive(Debug)]
enum AccountText {
    /// That of one of its changes, or gets.
    Shared(Item),
    /// The text alone, as it may be remembered long after its changes. It stays so.
    Alone(Box<str>),
}

/// The changes of an account that wait, in the order in which they came. Most accounts have one at a time, which needs no
/// memory of its own.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// None where there is none.
    first: Option<ChangeId>,
    others: VecDeque<ChangeId>,
}

impl Waiting {
    pub(super) fn first(&self) -> Option<ChangeId> {
        self.first
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = ChangeId> {
        self.first.into_iter().chain(self.others.iter().copied())
    }

    pub(super) fn push_back(&mut self, id: ChangeId) {
        if self.first.is_none() {
            self.first = Some(id);
        } else {
            self.others.push_back(id);
        }
    }

    pub(super) fn pop_front(&mut self) {
        self.first = self.others.pop_front();
    }

    /// Removes a change, if it is there. Returns true if it was the first.
    fn remove(&mut self, id: ChangeId) -> bool {
        if self.first == Some(id) {
            self.pop_front();
            return true;
        }
        // sorted, as a later change has a greater id
        if let Ok(at) = self.others.binary_search(&id) {
            self.others.remove(at);
        }
        false
    }
}

/// What a producer does not send again for an account.
#[derive(Debug)]
pub(super) struct Rejected<E> {
    pub(super) producer: ProducerId,
    pub(super) form: Form,
    pub(super) failure: E,
}

impl<E> AccountState<E> {
    /// That of an item, which hashes so.
    pub(super) fn new(item: &Item, hash: u64, reader: Option<ProducerId>) -> AccountState<E> {
        AccountState {
            text: AccountText::Shared(item.clone()),
            hash,
            reader,
            waiting: Waiting::default(),
            active: None,
            under_way: 0,
            late_add: Duration::ZERO,
            late_removal: Duration::ZERO,
            suspect_until: Duration::ZERO,
            rejected: Vec::new(),
        }
    }

    pub(super) fn text(&self) -> &str {
        match &self.text {
            AccountText::Shared(item) => item.account(),
            AccountText::Alone(text) => text,
        }
    }

    /// Shares the text of an item of its own.
    pub(super) fn share_text(&mut self, item: &Item) {
        self.text = AccountText::Shared(item.clone());
    }

    /// Lets go of the item that its text is shared with.
    pub(super) fn keep_text_alone(&mut self) {
        if let AccountText::Shared(item) = &self.text {
            self.text = AccountText::Alone(item.account().into());
        }
    }

    /// Takes out a change that waits, at any position. Returns the packer that it was in, if it was in one.
    pub(super) fn take(&mut self, id: ChangeId) -> Option<Group> {
        let was_first = self.waiting.remove(id);
        self.active.take_if(|_| was_first)
    }

    /// Notes that an attempt of this form may arrive at the service until then.
    pub(super) fn may_arrive_late(&mut self, form: Form, until: Duration) {
        let [adds, removes] = adds_and_removes(form);
        if adds {
            self.late_add = until.max(self.late_add);
        }
        if removes {
            self.late_removal = until.max(self.late_removal);
        }
    }

    /// From when on no late attempt can undo what this form does. Adds do not undo adds, nor removals removals; a replace
    /// undoes all, and is undone by all.
    pub(super) fn safe_from(&self, form: Form) -> Duration {
        let [adds, removes] = adds_and_removes(form);
        let undo_add = if adds {
            self.late_removal
        } else {
            Duration::ZERO
        };
        let undo_removal = if removes {
            self.late_add
        } else {
            Duration::ZERO
        };
        undo_add.max(undo_removal)
    }

    /// Until when its late windows must be remembered.
    pub(super) fn late_until(&self) -> Duration {
        self.late_add.max(self.late_removal)
    }

    /// Why what is of this form would be rejected again.
    pub(super) fn rejection(&self, producer: ProducerId, form: Form) -> Option<&E>
    where
        E: ChangeFailure,
    {
        let own = self.rejected.iter().filter(|it| it.producer == producer);
        let same = own.clone().find(|it| it.form == form);
        let same = same.or_else(|| own.clone().find(|it| it.failure.scope() == Scope::Account));
        same.map(|it| &it.failure)
    }
}

/// Whether requests of this form add tags to a user, and whether they remove some.
fn adds_and_removes(form: Form) -> [bool; 2] {
    match form {
        Form::Add => [true, false],
        Form::Remove | Form::Clear => [false, true],
        Form::Replace => [true, true],
        Form::Get => [false, false],
    }
}

#[cfg(test)]
impl<E> AccountState<E> {
    pub(super) fn has_text_alone(&self) -> bool {
        matches!(self.text, AccountText::Alone(_))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::arena::Arena;
    use super::*;

    proptest! {
        #[test]
        fn what_waits_is_what_a_plain_list_holds(steps in prop::collection::vec(0..12_usize, 0..60)) {
            let (mut ids, mut waiting, mut plain) = (Arena::new(), Waiting::default(), Vec::new());
            let stranger = ChangeId(ids.insert(()));
            for step in steps {
                match step {
                    0..6 => {
                        let id = ChangeId(ids.insert(()));
                        waiting.push_back(id);
                        plain.push(id);
                    }
                    6 => {
                        waiting.pop_front();
                        plain.drain(..plain.len().min(1));
                    }
                    _ => {
                        let at = (step - 7) * plain.len() / 4;
                        let id = plain.get(at).copied().unwrap_or(stranger);
                        prop_assert_eq!(waiting.remove(id), at == 0 && !plain.is_empty());
                        plain.retain(|it| *it != id);
                    }
                }
                prop_assert_eq!(waiting.first(), plain.first().copied());
                prop_assert_eq!((waiting.len(), waiting.is_empty()), (plain.len(), plain.is_empty()));
                prop_assert!(waiting.iter().eq(plain.iter().copied()));
            }
        }
    }
}
