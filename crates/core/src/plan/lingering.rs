//! Changes whose turn it is, and that wait for others to share their request: which of them do, and for how long.

use std::collections::VecDeque;
use std::time::Duration;

use super::arena::ChangeId;
use super::batch::Slot;
use super::packer::SlotPacker;

/// Changes that go in requests with one another.
#[derive(Debug)]
pub(super) struct Lingering {
    packer: SlotPacker<ChangeId>,
    /// Slots that came back from a split untested.
    pub(super) returned: VecDeque<Slot>,
    /// Since when the oldest has been here. After a full request the linger time of the users left begins anew, as others
    /// are coming in fast.
    since: Option<Duration>,
    /// True if a user has as many tags as a slot takes, so that a wait would add none.
    pub(super) full_slot: bool,
    /// True if one came before a flush: then none waits for the linger time.
    pub(super) flushed: bool,
}

/// When a queue has enough for a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Enough {
    pub(super) users_per_request: usize,
    pub(super) linger: Duration,
    pub(super) flushing: bool,
    /// What is blocked is not waited for, as nothing under way would unblock it.
    pub(super) quiet: bool,
}

impl Lingering {
    pub(super) fn new() -> Lingering {
        Lingering {
            packer: SlotPacker::new(),
            returned: VecDeque::new(),
            since: None,
            full_slot: false,
            flushed: false,
        }
    }

    pub(super) fn users(&self) -> usize {
        self.packer.users() + self.returned.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.users() == 0
    }

    /// True if they wait for no others. `blocked`: how many changes wait for an earlier one of their account.
    pub(super) fn is_enough(&self, enough: &Enough, blocked: usize, now: Duration) -> bool {
        // at the end of the input a blocked change may still come and share the request; with nothing under way nothing would
        // unblock it. A caller that waits for a flush waits for no other request.
        let at_the_end = enough.flushing && (blocked == 0 || enough.quiet);
        let alone = !self.packer.is_empty() && (self.flushed || at_the_end);
        let lingered = self.until(enough.linger).is_some_and(|it| it <= now);
        // what came back has lingered before
        let came_back = !self.returned.is_empty();
        self.full_slot || came_back || alone || lingered
    }

    /// When the oldest has lingered.
    pub(super) fn until(&self, linger: Duration) -> Option<Duration> {
        let until = self.since.map(|since| since.saturating_add(linger));
        until.filter(|until| *until < Duration::MAX)
    }

    /// Adds a change with so many slots.
    pub(super) fn insert(&mut self, id: ChangeId, slots: usize, came: Duration) {
        self.packer.insert(id, slots);
        self.since = Some(self.since.map_or(came, |since| since.min(came)));
    }

    /// Takes one slot each of at most so many users, for a request that has these slots: slots that came back, and the next
    /// changes.
    pub(super) fn take(
        &mut self,
        limit: usize,
        beside: &[Slot],
        now: Duration,
    ) -> (Vec<Slot>, Vec<ChangeId>) {
        self.full_slot = false;
        let mut slots: Vec<Slot> = Vec::new();
        for _ in 0..self.returned.len().min(limit) {
            let Some(slot) = self.returned.pop_front() else {
                break;
            };
            // two slots of an account may have come back, and a request has an account once
            let mut others = slots.iter().chain(beside);
            if others.any(|it| it.account == slot.account) {
                self.returned.push_back(slot);
            } else {
                slots.push(slot);
            }
        }
        let taken = self.packer.take_batch(limit - slots.len());
        if self.packer.is_empty() {
            self.since = None;
            self.flushed = false;
        } else if slots.len() + taken.len() >= limit {
            self.since = Some(now);
        }
        (slots, taken)
    }

    /// Removes a change.
    pub(super) fn remove(&mut self, id: ChangeId) {
        self.packer.remove(id);
        if self.packer.is_empty() {
            self.since = None;
            self.full_slot = false;
            self.flushed = false;
        }
    }
}
