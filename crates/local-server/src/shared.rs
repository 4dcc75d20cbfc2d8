//! What the connections of a server share: their limits, how many there are, and what they are all told.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::limits::Limits;

pub(crate) struct Shared {
    pub(crate) limits: Limits,
    /// Bytes that the bodies may take which are held.
    pub(crate) bodies: Arc<Semaphore>,
    pub(crate) orders: watch::Sender<Orders>,
    pub(crate) open: watch::Sender<usize>,
    /// Listeners that may still take connections.
    pub(crate) listening: watch::Sender<usize>,
}

impl Shared {
    pub(crate) fn new(limits: Limits) -> Shared {
        Shared {
            bodies: Arc::new(Semaphore::new(limits.bodies_bytes)),
            limits,
            orders: watch::Sender::default(),
            open: watch::Sender::default(),
            listening: watch::Sender::default(),
        }
    }
}

/// What all connections are to do.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Orders {
    /// How often those that were open have been cut.
    pub(crate) cuts: u64,
    /// Since a drain has begun: how often they had been cut before.
    pub(crate) cuts_before_drain: Option<u64>,
}

impl Orders {
    pub(crate) fn are_draining(&self) -> bool {
        self.cuts_before_drain.is_some()
    }
}

/// Returns once a drain has begun.
pub(crate) async fn drained(mut orders: watch::Receiver<Orders>) {
    // The server outlives its connections.
    let _ = orders.wait_for(Orders::are_draining).await;
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

/// A listener that may take connections, counted until this is dropped.
pub(crate) struct Listening(Arc<Shared>);

impl Listening {
    pub(crate) fn new(shared: Arc<Shared>) -> Listening {
        shared.listening.send_modify(|listening| *listening += 1);
        Listening(shared)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.listening.send_modify(|listening| *listening -= 1);
    }
}
