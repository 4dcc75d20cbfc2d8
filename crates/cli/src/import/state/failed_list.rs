//! The list of who failed, `FILE.failed.ndjson`: a line for each change that is not done, see `failed_change`. The store
//! has the lines; the list is written from it, whole.
//!
//! - It holds accounts and tags, and so is for its owner's eyes: mode 0600.
//! - No other file is ever written over: see `ownership`. Nor is a list that another import, or a person, has put there
//!   since this one began to read its input.

use std::io::Write;
use std::path::PathBuf;

use super::failed_change::is_list;
use super::store::Store;
use crate::ownership::whole::Stamp;
use crate::ownership::{FileKind, PRIVATE, UnusableFile};

/// The list, as imtag may write it.
pub(crate) const LIST: FileKind = FileKind {
    name: "a list of failed users",
    flag: "--failed",
    mode: PRIVATE,
    was_made_by_imtag: is_list,
};

/// The list of an import.
#[derive(Debug, Clone)]
pub(crate) struct FailedList {
    pub(crate) path: PathBuf,
    /// What an earlier import left there, and then what this one has written.
    seen: Option<Stamp>,
}

impl FailedList {
    pub(crate) fn new(path: PathBuf) -> FailedList {
        let seen = Stamp::at(&path);
        FailedList { path, seen }
    }

    /// Checks that the list may be written and can be.
    pub(crate) fn try_out(&self) -> Result<(), UnusableFile> {
        LIST.try_out(&self.path, self.seen)
    }

    /// Writes the list of all users who failed.
    pub(crate) fn write(&mut self, store: &Store) -> Result<(), UnusableFile> {
        let (path, same_file) = (&self.path, store.list_was_empty());
        self.seen = LIST.write(path, self.seen, same_file, &mut |file| {
            store.for_lines(&mut |lines| file.write_all(lines))
        })?;
        Ok(())
    }

    /// Removes the list, where it is that of an earlier import yet.
    pub(crate) fn remove(&self, store: &Store) -> Result<(), UnusableFile> {
        LIST.remove(&self.path, self.seen, store.list_was_empty())
    }
}
