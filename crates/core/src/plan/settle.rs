//! From an answered request to the outcomes of its changes: which are done, which go again, which failed and why.

use std::collections::HashMap;
use std::time::Duration;

use super::accounts::Entry;
use super::batch::{Batch, Slot};
use super::{ChangeId, KNOWN, OPEN, Plan};
use crate::catalogue::{Effect, Scope};
use crate::change::Change;
use crate::operation::ChangeOperation;

const UNDER_WAY: &str = "an account is known while a slot of it is under way";

/// A change that has its outcome.
#[derive(Debug)]
pub struct Settled<R, E> {
    /// What the producer gave with the change.
    pub reply: R,
    /// The change.
    pub change: Change,
    /// What went wrong, if anything did.
    pub failure: Option<ChangeFailure<E>>,
}

/// Why a change is not done, or not in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeFailure<E> {
    /// Why; if several things went wrong, the first of them.
    pub cause: FailureCause<E>,
    /// What is known of the effect of the tags that are not done.
    pub effect: Effect,
    /// The tags that are not known to be done, by their positions in the change, in ascending order; none for a clear.
    pub undone: Vec<usize>,
}

/// Why a change is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureCause<E> {
    /// Its request failed or left its account out, or its producer [ended](Plan::end) before it was sent.
    Request(E),
    /// The account was rejected before, for this; nothing was sent.
    PreviouslyRejected(E),
    /// Its time was up before it was sent.
    Expired,
}

/// The result of a request.
#[derive(Debug)]
pub enum BatchResult<E> {
    /// It was done, with these accounts left out.
    Done {
        /// Each with what is wrong.
        left_out: Vec<LeftOut<E>>,
    },
    /// It failed, and the fault is of some account or tag in it: it is split, until that is alone.
    Ambiguous(Fault<E>),
    /// It failed as a whole, with what is known of its effect.
    Failed(E, Effect),
    /// It failed, with what is known of its effect, and is sent again as it is. Meant for a producer that is
    /// [paused](Plan::pause) in an outage: else it goes at once.
    Postponed(Effect),
}

/// An account that a request was not done for.
#[derive(Debug)]
pub struct LeftOut<E> {
    /// The account.
    pub account: String,
    /// What is wrong.
    pub fault: Fault<E>,
    /// When to try it again, if at all.
    pub again_at: Option<Duration>,
}

/// What is wrong with an account.
#[derive(Debug, Clone)]
pub struct Fault<E> {
    /// Why.
    pub cause: E,
    /// What is known of the effect.
    pub effect: Effect,
    /// What would be rejected again: every change of a faulty [account](Scope::Account), the same operation until another
    /// one has changed the account, or a [tag](Scope::Tag).
    pub scope: Scope,
}

/// Rejected accounts that a queue remembers. Beyond it an account is sent and rejected again, which costs a request.
const REMEMBERED_AT_MOST: usize = 100_000;

impl<R, E: Clone> Plan<R, E> {
    /// Settles a batch by the result of its request. `may_arrive_late`: the answer to an attempt is unknown, so that it may
    /// still have its effect.
    pub fn settle(
        &mut self,
        batch: Batch,
        result: BatchResult<E>,
        may_arrive_late: bool,
        now: Duration,
    ) {
        let producer = batch.producer;
        let state = self.state(producer);
        state.under_way -= 1;
        let until = if may_arrive_late {
            state.late_until(now)
        } else {
            state.predecessor_late_until
        };
        let queue = state.queue(batch.operation);
        if queue.awaiting_admission == Some(batch.id) {
            queue.awaiting_admission = None;
        }
        if until > now {
            for slot in &batch.slots {
                let account_queue = self.accounts.get_mut(slot.account());
                let account_queue = account_queue.expect(UNDER_WAY);
                account_queue.may_arrive_late(batch.operation, until);
            }
        }
        match result {
            BatchResult::Done { left_out } => self.done(batch, left_out, now),
            BatchResult::Ambiguous(fault) => self.split_or_reject(batch, fault, now),
            BatchResult::Failed(cause, effect) => {
                self.fail_slots(&batch.slots, &FailureCause::Request(cause), effect, now);
            }
            BatchResult::Postponed(effect) => self.postpone(batch, effect, now),
        }
        self.ready_producers.insert(producer);
    }

