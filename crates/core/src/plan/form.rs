//! From a queue to a request: what goes again, what is new, how it fills its slots, and what is too late for it.
//!
//! While a producer sends, each change is looked at when its turn comes, also that of one that goes again; while it is paused
//! no turn comes, so all are looked at when the first is late.

use std::mem;
use std::time::Duration;

use super::Plan;
use super::arena::{AccountId, ChangeId, ProducerId};
use super::batch::{Batch, Kind, Part, Slot};
use super::item::{ChangeFailure, Entry};
use crate::catalogue::Effect;
use crate::request::Form;

impl<R, E: ChangeFailure> Plan<R, E> {
    /// Takes what goes again, or forms a batch of a queue's next users; `None` if all of their changes have expired.
    pub(super) fn form_batch(
        &mut self,
        producer: ProducerId,
        form: Form,
        kind: Kind,
        now: Duration,
    ) -> Option<Batch> {
        let users_per_request = self.users_per_request();
        let state = &mut self.producers[producer.0];
        let queue = state.queue(form);
        if let Some(batch) = queue.take_formed(kind, now) {
            let batch = self.expire_batch(batch, now)?;
            let held = self.producers[producer.0].held(form.operation());
            held.again -= batch.len();
            return Some(batch);
        }
        let [users, riders] = queue.take_users(kind, users_per_request, now);
        let mut slots = self.form_slots(producer, form, users, now);
        let fresh = slots.len();
        slots.extend(self.form_slots(producer, form, riders, now));
        (!slots.is_empty()).then(|| Batch {
            id: 0,
            producer,
            form,
            deadline: self.deadline(&slots),
            riders: if fresh > 0 { slots.len() - fresh } else { 0 },
            slots,
            kind,
            rest: Vec::new(),
            tries: 0,
            postponed: (0, 0),
            due: now,
            since: now,
        })
    }

    /// The slots of users who were taken from a queue and have time left.
    fn form_slots(
        &mut self,
        producer: ProducerId,
        form: Form,
        (returned, taken): (Vec<Slot>, Vec<ChangeId>),
        now: Duration,
    ) -> Vec<Slot> {
        let mut slots = self.expire_slots(producer, returned, now);
        self.producers[producer.0].held(form.operation()).again -= slots.len();
        for id in taken {
            if !self.expires(id, now) {
                let slot = self.next_slot(id, now);
                slots.push(slot);
            }
        }
        slots
    }

    /// The latest of the deadlines of what is in these slots.
    pub(super) fn deadline(&self, slots: &[Slot]) -> Duration {
        let parts = slots.iter().flat_map(|slot| &slot.parts);
        let deadlines = parts.map(|part| self.changes[part.id.0].deadline);
        deadlines.max().unwrap_or_default()
    }

    /// Fails a change that was taken from the packer if it has expired, unless a part of it has been sent.
    fn expires(&mut self, id: ChangeId, now: Duration) -> bool {
        let entry = &self.changes[id.0];
        if entry.deadline > now || !entry.is_untouched(self.tags_per_slot()) {
            return false;
        }
        let account = entry.account;
        if entry.left == 1 {
            // its last slot was taken, so it is not in the packer any more
            self.accounts[account].active = None;
            let form = entry.item.form();
            self.producers[entry.producer.0].queue(form).blocked += 1;
        }
        self.fail_rest(id, &E::expired());
        self.activate(account, now);
        true
    }

    /// The next slot of a change, with the account's next changes that may share it and fit.
    fn next_slot(&mut self, id: ChangeId, now: Duration) -> Slot {
        let most = self.tags_per_slot();
        let entry = &mut self.changes[id.0];
        let account = &mut self.accounts[entry.account];
        let state = &mut self.producers[entry.producer.0];
        let rest = entry.rest(most);
        entry.left -= 1;
        entry.under_way += 1;
        account.under_way += 1;
        let mut slot = Slot {
            account: entry.account,
            parts: vec![Part {
                id,
                item: entry.item.clone(),
                tags: rest.start..rest.end.min(rest.start + entry.tags_per_slot(most)),
            }],
            effect: Effect::NotApplied,
        };
        if entry.left > 0 {
            let at_once = rest.len() >= 2 * most && state.policy.full_slot_is_enough;
            let queue = state.queue(entry.item.form());
            if let Some(its) = account.active.and_then(|group| queue.lingering(group)) {
                its.full_slot |= at_once;
            }
            return slot;
        }
        state.all_sent(entry.item.operation(), entry.counts);
        account.waiting.pop_front();
        account.active = None;
        if !account.waiting.is_empty() {
            self.share_slot(&mut slot, now);
        }
        slot
    }

