//! What takes several rounds: a part of it goes in each, so that posts and outcomes go on beside it. There is at most one purge:
//! it may be long, and another would only wait for it. Deletions of failures go one after the other.

use std::collections::VecDeque;
use std::mem;
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
const DELETED_AT_ONCE: usize = 5_000;

/// Those that are at work, and those that wait for them.
#[derive(Default)]
pub(super) struct Jobs {
    purge: Option<(PurgeJob, Reply<Purged>)>,
    deletions: VecDeque<Deletion>,
}

/// Of failures.
struct Deletion {
    ids: Vec<ChangeId>,
    /// So many of them were looked at.
    done: usize,
    /// And so many had a failure.
    deleted: u64,
    reply: Reply<u64>,
}

/// The parts that go in one round.
#[derive(Default)]
pub(super) struct Step {
    pub(super) purge: Option<Span>,
    /// Of the first deletions, in their order.
    pub(super) deletions: Vec<Vec<ChangeId>>,
}

impl Jobs {
    pub(super) fn is_empty(&self) -> bool {
        self.purge.is_none() && self.deletions.is_empty()
    }

    pub(super) fn purge(&mut self, filter: Filter, store: &Store, reply: Reply<Purged>) {
        if self.purge.is_some() {
            return reply.give(Err(Refused::Purging));
        }
        reply.begins();
        self.purge = Some((PurgeJob::new(filter, store), reply));
    }

    pub(super) fn delete_failures(&mut self, ids: Vec<ChangeId>, reply: Reply<u64>) {
        self.deletions.push_back(Deletion {
            ids,
            done: 0,
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
        // a caller that has gone was told that it is not done, and sends it again
        self.deletions
            .retain(|it| it.done > 0 || !it.reply.is_forgotten());
        let mut left = DELETED_AT_ONCE;
        for deletion in &self.deletions {
            let ids = &deletion.ids[deletion.done..];
            let part = &ids[..ids.len().min(left)];
            step.deletions.push(part.to_vec());
            left -= part.len();
            if left == 0 {
                break;
            }
        }
        (step, failed)
    }

    /// These parts are done: on the disk, where there was anything to write. `deleted`: how many failures of each. Returns the
    /// answers of what is done as a whole.
    pub(super) fn done(&mut self, step: &Step, deleted: &[u64]) -> Finished {
        let mut finished = Finished::default();
        if let (Some(span), Some((mut job, reply))) = (&step.purge, self.purge.take()) {
            if job.has_done(span) {
                finished.purge = Some((job.purged, reply));
            } else {
                self.purge = Some((job, reply));
            }
        }
        for (nth, ids) in step.deletions.iter().enumerate() {
            let Some(mut deletion) = self.deletions.pop_front() else {
                break;
            };
            deletion.done += ids.len();
            deletion.deleted += deleted.get(nth).copied().unwrap_or(0);
            if deletion.done == deletion.ids.len() {
                finished.deletions.push((deletion.deleted, deletion.reply));
            } else {
                // the last of the step
                self.deletions.push_front(deletion);
            }
        }
        finished
    }

    /// The disk has refused a part of a deletion: those that have not begun are refused.
    pub(super) fn refuse_deletions(&mut self, refused: &Refused) {
        let (begun, others) = mem::take(&mut self.deletions)
            .into_iter()
            .partition(|it| it.done > 0);
        self.deletions = begun;
        let others: VecDeque<Deletion> = others;
        for deletion in others {
            deletion.reply.give(Err(refused.clone()));
        }
    }

    /// The queue ends before they do.
    pub(super) fn stop(&mut self) {
        if let Some((_, reply)) = self.purge.take() {
            reply.give(Err(Refused::Stopped));
        }
        for deletion in self.deletions.drain(..).filter(|it| it.done > 0) {
            deletion.reply.give(Err(Refused::Stopped));
        }
    }

    /// Says how far they are.
    pub(super) fn publish(&self, status: &mut Status) {
        status.purging = self.purge.as_ref().map(|(job, _)| job.purged);
    }
}

/// What is to be answered.
#[derive(Default)]
pub(super) struct Finished {
    purge: Option<(Purged, Reply<Purged>)>,
    deletions: Vec<(u64, Reply<u64>)>,
}

impl Finished {
    pub(super) fn answer(self) {
        if let Some((purged, reply)) = self.purge {
            reply.give(Ok(purged));
        }
        for (deleted, reply) in self.deletions {
            reply.give(Ok(deleted));
        }
    }
}

impl Step {
    /// True if there is something to write.
    pub(super) fn writes(&self) -> bool {
        self.purge.as_ref().is_some_and(|span| !span.is_empty())
            || self.deletions.iter().any(|ids| !ids.is_empty())
    }

    /// How many changes its commit deletes.
    pub(super) fn purged(&self) -> u64 {
        self.purge.as_ref().map_or(0, Span::deleted)
    }
}