    /// Settles what a request has done, and sends the accounts that it left out again, where that may help.
    fn done(&mut self, mut batch: Batch, left_out: Vec<LeftOut<E>>, now: Duration) {
        let mut left_out: HashMap<String, LeftOut<E>> = left_out
            .into_iter()
            .map(|it| (it.account.clone(), it))
            .collect();
        let (producer, operation) = (batch.producer, batch.operation);
        let ended = self.state(producer).ended.is_some();
        let mut again: Vec<Slot> = Vec::new();
        let mut due = now;
        for mut slot in std::mem::take(&mut batch.slots) {
            let named = if left_out.is_empty() {
                None
            } else {
                left_out.remove(slot.account())
            };
            let Some(LeftOut {
                fault, again_at, ..
            }) = named
            else {
                self.note_changed(slot.account(), operation);
                self.close_slot(&slot, now);
                continue;
            };
            match again_at {
                Some(at) if !ended => {
                    slot.effect = slot.effect.max(fault.effect);
                    due = due.max(at);
                    again.push(slot);
                }
                // of the changes that share the slot only one may want the tag at fault
                None if fault.scope == Scope::Tag => {
                    self.split_or_reject(batch.with(vec![slot]), fault, now);
                }
                _ => self.reject(&slot, fault, operation, now),
            }
        }
        if !again.is_empty() {
            batch.tries += 1;
            batch.due = due;
            batch.slots = again;
            self.enqueue_retry(batch);
        }
    }

    /// Queues a request as it is. Where its producer has ended it fails.
    fn postpone(&mut self, mut batch: Batch, effect: Effect, now: Duration) {
        let state = self.state(batch.producer);
        if let Some(cause) = state.ended.clone() {
            let cause = FailureCause::Request(cause);
            return self.fail_slots(&batch.slots, &cause, effect, now);
        }
        // no result is known by it, so it is as if it had not begun
        if let Some(probing) = &mut state.probing {
            probing.begun = probing.begun.saturating_sub(1);
        }
        for slot in &mut batch.slots {
            slot.effect = slot.effect.max(effect);
        }
        batch.due = now;
        self.enqueue_retry(batch);
    }

    /// Splits a request, or rejects the slot at fault if it is alone.
    fn split_or_reject(&mut self, batch: Batch, fault: Fault<E>, now: Duration) {
        let (producer, operation) = (batch.producer, batch.operation);
        if self.state(producer).ended.is_some() {
            let cause = FailureCause::Request(fault.cause);
            return self.fail_slots(&batch.slots, &cause, fault.effect, now);
        }
        if batch.is_indivisible(fault.scope) {
            self.reject(&batch.slots[0], fault, operation, now);
            return;
        }
        self.state(producer).splits += 1;
        let template = batch.with(Vec::new());
        let mut slots = batch.slots;
        for slot in &mut slots {
            slot.effect = slot.effect.max(fault.effect);
        }
        let one_account = slots.len() == 1;
        let halves = Batch::halves(slots);
        if one_account {
            let account_queue = self.accounts.get_mut(halves[0][0].account());
            account_queue.expect(UNDER_WAY).under_way += 1;
        }
        for half in halves {
            self.enqueue_retry(Batch {
                due: now,
                ..template.with(half)
            });
        }
    }

    /// Queues a batch to be sent again.
    fn enqueue_retry(&mut self, mut batch: Batch) {
        let parts = batch.slots.iter().flat_map(|slot| &slot.parts);
        let deadlines = parts.map(|part| self.changes[&part.id].deadline);
        batch.deadline = deadlines.max().unwrap_or(batch.deadline);
        batch.id = self.new_id();
        self.state(batch.producer)
            .queue(batch.operation)
            .retry_queue
            .push_back(batch);
    }

    /// Settles a slot that is at fault.
    fn reject(&mut self, slot: &Slot, fault: Fault<E>, operation: ChangeOperation, now: Duration) {
        let cause = FailureCause::Request(fault.cause.clone());
        let lasts = fault.scope != Scope::Tag;
        self.note_failure(slot, &cause, fault.effect);
        let producer = self.changes[&slot.parts[0].id].producer;
        let state = self.state(producer);
        if state.policy.remember_rejected && lasts {
            let rejected = &mut state.queue(operation).rejected;
            if rejected.len() < REMEMBERED_AT_MOST {
                rejected.insert(slot.account().into(), fault);
            }
            for part in &slot.parts {
                self.fail_rest(part.id, &cause);
            }
        }
        self.close_slot(slot, now);
    }

