//! How a change or a get comes into a batcher: it is taken, refused, or waits for capacity.

use std::time::Duration;

use imtag_core::plan::{ChangeId, Item, ProducerId};
use imtag_core::{Effect, Operation};

use super::engine::State;
use super::outcome::Delivery;
use super::queue::{Place, Queue, Waiting};
use crate::error::{Cause, ChangeError};
use crate::wait::Polled;

/// What a batcher does with a change or a get when it holds as many as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// It waits for capacity, until the time of the change or get is up.
    #[default]
    Wait,
    /// It refuses the change or get at once.
    Fail,
    /// The same, and [`Batcher::poll`](crate::Batcher::poll) returns once there is capacity. So one thread that polls can
    /// wake all threads that wait for capacity.
    Signal,
}

impl State {
    /// True until the batcher is closed, cancelled or dropped.
    pub(crate) fn takes_more(&self, producer: ProducerId) -> bool {
        if !self.is_open(producer) {
            return false;
        }
        let session = self.read(producer);
        !session.refuses && session.ended.is_none()
    }

    /// Takes a change or a get in if there is capacity; it is pending where it is to wait for that.
    pub(crate) fn offer(
        &mut self,
        producer: ProducerId,
        when_full: WhenFull,
        (item, delivery): (&Item, &Delivery),
        deadline: Duration,
        now: Duration,
    ) -> Polled<Result<ChangeId, Cause>, Duration> {
        if !self.takes_more(producer) {
            return Polled::Ready(Err(Cause::Closed));
        }
        if self.plan.has_capacity(producer, item.operation()) {
            let number = self.push(producer, item.clone(), delivery.clone(), deadline, now);
            if let Delivery::Poll(id) = delivery {
                let submissions = &mut self.session(producer).submissions;
                submissions.by_id.insert(*id, number);
            }
            return Polled::Ready(Ok(number));
        }
        if when_full == WhenFull::Wait {
            return Polled::Pending;
        }
        if when_full == WhenFull::Signal {
            let refused = &mut self.session(producer).submissions.refused;
            if !refused.contains(&item.operation()) {
                refused.push(item.operation());
            }
        }
        Polled::Ready(Err(Cause::Full))
    }

    /// Has one wait behind all others.
    pub(super) fn enqueue(&mut self, producer: ProducerId, waiting: Waiting) -> Place {
        let operation = waiting.item.operation();
        self.queue(producer, operation).push(waiting)
    }

    /// Takes one out, if it still waits. Drop it without the lock.
    pub(super) fn dequeue(
        &mut self,
        producer: ProducerId,
        operation: Operation,
        place: &Place,
    ) -> Option<Waiting> {
        let is_open = self.is_open(producer);
        is_open.then(|| self.queue(producer, operation).remove(place))?
    }

    /// Takes in those for which there is capacity by now. What is closed, or comes too late, has its outcome.
    pub(super) fn admit(&mut self, producer: ProducerId, now: Duration) {
        for operation in [Operation::Add, Operation::Get] {
            while !self.queue(producer, operation).is_empty() {
                let takes_more = self.takes_more(producer);
                if takes_more && !self.plan.has_capacity(producer, operation) {
                    break;
                }
                let Some(waiting) = self.queue(producer, operation).pop() else {
                    break;
                };
                let cause = if !takes_more {
                    Cause::Closed
                } else if now >= waiting.deadline {
                    Cause::Expired
                } else {
                    let Waiting {
                        item,
                        recipient,
                        deadline,
                        place,
                    } = waiting;
                    let delivery = Delivery::Caller(recipient);
                    let number = self.push(producer, item, delivery, deadline, now);
                    place.take(number);
                    continue;
                };
                let error = ChangeError::of_item(&waiting.item, cause, Effect::NotApplied);
                self.wake_later(waiting.recipient.complete(Err(error)));
            }
        }
    }

    fn queue(&mut self, producer: ProducerId, operation: Operation) -> &mut Queue {
        &mut self.untouched(producer).queues[usize::from(operation == Operation::Get)]
    }
}
