//! The journal of an import: which users are settled, so that the same command goes on after any crash.
//!
//! It lies beside the input, is held by one import at a time (`lock`), says in its header (`header`) what it is of,
//! and grows by a block at a time (`block`, `writer`). It holds numbers of users only; who they are is in the input.
//!
//! - A user is recorded once the outcome is known. All other users are sent again, which does no harm.
//! - A crash, `kill -9` or power cut at any moment costs the work of two seconds at most, and leaves a journal that
//!   opens: what is torn at its end is cut off.
//! - A user is recorded as failed only when the line in the failed list is safe. Each block records the length of the
//!   list; lines beyond it are cut when the import is resumed.
//! - A journal of another input, or of other settings, is refused. One without a settled user is begun anew: the
//!   new one replaces it atomically, and takes over its users in doubt.
//! - If the disk takes no more, the import ends, before more is sent than can be recorded.

mod block;
mod error;
mod files;
mod header;
mod known;
mod settled;
#[cfg(test)]
pub(super) mod tests;
mod writer;
#[cfg(test)]
mod writer_tests;

use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

pub(crate) use block::Counters;
pub(crate) use error::JournalError;
pub(crate) use header::Identity;
pub(crate) use known::JOURNAL;
pub(crate) use settled::{InDoubt, Kind, Settled};

use files::Files;
use header::Stays;
use known::{Before, Known, known, start_of};
use writer::{Pace, Writer};

use super::disk::{DiskError, Medium};
use super::failed_change::FailedChange;
use super::failed_list::FailedList;
use super::lock::{LockResult, LockedFile, lock_file};
use crate::ownership::{self, is_empty_file};

/// A journal that is held by this import. Shared by all its threads.
pub(crate) struct Journal {
    writer: Writer,
    /// The journal of an earlier run that settled no user.
    before: Option<Before>,
}

/// A journal, and what it knows already.
pub(crate) struct Opened {
    pub(crate) journal: Journal,
    pub(crate) settled: Settled,
    /// True if the import is resumed, false if it is new.
    pub(crate) resumed: bool,
    /// The unsettled users for which an earlier run may have done something, or whose requests may still be on their way.
    pub(crate) in_doubt: InDoubt,
    /// Bytes at the end that were torn, and are gone.
    pub(crate) torn: u64,
}

impl Journal {
    /// Begins a journal, or resumes one, with the failed list that belongs to it. Called when all that can be checked
    /// has been, just before anything is sent.
    ///
    /// # Errors
    /// See `JournalError`. Nothing is changed then.
    pub(crate) fn open(
        path: &Path,
        identity: &Identity,
        failed: &Path,
    ) -> Result<Opened, JournalError> {
        let mut file = match lock_file(path, &JOURNAL)? {
            LockResult::Locked(file) => file,
            LockResult::HeldElsewhere(mut file) => {
                return Err(JournalError::Busy {
                    path: path.to_owned(),
                    holder: header::holder(&start_of(&mut file).unwrap_or_default()),
                });
            }
        };
        let is_list = file.is_at(failed);
        if is_list.map_err(DiskError::denied(failed, "opened"))? {
            undo(&mut file, path, &[]);
            return Err(JournalError::Same {
                path: path.to_owned(),
            });
        }
        let known = match known(&mut file.file, path)? {
            Some(known) if known.has_settled_users() => known,
            earlier => return begin(file, path, identity, failed, earlier),
        };
        if let Some(difference) = identity.difference(&known.identity) {
            return Err(JournalError::Other {
                path: path.to_owned(),
                difference,
            });
        }
        let in_doubt = known.in_doubt_for(identity);
        let blocks = known.blocks;
        let counters = blocks.counters;
        let mut failed = FailedList::resume(failed, blocks.failed, path)?;
        failed.stay_empty(known.stays.list);
        let writer = match Writer::spawn(path, Pace::USUAL) {
            Ok(writer) => writer,
            Err(denied) => {
                let _ = failed.close();
                return Err(denied.into());
            }
        };
        // what is torn stays until a block is in its place: it says that any user may be in doubt
        file.file
            .write_all_at(&header::this_process(), header::HOLDER_AT as u64)
            .and_then(|()| file.file.seek(SeekFrom::Start(blocks.end)))
            .map_err(DiskError::denied(path, "written"))?;
        let mut files = Files {
            path: path.to_owned(),
            journal: Box::new(file),
            stays_empty: known.stays.journal,
            end: blocks.end,
            failed,
        };
        files.resume(&counters, known.torn)?;
        Ok(Opened {
            journal: Journal {
                writer: writer.begin(files, counters, true),
                before: None,
            },
            settled: blocks.settled,
            resumed: true,
            in_doubt,
            torn: known.torn,
        })
    }

    /// Records users as done. Waits while the disk is two seconds behind.
    ///
    /// # Errors
    /// If the journal or the failed list could not be written, now or earlier: the import must stop.
    pub(crate) fn done(&self, positions: impl IntoIterator<Item = u64>) -> Result<(), DiskError> {
        self.writer.done(positions)
    }

