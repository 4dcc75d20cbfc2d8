//! Changes whose time is up. While a producer sends, each is looked at when its turn comes, also that of one that goes again;
//! while it is paused no turn comes, so all are looked at when the first is late.

use std::mem;
use std::time::Duration;

use super::accounts::Entry;
use super::arena::{AccountId, ChangeId, ProducerId};
use super::batch::{Batch, Part, Slot};
use super::outcome::ChangeFailure;
use super::schedule::Plan;

impl<R, E: ChangeFailure> Plan<R, E> {
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
        let returned = mem::take(&mut its.returned);
        let [retry_queue, searches] = batches.map(|batches| {
            let batches = batches.into_iter();
            batches
                .filter_map(|batch| self.expire_batch(batch, now))
                .collect()
        });
        let returned = self.expire_slots(producer, returned.into(), now);
        let its = &mut self.producers[producer.0].queues[queue];
        (its.retry_queue, its.searches) = (retry_queue, searches);
        its.returned = returned.into();
    }

    /// Fails what is late of a batch that is to be sent again. Returns what is left, if anything is.
    pub(super) fn expire_batch(&mut self, mut batch: Batch, now: Duration) -> Option<Batch> {
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
