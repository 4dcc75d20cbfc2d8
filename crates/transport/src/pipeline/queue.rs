//! Changes and gets that asynchronous tasks have given to a full batcher: first come, first served. The step that brings
//! capacity takes them in itself, so their order is that of the calls, whether and when their futures are polled.
//!
//! While one waits there is no capacity, so what is given later, in whatever way, comes after it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use imtag_core::plan::{ChangeId, Item};

use super::outcome::Recipient;

/// Those of a session that wait for one kind of capacity, in their order.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    by_place: BTreeMap<u64, Waiting>,
    places: u64,
}

/// One that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) item: Item,
    pub(super) recipient: Recipient,
    pub(super) deadline: Duration,
    pub(super) place: Place,
}

/// Where one waits, for its future.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    number: u64,
    /// Set once it is taken in.
    taken: Arc<OnceLock<ChangeId>>,
}

impl Queue {
    /// Adds one behind all others.
    pub(super) fn push(&mut self, mut waiting: Waiting) -> Place {
        self.places += 1;
        waiting.place.number = self.places;
        let place = waiting.place.clone();
        self.by_place.insert(place.number, waiting);
        place
    }

    /// The first, taken out.
    pub(super) fn pop(&mut self) -> Option<Waiting> {
        Some(self.by_place.pop_first()?.1)
    }

    /// Takes one out, if it still waits.
    pub(super) fn remove(&mut self, place: &Place) -> Option<Waiting> {
        self.by_place.remove(&place.number)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_place.is_empty()
    }
}

impl Place {
    /// It is taken in.
    pub(super) fn take(&self, number: ChangeId) {
        self.taken.get_or_init(|| number);
    }

    /// Its number in the plan, once it is taken in.
    pub(super) fn taken(&self) -> Option<ChangeId> {
        self.taken.get().copied()
    }
}
