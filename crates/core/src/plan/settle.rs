//! From an answered request to the outcomes of its changes: which are done, which go again, which failed and why. And what
//! has its outcome without a request: a producer has ended, or a caller waits no longer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Plan;
use super::accounts::{Group, Rejected};
use super::arena::{AccountId, ChangeId, ProducerId};
use super::batch::{Batch, Kind, Slot};
use super::item::{BatchResult, ChangeFailure, Settled};
use super::queue::FormQueue;
use crate::answer::AccountTags;
use crate::catalogue::{Effect, Scope};
use crate::operation::Operation;
use crate::request::Form;

/// Rejected accounts that a queue remembers. Beyond it an account is sent and rejected again, which costs a request.
const REMEMBERED_AT_MOST: usize = 100_000;

/// So many users that failed together are told apart by requests for both halves at once.
const FEW: usize = 4;

/// How long an account that failed a request goes with its like.
pub(super) const SUSPECT_FOR: Duration = Duration::from_secs(60);

/// Failures that are remembered for so long. Beyond it an account goes with the others, and they are split again.
const SUSPECTS_AT_MOST: usize = 10_000;

impl<R, E: ChangeFailure> Plan<R, E> {
    /// Settles a batch by the result of its request. `may_arrive_late`: the answer to an attempt is unknown, so that it may
    /// still have its effect.
    pub fn settle(
        &mut self,
        mut batch: Batch,
        result: BatchResult<E>,
        may_arrive_late: bool,
        now: Duration,
    ) {
        let producer = batch.producer;
        let users_per_request = self.users_per_request();
        self.drop_recalled(&mut batch, now);
        let state = &mut self.producers[producer.0];
        // what comes back may be late by now
        state.paused = state.paused.map(|_| Duration::ZERO);
        let until = if may_arrive_late {
            state.late_until(now)
        } else {
            state.predecessor_late_until
        };
        state.under_way(batch.operation()).settled(batch.id);
        self.ready_producers.insert(producer);
        if batch.slots.is_empty() {
            return; // all of it was recalled: nothing was sent before, so there is no other part of it
        }
        if until > now {
            for slot in &batch.slots {
                self.accounts[slot.account].may_arrive_late(batch.form, until);
            }
        }
        let passed = match &result {
            BatchResult::Done { .. } => Some(true),
            BatchResult::Ambiguous(_) => Some(false),
            BatchResult::Failed(_) | BatchResult::Postponed { .. } => None,
        };
        if let Some(passed) = passed {
            let queue = self.producers[producer.0].queue(batch.form);
            match batch.kind {
                Kind::Suspects => queue.note_suspects(passed, users_per_request),
                Kind::Fresh => queue.note_fresh(passed, batch.users() - batch.riders),
                Kind::Retry | Kind::Proven | Kind::Search => {}
            }
        }
        match result {
            BatchResult::Postponed { effect, again_at } => {
                self.postpone(batch, effect, again_at, now);
            }
            BatchResult::Done { left_out, read } => {
                let rest = batch.take_rest();
                self.done(batch, left_out, read, now);
                if let Some(rest) = rest {
                    self.search(rest, now);
                }
            }
            BatchResult::Ambiguous(failure) => {
                if let Some(rest) = batch.take_rest() {
                    self.give_back(rest, Group::Fresh, now);
                }
                if batch.riders == 0 {
                    self.split_or_reject(batch, &failure, true, now);
                } else {
                    self.split_off_riders(batch, &failure, now);
                }
            }
            BatchResult::Failed(failure) => {
                self.fail_slots(&batch.slots, &failure, now);
                if let Some(rest) = batch.take_rest() {
                    self.search(rest, now);
                }
            }
        }
    }