    /// Notes that an account was changed: each producer may try the other operations on it again.
    fn note_changed(&mut self, account: &str, operation: ChangeOperation) {
        let producers = self.producers.values_mut();
        producers.for_each(|state| state.note_changed(account, operation));
    }

    /// Fails slots that were in a request.
    pub(super) fn fail_slots(
        &mut self,
        slots: &[Slot],
        cause: &FailureCause<E>,
        effect: Effect,
        now: Duration,
    ) {
        for slot in slots {
            self.note_failure(slot, cause, effect);
            self.close_slot(slot, now);
        }
    }

    /// Notes what went wrong with the tags of a slot, in this try or an earlier one.
    fn note_failure(&mut self, slot: &Slot, cause: &FailureCause<E>, effect: Effect) {
        let effect = effect.max(slot.effect);
        for part in &slot.parts {
            let entry = self.changes.get_mut(&part.id).expect(KNOWN);
            entry.note_failure(cause, effect, part.tags.clone());
        }
    }

    /// Fails what is in no request yet of a change.
    pub(super) fn fail_rest(&mut self, id: ChangeId, cause: &FailureCause<E>) {
        let tags_per_slot = self.tags_per_slot();
        let entry = self.changes.get_mut(&id).expect(KNOWN);
        if entry.left == 0 {
            return;
        }
        let rest = entry.rest(tags_per_slot);
        entry.note_failure(cause, Effect::NotApplied, rest);
        self.drop_unsent(id);
        self.settle_if_over(id);
    }

    /// Takes what is in no request yet of a change out of the account's queue and the packer.
    pub(super) fn drop_unsent(&mut self, id: ChangeId) {
        let entry = self.changes.get_mut(&id).expect(KNOWN);
        entry.left = 0;
        let state = self.producers.get_mut(&entry.producer).expect(OPEN);
        state.unsent -= 1;
        let queue = state.queue(entry.change.operation());
        let account_queue = self.accounts.get_mut(entry.change.account()).expect(KNOWN);
        if account_queue.take(id) {
            queue.remove(id);
        } else {
            queue.blocked -= 1;
        }
    }

    /// Settles the changes of a slot that have no other one, and activates the account's next change.
    fn close_slot(&mut self, slot: &Slot, now: Duration) {
        for part in &slot.parts {
            self.changes.get_mut(&part.id).expect(KNOWN).under_way -= 1;
            self.settle_if_over(part.id);
        }
        let account_queue = self.accounts.get_mut(slot.account()).expect(UNDER_WAY);
        account_queue.under_way -= 1;
        self.activate(slot.account(), now);
    }

    /// Counts a change as settled, whose outcome is of no interest any more: no flush waits for it. It keeps its place, and
    /// is settled later as others are.
    pub fn disown(&mut self, id: ChangeId) {
        if let Some(entry) = self.changes.get_mut(&id) {
            let (producer, epoch) = (entry.producer, entry.epoch.take());
            let unsettled = &mut self.state(producer).unsettled;
            epoch.into_iter().for_each(|epoch| unsettled.remove(epoch));
        }
    }

    /// Counts off a change that has its outcome, or was withdrawn.
    pub(super) fn count_off(&mut self, entry: &Entry<R, E>) {
        if let Some(epoch) = entry.epoch {
            self.state(entry.producer).unsettled.remove(epoch);
        }
    }

    fn settle_if_over(&mut self, id: ChangeId) {
        let entry = &self.changes[&id];
        if entry.left > 0 || entry.under_way > 0 {
            return;
        }
        let mut entry = self.changes.remove(&id).expect(KNOWN);
        if let Some(failure) = &mut entry.failure {
            failure.undone.sort_unstable();
        }
        self.count_off(&entry);
        let state = self.state(entry.producer);
        state.settled.push_back(Settled {
            reply: entry.reply,
            change: entry.change,
            failure: entry.failure,
        });
        self.ready_producers.insert(entry.producer);
    }
}
