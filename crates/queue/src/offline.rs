//! The queue of a folder in which no daemon is at work.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use imtag_core::ChangeRequest;
use imtag_local_server::KeptFiles;

use crate::change::{Failure, Filter, Purged};
use crate::codec::{read_block, request};
use crate::error::{OpenError, Refused};
use crate::id::ChangeId;
use crate::status::Status;
use crate::store::{self, PurgeJob, damaged, refused, unreadable};

/// So many changes or failures are read at once.
const AT_ONCE: u32 = 1_000;
/// A commit of a purge: how long is looked for what is meant, and in how many blocks that is at most.
const LOOKED_FOR: Duration = Duration::from_millis(500);
const PURGED_AT_ONCE: usize = 5_000;
/// Pages of free space that are given back in one commit.
const PAGES_AT_ONCE: u32 = 2_000;

/// What a folder's queue holds, while no daemon has it: to look at it, to take a copy of it out, and to delete from it.
pub struct Store(Option<store::Store>);

impl Store {
    /// Opens the queue of a folder.
    ///
    /// # Errors
    /// If there is none, it is another's, is damaged, or the system refuses it. It is as it was then.
    pub fn open(files: &KeptFiles) -> Result<Store, OpenError> {
        store::Store::open(files, false).map(|store| Store(Some(store)))
    }

    fn store(&self) -> &store::Store {
        self.0.as_ref().expect("it is there until the drop")
    }

    /// How it is. Nothing is counted, as nothing was done.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            oldest: self.store().oldest().ok().flatten(),
            ..self.store().status()
        }
    }

    /// Calls `each` for every change that waits, in the order of the posts, up to its first error.
    ///
    /// # Errors
    /// That of `each`, or if the file cannot be read.
    pub fn export<E: From<Refused>>(
        &self,
        mut each: impl FnMut(ChangeId, ChangeRequest) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut last = -1;
        loop {
            let blocks = self.store().blocks_after(last, AT_ONCE);
            let blocks = blocks.map_err(|error| unreadable(&error))?;
            let Some(end) = blocks.last() else {
                return Ok(());
            };
            last = end.id;
            for block in blocks {
                let first = ChangeId::from_key(block.id);
                let mut changes = Vec::new();
                let read = read_block(&block.changes, |place, operation, account, tags| {
                    if !block.settled.contains(place) {
                        let id = first.post.change(first.index + place);
                        changes.push((id, request(operation, account, tags)));
                    }
                });
                read.map_err(|_| unreadable(&damaged()))?;
                for (id, change) in changes {
                    each(id, change)?;
                }
            }
        }
    }

    /// Calls `each` for every failure that is kept, in the order of the changes, up to its first error.
    ///
    /// # Errors
    /// That of `each`, or if the file cannot be read.
    pub fn failures<E: From<Refused>>(
        &self,
        mut each: impl FnMut(Failure) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut last = None;
        loop {
            let failures = self.store().failures(last, AT_ONCE as usize);
            let failures = failures.map_err(|error| unreadable(&error))?;
            if failures.is_empty() {
                return Ok(());
            }
            for failure in failures {
                last = Some(failure.id);
                each(failure)?;
            }
        }
    }

    /// Deletes changes that wait, as [`Queue::purge`](crate::Queue::purge) does, and gives their space back. Here nothing is
    /// under way. Calls `each` with what was done so far, from time to time.
    ///
    /// # Errors
    /// If the disk refuses it: a part may be deleted.
    pub fn purge(
        &mut self,
        filter: Filter,
        mut each: impl FnMut(Purged),
    ) -> Result<Purged, Refused> {
        let store = self.0.as_mut().expect("it is there until the drop");
        let (mut job, none_open) = (PurgeJob::new(filter, store), BTreeMap::new());
        let mut is_end = false;
        while !is_end {
            let limits = (Instant::now() + LOOKED_FOR, PURGED_AT_ONCE);
            let span = job.look(store, &none_open, limits);
            let span = span.map_err(|error| unreadable(&error))?;
            if !span.is_empty() {
                let purged = store.commit(|it| it.purge(&span));
                purged.map_err(|error| refused(&error))?;
            }
            is_end = job.has_done(&span);
            each(job.purged);
        }
        if job.purged.deleted > 0 {
            // the space is a convenience: what is deleted is deleted
            while store.give_space_back(PAGES_AT_ONCE).unwrap_or(false) {}
        }
        Ok(job.purged)
    }
}

/// Brings the log into the file, which then stands alone.
impl Drop for Store {
    fn drop(&mut self) {
        if let Some(store) = self.0.take() {
            let _ = store.close();
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
