//! Changes and gets that were handed in under a number, from there until their outcomes are polled.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use imtag_core::plan::{ChangeId, Item};
use imtag_core::{ChangeRequest, Operation};

use super::outcome::{Completion, GetCompletion, ReadTags};
use crate::error::ChangeError;

/// The submitted changes and gets of a session.
#[derive(Debug, Default)]
pub(crate) struct Submissions {
    /// Changes that have their outcomes, and gets: a run has none of these.
    pub(crate) changes: Vec<Completion>,
    pub(crate) gets: Vec<GetCompletion>,
    /// Those that have no outcome and may be withdrawn, by their callers' numbers. Of two with one number, the later one.
    pub(super) by_id: HashMap<u64, ChangeId>,
    /// Withdrawn once they were sent, as their callers' time was up. Each waits for its request until then, the next one
    /// first.
    pub(super) late: VecDeque<(Duration, ChangeId)>,
    /// Operations that were refused because the batcher was full: a poll returns once there is capacity for one of them.
    pub(crate) refused: Vec<Operation>,
}

impl Submissions {
    /// Leaves an outcome to be polled.
    pub(crate) fn complete(&mut self, id: u64, item: Item, result: Result<ReadTags, ChangeError>) {
        match item {
            Item::Change(change) => self.push(id, change.into_request(), result.map(drop)),
            Item::Get(query) => {
                self.forget(id);
                let account = query.into_account();
                self.gets.push(GetCompletion {
                    id,
                    account,
                    result,
                });
            }
        }
    }

    pub(super) fn push(
        &mut self,
        id: u64,
        change: Arc<ChangeRequest>,
        result: Result<(), ChangeError>,
    ) {
        self.forget(id);
        self.changes.push(Completion { id, change, result });
    }

    /// A run's changes cannot be withdrawn, so it has none, and no number is hashed.
    fn forget(&mut self, id: u64) {
        if !self.by_id.is_empty() {
            self.by_id.remove(&id);
        }
    }
}
