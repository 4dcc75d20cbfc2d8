//! Changes of a paused producer whose time is up. While a producer sends, the request that is formed of a change, or ends,
//! shows that it is late; while it is paused none does.

use std::mem;
use std::time::Duration;

use super::accounts::Entry;
use super::arena::{AccountId, ChangeId, ProducerId};
use super::batch::{Part, Slot};
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
            let left = batches.into_iter().filter_map(|mut batch| {
                batch.slots = self.expire_slots(producer, batch.slots, now);
                batch.rest = self.expire_slots(producer, batch.rest, now);
                if batch.slots.is_empty() {
                    return batch.take_rest();
                }
                Some(batch)
            });
            left.collect()
        });
        let returned = self.expire_slots(producer, returned.into(), now);
        let its = &mut self.producers[producer.0].queues[queue];
        (its.retry_queue, its.searches) = (retry_queue, searches);
        its.returned = returned.into();
    }

    /// Fails the parts of slots whose time is up. Returns what is left.
    fn expire_slots(&mut self, producer: ProducerId, slots: Vec<Slot>, now: Duration) -> Vec<Slot> {
        let mut left = Vec::new();
        for mut slot in slots {
            let is_over = |part: &Part| self.changes[part.id.0].deadline <= now;
            let (over, parts) = slot.parts.into_iter().partition(is_over);
            slot.parts = over;
            if parts.is_empty() {
                self.producers[producer.0].again -= 1;
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
