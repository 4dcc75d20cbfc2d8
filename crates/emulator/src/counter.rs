//! `users.last`, beside the users' database: the id of its last row.
//!
//! It is written over after each request, so a kill leaves it right or behind. Where it is ahead, rows are gone: SQLite
//! drops what comes after a damaged part of its log without a word, and misses no log that is not there.
//!
//! In place of a number it says `reset` while the database is to be put anew, whatever is in it: a reset is done once
//! that is on the disk.
//!
//! It is locked from the start to the end, before anything else in the folder is looked at. So a reset replaces no files
//! of an emulator that runs, also on a network file system, where folders have no locks.

use std::fmt::Display;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::error::DataError;
use crate::folder::{Folder, USERS_LAST};

pub(crate) const RESET: &str = "reset";
/// What it says is as long each time, so that one can be written over another at once.
const BYTES: usize = 20;

pub(crate) struct Counter {
    path: PathBuf,
    /// None where a person removed it, until the folder is taken: one that is refused stays as it is.
    file: Option<File>,
}

impl Counter {
    /// The one of a folder, and what it says. A new folder gets one, before any other file: whatever stops this start,
    /// the next one goes on.
    pub(crate) fn open(folder: &Folder) -> Result<(Counter, Option<String>), DataError> {
        let mut counter = Counter {
            path: folder.files.file(USERS_LAST),
            file: None,
        };
        counter.take(folder)?;
        if folder.is_new() {
            counter.make(folder, RESET)?;
        }
        let mut says = [0; BYTES];
        counter.with(|file| file.read_at(&mut says, 0).map(drop), "read")?;
        let says = String::from_utf8_lossy(&says);
        // A person may have written it, and shorter.
        let says = says.trim_matches([' ', '\n', '\0']).to_owned();
        let says = counter.file.is_some().then_some(says);
        Ok((counter, says))
    }

    /// Makes one, on the disk too, where there is none.
    pub(crate) fn make(&mut self, folder: &Folder, says: impl Display) -> Result<(), DataError> {
        if self.file.is_none() {
            folder.files.write_new(USERS_LAST, text(says).as_bytes())?;
            self.take(folder)?;
        }
        Ok(())
    }

    fn take(&mut self, folder: &Folder) -> Result<(), DataError> {
        self.file = folder.files.own_file(USERS_LAST)?;
        let lock = |file| folder.files.lock_by(file);
        Ok(self.file.as_ref().map_or(Ok(()), lock)?)
    }

    pub(crate) fn write(&self, says: impl Display) -> Result<(), DataError> {
        self.with(|file| file.write_all_at(text(says).as_bytes(), 0), "write")
    }

    /// Brings what was written to the disk, where something else must not come there before it.
    pub(crate) fn sync(&self) -> Result<(), DataError> {
        self.with(File::sync_data, "write")
    }

    fn with(
        &self,
        act: impl FnOnce(&File) -> io::Result<()>,
        action: &'static str,
    ) -> Result<(), DataError> {
        let done = self.file.as_ref().map_or(Ok(()), act);
        done.map_err(|error| DataError::cannot(action, &self.path, error))
    }
}

fn text(says: impl Display) -> String {
    format!("{says:<0$}\n", BYTES - 1)
}

#[cfg(test)]
impl Counter {
    pub(crate) fn replace(&mut self, file: File) -> File {
        self.file.replace(file).unwrap()
    }
}
