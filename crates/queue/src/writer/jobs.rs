//! What takes several rounds: a part of it goes in each, so that posts and outcomes go on beside it. There is at most one of
//! a kind: each may be long, and another of its kind would only wait for it.

use std::time::{Duration, Instant};

use super::session::Session;
use crate::answer::Reply;
use crate::change::{Filter, Purged};
use crate::error::Refused;
use crate::id::ChangeId;
use crate::status::Status;
use crate::store::{PurgeJob, Span, Store, unreadable};

/// In a round: how long is looked for what a purge means, and in how many blocks that is at most.
const LOOKED_FOR: Duration = Duration::from_millis(10);
const PURGED_AT_ONCE: usize = 1_000;
/// Failures that a round deletes.
const DELETED_AT_ONCE: u32 = 5_000;

/// Those that are at work.
#[derive(Default)]
pub(super) struct Jobs {
    purge: Option<(PurgeJob, Reply<Purged>)>,
    deletion: Option<Deletion>,
}

/// Of all failures up to a change.
struct Deletion {
    last: ChangeId,
    deleted: u64,
    reply: Reply<u64>,
}

/// The parts that go in one round.
#[derive(Default)]
pub(super) struct Step {
    pub(super) purge: Option<Span>,
    pub(super) deletion: Option<Vec<ChangeId>>,
}

impl Jobs {
    pub(super) fn is_empty(&self) -> bool {
        self.purge.is_none() && self.deletion.is_none()
    }

    pub(super) fn purge(&mut self, filter: Filter, store: &Store, reply: Reply<Purged>) {
        if self.purge.is_some() {
            return reply.give(Err(Refused::Purging));
        }
        self.purge = Some((PurgeJob::new(filter, store), reply));
    }

    pub(super) fn delete_through(&mut self, last: ChangeId, reply: Reply<u64>) {
        if self.deletion.is_some() {
            return reply.give(Err(Refused::Deleting));
        }
        self.deletion = Some(Deletion {
            last,
            deleted: 0,
            reply,
        });
    }

    /// The next parts. A job whose part cannot be read ends. Returns why, too.
    pub(super) fn step(
        &mut self,
        store: &Store,
        session: &Session,
    ) -> (Step, Option<rusqlite::Error>) {
        let (mut step, mut failed) = (Step::default(), None);
        if let Some((job, reply)) = self.purge.take() {
            let limits = (Instant::now() + LOOKED_FOR, PURGED_AT_ONCE);
            match job.look(store, &session.open, limits) {
                Ok(span) => {
                    step.purge = Some(span);
                    self.purge = Some((job, reply));
                }
                Err(error) => {
                    reply.give(Err(unreadable(&error)));
                    failed = Some(error);
                }
            }
        }
        if let Some(deletion) = self.deletion.take() {
            match store.failures_through(deletion.last, DELETED_AT_ONCE) {
                Ok(ids) => {
                    step.deletion = Some(ids);
                    self.deletion = Some(deletion);
                }
                Err(error) => {
                    deletion.reply.give(Err(unreadable(&error)));
                    failed = Some(error);
                }
            }
        }
        (step, failed)
    }

    /// These parts are done: on the disk, where there was anything to write. Returns the answers of what is done as a whole.
    pub(super) fn done(&mut self, step: &Step) -> Finished {
        let mut finished = Finished::default();
        if let (Some(span), Some((mut job, reply))) = (&step.purge, self.purge.take()) {
            if job.has_done(span) {
                finished.purge = Some((job.purged, reply));
            } else {
                self.purge = Some((job, reply));
            }
        }
        if let (Some(ids), Some(mut deletion)) = (&step.deletion, self.deletion.take()) {
            deletion.deleted += ids.len() as u64;
            if ids.len() < DELETED_AT_ONCE as usize {
                finished.deletion = Some((deletion.deleted, deletion.reply));
            } else {
                self.deletion = Some(deletion);
            }
        }
        finished
    }

    /// Says how far they are.
    pub(super) fn publish(&self, status: &mut Status) {
        status.purging = self.purge.as_ref().map(|(job, _)| job.purged);
        status.deleting = self.deletion.as_ref().map(|it| it.deleted);
    }
}

/// What is to be answered.
#[derive(Default)]
pub(super) struct Finished {
    purge: Option<(Purged, Reply<Purged>)>,
    deletion: Option<(u64, Reply<u64>)>,
}

impl Finished {
    pub(super) fn answer(self) {
        if let Some((purged, reply)) = self.purge {
            reply.give(Ok(purged));
        }
        if let Some((deleted, reply)) = self.deletion {
            reply.give(Ok(deleted));
        }
    }
}

impl Step {
    /// True if there is something to write.
    pub(super) fn writes(&self) -> bool {
        self.purge.as_ref().is_some_and(|span| !span.is_empty())
            || self.deletion.as_ref().is_some_and(|ids| !ids.is_empty())
    }

    /// How many changes its commit deletes.
    pub(super) fn purged(&self) -> u64 {
        self.purge.as_ref().map_or(0, Span::deleted)
    }
}