    /// Adds the account's next changes to a slot, while they commute with what is in it and fit.
    fn share_slot(&mut self, slot: &mut Slot, now: Duration) {
        let most = self.tags_per_slot();
        let first = slot.parts[0].id;
        // the slot's distinct tags, by part and position, filled when a second change is there, as most slots have one
        let mut tags: Vec<(usize, usize)> = Vec::new();
        while let Some(next) = self.accounts[slot.account].waiting.first() {
            let entry = &self.changes[next.0];
            if !entry.commutes_with(&self.changes[first.0]) {
                return;
            }
            if entry.deadline <= now {
                self.fail_rest(next, &E::expired());
                continue;
            }
            if tags.is_empty() {
                tags.extend((0..slot.parts[0].tags().len()).map(|at| (0, at)));
            }
            let held = tags.len();
            for (at, tag) in entry.item.tags().enumerate() {
                let mut of_others = tags[..held].iter();
                if !of_others.any(|(part, at)| slot.parts[*part].tag(*at) == tag) {
                    tags.push((slot.parts.len(), at));
                }
            }
            if tags.len() > most {
                return;
            }
            let entry = &mut self.changes[next.0];
            entry.left = 0;
            entry.under_way += 1;
            slot.parts.push(Part {
                id: next,
                item: entry.item.clone(),
                tags: 0..entry.item.tags().len(),
            });
            self.accounts[slot.account].waiting.pop_front();
            let state = &mut self.producers[entry.producer.0];
            state.all_sent(entry.item.operation(), entry.counts);
            state.queue(entry.item.form()).blocked -= 1;
        }
    }

    /// Fails what is in no request of a paused producer's changes whose time is up. Returns when the next one's is.
    pub(super) fn expire(&mut self, producer: ProducerId, now: Duration) -> Duration {
        let is_own = |entry: &Entry<R, E>| entry.producer == producer;
        let unsent = self.changes.iter();
        let unsent = unsent.filter(|(_, it)| is_own(it) && it.left > 0 && it.deadline <= now);
        let unsent = unsent.map(|(id, entry)| (ChangeId(id), entry.account));
        let mut unsent: Vec<(ChangeId, AccountId)> = unsent.collect();
        unsent.sort_unstable();
        for (id, _) in &unsent {
            self.fail_rest(*id, &E::expired());
        }
        for queue in 0..self.producers[producer.0].queues.len() {
            self.expire_again(producer, queue, now);
        }
        for (_, account) in unsent {
            self.activate(account, now);
        }
        let own = self.changes.iter().filter(|(_, it)| is_own(it));
        // what is late and in a request is looked at when that is settled
        let later = own.map(|(_, it)| it.deadline).filter(|it| *it > now);
        let next = later.min().unwrap_or(Duration::MAX);
        self.producers[producer.0].paused = Some(next);
        next
    }

    /// Fails what waits to be sent again in a queue, where its time is up.
    fn expire_again(&mut self, producer: ProducerId, queue: usize, now: Duration) {
        let its = &mut self.producers[producer.0].queues[queue];
        let batches = [&mut its.retry_queue, &mut its.searches].map(mem::take);
        let returned = [&mut its.fresh, &mut its.proven].map(|it| mem::take(&mut it.returned));
        let [retry_queue, searches] = batches.map(|batches| {
            let batches = batches.into_iter();
            batches
                .filter_map(|batch| self.expire_batch(batch, now))
                .collect()
        });
        let returned = returned.map(|slots| self.expire_slots(producer, slots.into(), now).into());
        let its = &mut self.producers[producer.0].queues[queue];
        (its.retry_queue, its.searches) = (retry_queue, searches);
        [its.fresh.returned, its.proven.returned] = returned;
    }

    /// Fails what is late of a batch that is to be sent again. Returns what is left, if anything is.
    pub(super) fn expire_batch(&mut self, mut batch: Batch, now: Duration) -> Option<Batch> {
        batch.riders = 0;
        batch.slots = self.expire_slots(batch.producer, batch.slots, now);
        batch.rest = self.expire_slots(batch.producer, batch.rest, now);
        if batch.slots.is_empty() {
            batch = batch.take_rest()?;
        }
        batch.deadline = self.deadline(&batch.slots);
        Some(batch)
    }

    /// Fails the parts of slots whose time is up, which wait to be sent again. Returns what is left.
    pub(super) fn expire_slots(
        &mut self,
        producer: ProducerId,
        slots: Vec<Slot>,
        now: Duration,
    ) -> Vec<Slot> {
        let mut left = Vec::new();
        for mut slot in slots {
            let is_over = |part: &Part| self.changes[part.id.0].deadline <= now;
            let (over, parts) = slot.parts.into_iter().partition(is_over);
            slot.parts = over;
            if parts.is_empty() {
                let operation = slot.parts[0].item.operation();
                self.producers[producer.0].held(operation).again -= 1;
                self.fail_slots(&[slot], &E::expired(), now);
                continue;
            }
            self.note_failure(&slot, &E::expired());
            self.close_parts(&slot);
            slot.parts = parts;
            left.push(slot);
        }
        left
    }
}