    /// Settles what a request has done, and sends the accounts that it left out again, where that may help.
    fn done(
        &mut self,
        mut batch: Batch,
        left_out: Vec<(String, E, Option<Duration>)>,
        read: Vec<AccountTags>,
        now: Duration,
    ) {
        let mut left_out: HashMap<String, (E, Option<Duration>)> = left_out
            .into_iter()
            .map(|(account, failure, again_at)| (account, (failure, again_at)))
            .collect();
        let mut read: HashMap<String, Vec<String>> =
            read.into_iter().map(|it| (it.account, it.tags)).collect();
        let form = batch.form;
        let state = &mut self.producers[batch.producer.0];
        let ended = state.ended.is_some();
        // who was set apart says nothing of the fresh ones
        if !matches!(batch.kind, Kind::Suspects | Kind::Proven) {
            state
                .queue(form)
                .note_settled(batch.slots.len() - batch.riders, 0);
        }
        // the accounts of a run that remembers rejections hardly come again
        let notes_proven = !state.policy.remember_rejected && state.queue(form).finds_faults();
        let mut again: Vec<Slot> = Vec::new();
        let mut due = now;
        for mut slot in std::mem::take(&mut batch.slots) {
            let named = if left_out.is_empty() {
                None
            } else {
                left_out.remove(slot.account())
            };
            let Some((failure, again_at)) = named else {
                if notes_proven {
                    self.proven.insert(self.accounts[slot.account].hash);
                }
                self.note_done(slot.account, form);
                if form == Form::Get {
                    self.note_read(&slot, read.remove(slot.account()));
                }
                self.close_slot(&slot, now);
                continue;
            };
            match again_at {
                Some(at) if !ended => {
                    slot.effect = slot.effect.max(failure.effect());
                    due = due.max(at);
                    again.push(slot);
                }
                // of the changes that share the slot only one may want the tag at fault
                None if failure.scope() == Scope::Tag => {
                    let alone = batch.with(vec![slot], Vec::new());
                    self.split_or_reject(alone, &failure, false, now);
                }
                _ => self.reject(&slot, &failure, form, now),
            }
        }
        if !again.is_empty() {
            batch.tries += 1;
            batch.postponed = (0, 0);
            batch.due = due;
            batch.slots = again;
            batch.kind = Kind::Retry;
            batch.riders = 0;
            self.enqueue_again(batch, now);
        }
    }

    /// Queues a request as it is.
    fn postpone(&mut self, mut batch: Batch, effect: Effect, again_at: Duration, now: Duration) {
        self.probe_again(&batch);
        let pauses = self.producers[batch.producer.0].pauses;
        batch.postponed = (pauses, self.postponed(&batch) + 1);
        batch.note_effect(effect);
        batch.due = again_at;
        batch.kind = Kind::Retry;
        self.enqueue_again(batch, now);
    }

    /// How often a request was [postponed](BatchResult::Postponed) since the service answered it, and since its producer
    /// last paused.
    #[must_use]
    pub fn postponed(&self, batch: &Batch) -> usize {
        let pauses = self.producers.get(batch.producer.0).map(|it| it.pauses);
        let (after, postponed) = batch.postponed;
        if pauses == Some(after) { postponed } else { 0 }
    }

    /// Splits a request, or rejects the slot at fault if it is alone. `failed_all`: the request failed as a whole.
    fn split_or_reject(&mut self, mut batch: Batch, failure: &E, failed_all: bool, now: Duration) {
        let state = &mut self.producers[batch.producer.0];
        if state.ended.is_some() {
            return self.fail_slots(&batch.slots, failure, now);
        }
        if !batch.is_indivisible(failure.scope()) {
            state.splits += 1;
            batch.note_effect(failure.effect());
            return self.search(batch, now);
        }
        let slot = &batch.slots[0];
        if failed_all {
            // those who were suspects before say nothing of the fresh ones
            if self.accounts[slot.account].suspect_until <= now {
                state.queue(batch.form).note_settled(1, 1);
            }
            self.suspect(slot.account, now);
        }
        self.reject(slot, failure, batch.form, now);
    }

    /// Goes on with a request that failed as if those who ride in it were not at fault. If one of them is, the others pass,
    /// and it fails again with its like.
    fn split_off_riders(&mut self, mut batch: Batch, failure: &E, now: Duration) {
        batch.note_effect(failure.effect());
        if let Some(riders) = batch.take_riders() {
            self.give_back(riders, Group::Proven, now);
        }
        self.producers[batch.producer.0].splits += 1;
        self.search(batch, now);
    }

    /// Goes on with a batch that holds a fault. Of many users one half is tested: if it fails, nothing is known of the other;
    /// if it passes, the other holds the fault. Of few both are, which is hardly more requests and fewer round trips. Who
    /// is alone is always tested before it is rejected, as the fault may have gone.
    fn search(&mut self, mut batch: Batch, now: Duration) {
        if batch.kind != Kind::Search {
            batch.since = now;
        }
        batch.kind = Kind::Search;
        // the others of its half may have expired meanwhile
        if batch.is_indivisible(Scope::Request) {
            return self.enqueue_again(batch, now);
        }
        let slots = std::mem::take(&mut batch.slots);
        let few = slots.len() <= FEW;
        let one_account = slots.len() == 1;
        let [half, rest] = Batch::halves(slots);
        if one_account {
            self.accounts[half[0].account].under_way += 1;
        }
        if few {
            self.enqueue_again(batch.with(half, Vec::new()), now);
            self.enqueue_again(batch.with(rest, Vec::new()), now);
        } else {
            self.enqueue_again(batch.with(half, rest), now);
        }
    }

