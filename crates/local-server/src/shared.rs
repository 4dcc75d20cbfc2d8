//! What the connections of a server share: their limits, how many there are, and what they are all told.

use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use crate::limits::Limits;

pub(crate) struct Shared {
    pub(crate) limits: Limits,
    slots: Arc<Semaphore>,
    /// Notified when a connection waits for a slot; the one that is idle for longest hears it.
    pub(crate) room: Notify,
    pub(crate) orders: watch::Sender<Orders>,
    pub(crate) open: watch::Sender<usize>,
}

impl Shared {
    pub(crate) fn new(limits: Limits) -> Shared {
        Shared {
            slots: Arc::new(Semaphore::new(limits.connections)),
            limits,
            room: Notify::new(),
            orders: watch::Sender::default(),
            open: watch::Sender::default(),
        }
    }

    /// Waits until one more connection may be open.
    pub(crate) async fn slot(&self) -> OwnedSemaphorePermit {
        let slots = Arc::clone(&self.slots);
        if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
            return slot;
        }
        self.room.notify_one();
        let slot = slots.acquire_owned().await;
        slot.expect("the slots are never closed")
    }
}

/// What all connections are to do.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Orders {
    /// How often those that were open have been cut.
    pub(crate) cuts: u64,
    pub(crate) draining: bool,
}

/// An open connection, counted until this is dropped.
pub(crate) struct Open {
    shared: Arc<Shared>,
    _slot: OwnedSemaphorePermit,
}

impl Open {
    pub(crate) fn new(shared: Arc<Shared>, slot: OwnedSemaphorePermit) -> Open {
        shared.open.send_modify(|open| *open += 1);
        Open {
            shared,
            _slot: slot,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.open.send_modify(|open| *open -= 1);
    }
}
