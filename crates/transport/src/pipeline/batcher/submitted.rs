//! What a batcher knows of the changes that were submitted to it, beside the plan: whose number is whose.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use imtag_core::ChangeRequest;
use imtag_core::plan::ChangeId;

use crate::change_error::ChangeError;
use crate::pipeline::{Completed, SessionState};

/// The changes of a batcher that are polled for and have no outcome.
#[derive(Debug, Default)]
pub(crate) struct Submitted {
    by_id: HashMap<u64, ChangeId>,
    /// Withdrawn under way as their callers' time was up: each waits for its request until then, the next one first.
    late: VecDeque<(Instant, ChangeId)>,
    /// A change was refused as the batcher was full, and a thread that polls is to hear once there is capacity.
    pub(crate) refused: bool,
}

impl Submitted {
    /// Of two with one id, the earlier one cannot be found any more.
    pub(super) fn insert(&mut self, id: u64, number: ChangeId) {
        self.by_id.insert(id, number);
    }

    pub(super) fn number(&self, id: u64) -> Option<ChangeId> {
        self.by_id.get(&id).copied()
    }

    /// Gives a change up at that moment, which is no earlier than any before.
    pub(super) fn abandon_at(&mut self, moment: Instant, number: ChangeId) {
        self.late.push_back((moment, number));
    }

    /// When the next change is abandoned.
    pub(super) fn next_abandoned(&self) -> Option<Instant> {
        self.late.front().map(|(moment, _)| *moment)
    }

    /// A change that is to be abandoned by now.
    pub(super) fn take_abandoned(&mut self, now: Instant) -> Option<ChangeId> {
        let (_, number) = *self.late.front().filter(|(moment, _)| *moment <= now)?;
        self.late.pop_front();
        Some(number)
    }
}

impl SessionState {
    /// Leaves the outcome of a change to be polled.
    pub(crate) fn complete(
        &mut self,
        id: u64,
        change: Arc<ChangeRequest>,
        result: Result<(), ChangeError>,
    ) {
        self.submitted.by_id.remove(&id);
        self.completed.push_back(Completed { id, change, result });
    }
}