    /// Records a user as failed, with a line for each change that is not done. Waits and fails as `done`.
    ///
    /// # Panics
    /// If there is no line: a user who is in no list would be lost in silence.
    pub(crate) fn failed(&self, position: u64, changes: &[FailedChange]) -> Result<(), DiskError> {
        assert!(!changes.is_empty(), "user {position} failed at nothing");
        self.writer.failed(position, changes)
    }

    /// Sets the counters of this run. They go to the disk with the next users who are settled.
    pub(crate) fn count(&self, of_this_run: Counters) {
        self.writer.count(of_this_run);
    }

    /// The counters of all runs of this import.
    pub(crate) fn counters(&self) -> Counters {
        self.writer.counters()
    }

    /// # Errors
    /// The first error of the disk, if there was one.
    pub(crate) fn check(&self) -> Result<(), DiskError> {
        self.writer.check()
    }

    /// Waits until all that was confirmed survives a power cut.
    ///
    /// # Errors
    /// As `done`.
    pub(crate) fn flush(&self) -> Result<(), DiskError> {
        self.writer.flush()
    }

    /// The lines for which the disk had no room, once it has failed: they are in no list.
    pub(crate) fn unwritten_failures(&self) -> Vec<u8> {
        self.writer.unwritten_failures()
    }

    /// Ends this run, to be resumed. `in_doubt` are the unsettled users for which something may have been done.
    /// `held_back` may add users to the list who are not settled: they are cut off when the import is resumed. If no
    /// user is settled or in doubt there is nothing to resume, and no journal stays. Returns true if one does.
    ///
    /// # Errors
    /// If what was confirmed last could not be written, or a file not removed; or the error of `held_back`.
    pub(crate) fn close<E: From<DiskError>>(
        self,
        in_doubt: InDoubt,
        held_back: impl FnOnce(&mut FailedList) -> Result<(), E>,
    ) -> Result<bool, E> {
        let counters = self.counters();
        let (mut files, begun) = self.writer.end()?;
        let stays = begun || !in_doubt.is_empty();
        let same = |before: &Before| !begun && before.in_doubt == in_doubt;
        match self.before {
            Some(before) if stays && same(&before) => files.put_back(&before.bytes)?,
            _ if stays => files.write_end(&counters, in_doubt)?,
            _ => {}
        }
        let held_back = held_back(&mut files.failed);
        files.close(!stays)?;
        held_back.map(|()| stays)
    }

    /// Ends the import: all is settled, and the journal is removed. The list of who failed stays, if any user did.
    ///
    /// # Errors
    /// As `close`. The journal is still there then, and the same command finds nothing left to send.
    pub(crate) fn finish(self) -> Result<(), DiskError> {
        let (files, _) = self.writer.end()?;
        files.close(true)
    }
}

/// Leaves a file as it was found. The error to report is why, and not what may go wrong with this.
fn undo(file: &mut LockedFile, path: &Path, before: &[u8]) {
    let _ = match file.found {
        ownership::Found::Nothing => file.remove(path),
        // where it could only be written in place
        _ if start_of(&mut file.file).is_ok_and(|now| now.is_empty()) && !before.is_empty() => {
            file.put(before, path, true)
        }
        _ => Ok(()),
    };
}

/// Begins a journal in a file that holds no settled user. `earlier` is the journal of a run that settled none: it stays
/// until nothing can refuse this run any more.
fn begin(
    mut file: LockedFile,
    path: &Path,
    identity: &Identity,
    failed: &Path,
    earlier: Option<Known>,
) -> Result<Opened, JournalError> {
    let before = earlier
        .as_ref()
        .map(|it| Before::read(&file.file, it, identity))
        .transpose()
        .map_err(DiskError::denied(path, "read"))?;
    let stays = earlier.map_or_else(
        || Stays {
            journal: file.found == ownership::Found::Empty,
            list: is_empty_file(failed),
        },
        |it| it.stays,
    );
    let header = header::header(identity, stays);
    let old = before.as_ref().map_or(&[][..], |it| &it.bytes);
    let mut failed = FailedList::open(failed).inspect_err(|_| undo(&mut file, path, old))?;
    failed.stay_empty(stays.list);
    let ready = Writer::spawn(path, Pace::USUAL).and_then(|writer| {
        let put = file.put(&header, path, stays.journal);
        put.map(|()| writer)
            .map_err(DiskError::denied(path, "written"))
    });
    let writer = match ready {
        Ok(writer) => writer,
        Err(denied) => {
            let _ = failed.close();
            undo(&mut file, path, old);
            return Err(denied.into());
        }
    };
    let files = Files {
        path: path.to_owned(),
        journal: Box::new(file),
        stays_empty: stays.journal,
        end: header.len() as u64,
        failed,
    };
    let in_doubt = before.as_ref().map(|it| it.in_doubt.clone());
    Ok(Opened {
        journal: Journal {
            writer: writer.begin(files, Counters::default(), false),
            before,
        },
        settled: Settled::none(identity.users),
        resumed: false,
        in_doubt: in_doubt.unwrap_or_else(InDoubt::none),
        torn: 0,
    })
}
