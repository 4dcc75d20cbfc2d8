//! How a change or a get comes into a batcher: it is taken, refused, or waits for capacity.

use std::time::Duration;

use imtag_core::plan::{ChangeId, Item, ProducerId};

use super::engine::State;
use super::outcome::Delivery;
use crate::error::Cause;
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
}
