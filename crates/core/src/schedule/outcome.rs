//! From an answered request to the outcomes of its changes: who is at fault, what goes again, what is given up.

use std::collections::HashMap;
use std::time::Duration;

use super::batch::{Batch, Slot};
use super::flow::KNOWN;
use super::{Concerns, Fault, LeftOut, Number, Schedule, Settled, Why};
use crate::{Effect, Operation};

pub(super) const UNDER_WAY: &str = "an account is known while a slot of it is under way";

/// Accounts at fault that a lane remembers. It saves requests; beyond it an account is found at fault again.
const REMEMBERED_AT_MOST: usize = 100_000;

impl<R, E: Clone> Schedule<R, E> {
    /// Settles what a request has done, and makes it again for those whom it left out, where that may help.
    pub(super) fn done(&mut self, mut batch: Batch, left_out: Vec<LeftOut<E>>, now: Duration) {
        let mut left_out: HashMap<String, LeftOut<E>> = left_out
            .into_iter()
            .map(|it| (it.account.clone(), it))
            .collect();
        let (source, operation) = (batch.source, batch.operation);
        let ended = self.of(source).ended;
        let mut again: Vec<Slot> = Vec::new();
        let mut due = now;
        for mut slot in std::mem::take(&mut batch.slots) {
            let named = match left_out.is_empty() {
                true => None,
                false => left_out.remove(slot.account()),
            };
            let Some(LeftOut {
                fault, again_at, ..
            }) = named
            else {
                self.has_changed(slot.account(), operation);
                self.close_slot(&slot, now);
                continue;
            };
            match again_at {
                Some(at) if !ended => {
                    slot.effect = slot.effect.max(fault.effect);
                    due = due.max(at);
                    again.push(slot);
                }
                // only one of those who share the slot may want the tags that are at fault
                None if fault.concerns == Concerns::Tags => {
                    self.fault(batch.with(vec![slot]), fault, now);
                }
                _ => self.blame(&slot, fault, operation, now),
            }
        }
        if !again.is_empty() {
            batch.tries += 1;
            batch.due = due;
            batch.slots = again;
            self.again(batch);
        }
    }

    /// Splits a request, or finds the one at fault.
    pub(super) fn fault(&mut self, batch: Batch, fault: Fault<E>, now: Duration) {
        let (source, operation) = (batch.source, batch.operation);
        if self.of(source).ended {
            let why = Why::Request(fault.why);
            for slot in &batch.slots {
                self.fail(slot, &why, fault.effect);
                self.close_slot(slot, now);
            }
            return;
        }
        if batch.stands_alone(fault.concerns) {
            self.blame(&batch.slots[0], fault, operation, now);
            return;
        }
        self.of(source).splits += 1;
        let template = batch.with(Vec::new());
        let mut slots = batch.slots;
        for slot in &mut slots {
            slot.effect = slot.effect.max(fault.effect);
        }
        let one_account = slots.len() == 1;
        let halves = Batch::halves(slots);
        if one_account {
            let queue = self.accounts.get_mut(halves[0][0].account());
            queue.expect(UNDER_WAY).under_way += 1;
        }
        for half in halves {
            self.again(Batch {
                due: now,
                ..template.with(half)
            });
        }
    }

    /// Puts a request in that is to be made again.
    fn again(&mut self, mut batch: Batch) {
        let parts = batch.slots.iter().flat_map(|slot| &slot.parts);
        let deadlines = parts.map(|part| self.changes[&part.number].deadline);
        batch.deadline = deadlines.max().unwrap_or(batch.deadline);
        batch.number = self.number();
        self.of(batch.source)
            .lane(batch.operation)
            .again
            .push_back(batch);
    }

    /// Settles a slot whose account is at fault.
    fn blame(&mut self, slot: &Slot, fault: Fault<E>, operation: Operation, now: Duration) {
        let why = Why::Request(fault.why.clone());
        let lasts = fault.concerns != Concerns::Tags;
        self.fail(slot, &why, fault.effect);
        let source = self.changes[&slot.parts[0].number].source;
        let of = self.of(source);
        if of.pace.remembers && lasts {
            let bad = &mut of.lane(operation).bad;
            if bad.len() < REMEMBERED_AT_MOST {
                bad.insert(slot.account().into(), fault);
            }
            for part in &slot.parts {
                self.give_up(part.number, &why);
            }
        }
        self.close_slot(slot, now);
    }

    /// An account was changed: whatever source could not change it by other operations may try again.
    fn has_changed(&mut self, account: &str, operation: Operation) {
        let sources = self.sources.values_mut();
        sources.for_each(|of| of.has_changed(account, operation));
    }

    /// Notes what went wrong with the tags of a slot, in this try or an earlier one.
    pub(super) fn fail(&mut self, slot: &Slot, why: &Why<E>, effect: Effect) {
        let effect = effect.max(slot.effect);
        for part in &slot.parts {
            let entry = self.changes.get_mut(&part.number).expect(KNOWN);
            entry.note(why, effect, part.tags.clone());
        }
    }

    /// Sends no more of a change: what is left of it has failed.
    pub(super) fn give_up(&mut self, number: Number, why: &Why<E>) {
        let tags_per_slot = self.tags_per_slot();
        let entry = self.changes.get_mut(&number).expect(KNOWN);
        if entry.left == 0 {
            return;
        }
        let rest = entry.rest(tags_per_slot);
        entry.note(why, Effect::NotApplied, rest);
        self.drop_unsent(number);
        self.settle_if_over(number);
    }

    /// Takes what has not been sent of a change out of queue and packer.
    pub(super) fn drop_unsent(&mut self, number: Number) {
        let entry = self.changes.get_mut(&number).expect(KNOWN);
        entry.left = 0;
        let of = self.sources.get_mut(&entry.source).expect(super::OPEN);
        of.unsent -= 1;
        let lane = of.lane(entry.change.operation());
        let queue = self.accounts.get_mut(entry.change.account()).expect(KNOWN);
        match queue.take(number) {
            true => lane.remove(number),
            false => lane.behind -= 1,
        }
    }

    pub(super) fn close_slot(&mut self, slot: &Slot, now: Duration) {
        for part in &slot.parts {
            self.changes.get_mut(&part.number).expect(KNOWN).under_way -= 1;
            self.settle_if_over(part.number);
        }
        let queue = self.accounts.get_mut(slot.account()).expect(UNDER_WAY);
        queue.under_way -= 1;
        self.activate(slot.account(), now);
    }

    fn settle_if_over(&mut self, number: Number) {
        let entry = &self.changes[&number];
        if entry.left > 0 || entry.under_way > 0 {
            return;
        }
        let mut entry = self.changes.remove(&number).expect(KNOWN);
        if let Some(failed) = &mut entry.failed {
            failed.undone.sort_unstable();
        }
        let of = self.of(entry.source);
        of.unsettled.remove(entry.epoch);
        of.settled.push_back(Settled {
            reply: entry.reply,
            change: entry.change,
            failed: entry.failed,
        });
        self.woken.insert(entry.source);
    }
}
