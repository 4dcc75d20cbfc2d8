//! The two files that the thread of the journal writes together: the journal and the list of who failed.

use std::path::PathBuf;

use super::block::{self, Counters};
use super::settled::InDoubt;
use crate::import::state::disk::{DiskError, Medium};
use crate::import::state::failed_list::FailedList;

/// The files, as the thread has them.
pub(super) struct Files {
    pub(super) path: PathBuf,
    pub(super) journal: Box<dyn Medium>,
    /// True if it was an empty file before: it is emptied at the end and not removed.
    pub(super) stays_empty: bool,
    /// Where the next block will stand.
    pub(super) end: u64,
    pub(super) failed: FailedList,
}

impl Files {
    /// Writes a block; returns when it is safe. Lines that are in the list are taken out of `lines`.
    pub(super) fn write(
        &mut self,
        counters: &Counters,
        done: &mut Vec<u64>,
        failed: &mut Vec<u64>,
        lines: &mut Vec<u8>,
    ) -> Result<(), DiskError> {
        // an earlier list stays until a user is settled
        if !(done.is_empty() && failed.is_empty()) {
            self.failed.append(lines)?;
            lines.clear();
        }
        self.append(counters, [done, failed], None)
    }

    /// Writes the block that a run ends with. Nothing is written to the list, which may be an earlier run's.
    pub(super) fn write_end(
        &mut self,
        counters: &Counters,
        in_doubt: InDoubt,
    ) -> Result<(), DiskError> {
        let InDoubt::Users(users) = in_doubt else {
            return Ok(()); // as if it had been killed
        };
        let mut users = users.into_iter().collect();
        self.append(counters, [&mut vec![], &mut vec![]], Some(&mut users))
    }

    /// Writes a block over what is torn at the end: after it any user may be in doubt, and the disk is known to take more.
    pub(super) fn resume(&mut self, counters: &Counters, torn: u64) -> Result<(), DiskError> {
        let end = self.end;
        let written = self.append(counters, [&mut vec![], &mut vec![]], None);
        if written.is_err() && torn == 0 {
            // as it was found; if something was torn, it still is
            let _ = self.journal.cut(end);
        }
        written?;
        if torn > 0 {
            let cut = self.journal.cut(self.end);
            cut.map_err(DiskError::denied(&self.path, "written"))?;
        }
        self.failed.cut_rest()
    }

    /// Leaves the journal as it was found.
    pub(super) fn put_back(&mut self, before: &[u8]) -> Result<(), DiskError> {
        let put = self.journal.put(before, &self.path, self.stays_empty);
        put.map_err(DiskError::denied(&self.path, "written"))
    }

    fn append(
        &mut self,
        counters: &Counters,
        settled: [&mut Vec<u64>; 2],
        in_doubt: Option<&mut Vec<u64>>,
    ) -> Result<(), DiskError> {
        let mut bytes = Vec::new();
        let failed = self.failed.mark();
        block::put(self.end, counters, failed, settled, in_doubt, &mut bytes);
        let written = self
            .journal
            .append(&bytes)
            .and_then(|()| self.journal.sync());
        written.map_err(DiskError::denied(&self.path, "written"))?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn close(self, remove: bool) -> Result<(), DiskError> {
        let Files {
            path,
            mut journal,
            stays_empty,
            failed,
            ..
        } = self;
        failed.close()?;
        if remove {
            let (removed, denied) = if stays_empty {
                (journal.cut(0), "emptied")
            } else {
                (journal.remove(&path), "removed")
            };
            removed.map_err(DiskError::denied(&path, denied))?;
        }
        // locked until here, so that no other import takes it for its own
        drop(journal);
        Ok(())
    }
}
