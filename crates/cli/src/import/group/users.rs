//! The users of a file, each with all changes to make, one after the other in an order that follows from the file
//! alone. They can be read any number of times: once to count them, once to send.

use std::io;
use std::path::PathBuf;

use imtag_core::Limits;

use super::entry;
use super::grouper::{Grouper, User};
use super::interner::Interner;
use super::partitions::Partitions;
use super::spill_file::SpillError;
use crate::import::input::change::Change;
use crate::import::memory::Memory;

/// For an output that is written while users are read.
impl From<GroupError> for io::Error {
    fn from(error: GroupError) -> io::Error {
        io::Error::other(error)
    }
}

/// Why rows cannot be put together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupError {
    /// The temporary file cannot be written or read.
    #[error(transparent)]
    SpillFile(#[from] SpillError),
    /// One account has too many tags.
    #[error(
        "the rows of {account:?} alone take more than a quarter of {memory}: give more (--memory), or leave most of \
         its tags out"
    )]
    TooMuch {
        /// The account.
        account: String,
        /// The memory of the import.
        memory: Memory,
    },
}

/// Collects the rows of a file, in its order.
pub(crate) struct Collector {
    partitions: Partitions,
    tags: Interner,
    row: Vec<u8>,
    memory: Memory,
}

/// All rows of a file.
pub(crate) struct CollectedRows {
    partitions: Partitions,
    tags: Interner,
    memory: Memory,
    limits: Limits,
}

/// The users, one after the other.
pub(crate) struct Users<'g> {
    collected: &'g mut CollectedRows,
    /// The next partition of the file, and of each that was split again: the innermost last.
    next: usize,
    splits: Vec<(Partitions, usize)>,
    group: Grouper,
    /// The next user of the group.
    at: usize,
    position: u64,
}

impl Collector {
    /// Rows that do not fit into memory go to a temporary file in `folder`.
    pub(crate) fn new(memory: Memory, folder: PathBuf) -> Collector {
        Collector {
            partitions: Partitions::new(memory.for_rows(), folder),
            tags: Interner::default(),
            row: Vec::new(),
            memory,
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, change: &Change<'_>) -> Result<(), SpillError> {
        self.row.clear();
        entry::write(change, &mut self.tags, &mut self.row);
        self.partitions.add(change.account.as_bytes(), &self.row)
    }

    pub(crate) fn finish(mut self, limits: Limits) -> Result<CollectedRows, SpillError> {
        self.partitions.finish()?;
        Ok(CollectedRows {
            partitions: self.partitions,
            tags: self.tags,
            memory: self.memory,
            limits,
        })
    }
}

impl CollectedRows {
    /// Reads the users from the first.
    pub(crate) fn users(&mut self) -> Users<'_> {
        Users {
            collected: self,
            next: 0,
            splits: Vec::new(),
            group: Grouper::default(),
            at: 0,
            position: 0,
        }
    }
}

impl Users<'_> {
    /// The next user and its position, counted from 0; `None` after the last.
    ///
    /// # Errors
    /// Where the temporary file cannot be read, or the rows of one account take too much memory.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, User<'_>)>, GroupError> {
        while self.at == self.group.count() {
            if !self.next_group()? {
                return Ok(None);
            }
        }
        let user = self.group.user(self.at, &self.collected.tags);
        let position = self.position;
        self.at += 1;
        self.position += 1;
        Ok(Some((position, user)))
    }

    fn next_group(&mut self) -> Result<bool, GroupError> {
        loop {
            let CollectedRows { partitions, .. } = &mut *self.collected;
            let (partitions, next) = match self.splits.last_mut() {
                Some((partitions, next)) => (partitions, next),
                None => (partitions, &mut self.next),
            };
            let at = *next;
            if at < partitions.count() {
                *next += 1;
                if !partitions.must_split(at) {
                    self.group(at)?;
                    return Ok(true);
                }
                let mut split = partitions.split(at)?;
                split.finish()?;
                self.splits.push((split, 0));
            } else if self.splits.pop().is_none() {
                return Ok(false);
            }
        }
    }

    /// Groups a partition: of the innermost split, or of the file.
    fn group(&mut self, at: usize) -> Result<(), GroupError> {
        let CollectedRows {
            partitions,
            tags,
            memory,
            limits,
        } = &mut *self.collected;
        let partitions = match self.splits.last_mut() {
            Some((partitions, _)) => partitions,
            None => partitions,
        };
        let group = &mut self.group;
        group.clear();
        self.at = 0;
        let folder = partitions.folder().to_owned();
        partitions.read(at, |entry, _| {
            let added = group.add(entry, tags.len());
            added.map_err(|source| SpillError::new(&folder, source))?;
            if group.is_full() {
                group.compact();
                if group.bytes() > memory.for_grouping() {
                    return Err(GroupError::TooMuch {
                        account: group.first_account().to_owned(),
                        memory: *memory,
                    });
                }
            }
            Ok(())
        })?;
        group.finish(limits);
        Ok(())
    }
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