    /// Goes on with the other part of a request that failed, of which nothing is known: it goes with this group again.
    fn give_back(&mut self, mut batch: Batch, group: Group, now: Duration) {
        batch.kind = Kind::Search;
        let state = &mut self.producers[batch.producer.0];
        let queue = state.queue(batch.form);
        let good = batch.tries == 0
            && (group == Group::Proven || queue.most_likely_good(batch.slots.len()));
        // a request has an account once, so an account with more in the packer stays away from it
        let mut slots = batch.slots.iter();
        let alone = slots.all(|slot| self.accounts[slot.account].active.is_none());
        if good && alone && state.ended.is_none() {
            state.held(batch.operation()).again += batch.slots.len();
            let queue = state.queue(batch.form);
            if let Some(its) = queue.lingering(group) {
                its.returned.extend(batch.slots);
            }
        } else {
            self.enqueue_again(batch, now);
        }
    }

    /// Queues a batch to be sent again; where its producer has ended it fails.
    fn enqueue_again(&mut self, mut batch: Batch, now: Duration) {
        batch.deadline = self.deadline(&batch.slots);
        let state = &mut self.producers[batch.producer.0];
        if let Some(failure) = state.ended.clone() {
            self.fail_slots(&batch.slots, &failure, now);
            return self.fail_slots(&batch.rest, &failure, now);
        }
        state.held(batch.operation()).again += batch.len();
        let queue = state.queue(batch.form);
        match batch.kind {
            Kind::Retry => queue.retry_queue.push_back(batch),
            _ => queue.insert_search(batch),
        }
    }

    /// Remembers for a while that an account failed a request.
    fn suspect(&mut self, account: AccountId, now: Duration) {
        self.proven.remove(self.accounts[account].hash);
        if self.suspects.len() < SUSPECTS_AT_MOST {
            let until = now + SUSPECT_FOR;
            self.accounts[account].suspect_until = until;
            self.suspects.push_back((until, account));
        }
    }

    /// Settles a slot that is at fault.
    fn reject(&mut self, slot: &Slot, failure: &E, form: Form, now: Duration) {
        let lasts = failure.scope() != Scope::Tag;
        self.note_failure(slot, failure);
        let producer = self.changes[slot.parts[0].id.0].producer;
        let state = &mut self.producers[producer.0];
        if state.policy.remember_rejected && lasts {
            let queue = state.queue(form);
            if queue.remembered < REMEMBERED_AT_MOST {
                queue.remembered += 1;
                let rejected = Rejected {
                    producer,
                    form,
                    failure: failure.clone(),
                };
                self.accounts[slot.account].rejected.push(rejected);
            }
            for part in &slot.parts {
                self.fail_rest(part.id, failure);
            }
        }
        self.close_slot(slot, now);
    }

    /// Notes what was done: its account is no suspect, and producers may try on it again what is of another form.
    fn note_done(&mut self, account: AccountId, form: Form) {
        let account = &mut self.accounts[account];
        account.suspect_until = Duration::ZERO;
        account.rejected.retain(|it| {
            let stays = it.form == form;
            if !stays {
                self.producers[it.producer.0].queue(it.form).remembered -= 1;
            }
            stays
        });
    }

    /// Notes what was read for each of the gets that share a slot.
    fn note_read(&mut self, slot: &Slot, read: Option<Vec<String>>) {
        let read = read.map(Arc::new);
        for part in &slot.parts {
            self.changes[part.id.0].read.clone_from(&read);
        }
    }

    /// Fails slots that were in a request.
    pub(super) fn fail_slots(&mut self, slots: &[Slot], failure: &E, now: Duration) {
        for slot in slots {
            self.note_failure(slot, failure);
            self.close_slot(slot, now);
        }
    }

    /// Notes what went wrong with the tags of a slot, in this try or an earlier one.
    pub(super) fn note_failure(&mut self, slot: &Slot, failure: &E) {
        let effect = failure.effect().max(slot.effect);
        for part in &slot.parts {
            self.changes[part.id.0].note_failure(failure, effect, part.tags.clone());
        }
    }

    /// Fails what is in no request yet of a change.
    pub(super) fn fail_rest(&mut self, id: ChangeId, failure: &E) {
        let tags_per_slot = self.tags_per_slot();
        let entry = &mut self.changes[id.0];
        if entry.left == 0 {
            return;
        }
        let rest = entry.rest(tags_per_slot);
        entry.note_failure(failure, Effect::NotApplied, rest);
        self.drop_unsent(id);
        self.settle_if_over(id);
    }

    /// Takes what is in no request yet of a change out of the account's queue and the packer.
    pub(super) fn drop_unsent(&mut self, id: ChangeId) {
        let entry = &mut self.changes[id.0];
        entry.left = 0;
        let state = &mut self.producers[entry.producer.0];
        state.all_sent(entry.item.operation(), entry.counts);
        let queue = state.queue(entry.item.form());
        match self.accounts[entry.account].take(id) {
            Some(group) => queue.remove(group, id),
            None => queue.blocked -= 1,
        }
    }

    /// Settles the changes of a slot that have no other one, and activates the account's next change.
    pub(super) fn close_slot(&mut self, slot: &Slot, now: Duration) {
        // before its changes are settled: the last of them leave the account to be forgotten
        self.accounts[slot.account].under_way -= 1;
        self.close_parts(slot);
        self.activate(slot.account, now);
    }

    pub(super) fn close_parts(&mut self, slot: &Slot) {
        for part in &slot.parts {
            self.changes[part.id.0].under_way -= 1;
            self.settle_if_over(part.id);
        }
    }

    /// Ends a producer: what is in no request fails for this cause, and what is pushed later too.
    pub fn end(&mut self, producer: ProducerId, cause: E, now: Duration) {
        self.producers[producer.0].ended = Some(cause.clone());
        self.fail_unsent(producer, cause, now);
    }

    /// Fails all changes of a producer that are in no request, also those that are to be sent again.
    pub fn fail_unsent(&mut self, producer: ProducerId, cause: E, now: Duration) {
        let state = &mut self.producers[producer.0];
        for held in &mut state.held {
            held.again = 0;
        }
        let queues = state.queues.iter_mut();
        let again: Vec<Slot> = queues.flat_map(FormQueue::take_again).collect();
        let unsent = self.changes.iter();
        let unsent = unsent.filter(|(_, entry)| entry.producer == producer && entry.left > 0);
        let unsent = unsent.map(|(id, entry)| (ChangeId(id), entry.account));
        let mut unsent: Vec<(ChangeId, AccountId)> = unsent.collect();
        unsent.sort_unstable();
        for (id, _) in &unsent {
            self.fail_rest(*id, &cause);
        }
        self.fail_slots(&again, &cause, now);
        for (_, account) in unsent {
            self.activate(account, now);
        }
        self.ready_producers.insert(producer);
    }

    /// Counts a change as settled, whose outcome is of no interest any more: no flush waits for it. It keeps its place, and
    /// is settled later as others are. A get has no effect that must be settled, so it is not sent again.
    pub fn disown(&mut self, id: ChangeId) {
        self.count_off(id);
        let entry = self.changes.get_mut(id.0);
        if let Some(entry) = entry.filter(|it| it.item.operation() == Operation::Get) {
            entry.deadline = Duration::ZERO;
            let state = &mut self.producers[entry.producer.0];
            state.paused = state.paused.map(|_| Duration::ZERO);
        }
    }

    /// Counts a change as settled, once.
    pub(super) fn count_off(&mut self, id: ChangeId) {
        if let Some(entry) = self.changes.get_mut(id.0) {
            self.ready_producers.insert(entry.producer);
            if let Some(epoch) = entry.epoch.take() {
                self.producers[entry.producer.0].unsettled.remove(epoch);
            }
        }
    }

    fn settle_if_over(&mut self, id: ChangeId) {
        let entry = &self.changes[id.0];
        if entry.left > 0 || entry.under_way > 0 {
            return;
        }
        self.count_off(id);
        let Some(mut entry) = self.remove(id) else {
            return;
        };
        let state = &mut self.producers[entry.producer.0];
        if entry.recalled {
            state.recalled -= 1;
            return;
        }
        entry.undone.sort_unstable();
        state.settled.push_back(Settled {
            reply: entry.reply,
            item: entry.item,
            failure: entry.failure,
            undone: entry.undone,
            read: entry.read,
        });
    }
}
