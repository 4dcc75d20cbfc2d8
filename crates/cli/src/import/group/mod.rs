//! Grouping: the rows of a file become its users, each with all changes to make, in bounded memory and in an order that
//! follows from the file and the limits: by partitions, and in each those with the most slots of a request first.
//!
//! ```text
//!       entry            partitions                grouper
//! row ─────────► bytes ─────────────► partition ──────────► users
//!       its tags         by the account's  │ ▲     by user, the last row on a tag wins
//!       numbered         hash              └─┘
//!                                          split again by more of the hash while it is too large
//! ```
//!
//! Partitions lie in memory, or in a spill file once there are many rows. Users can be read any number of times: once
//! to count them, once to send.

mod entry;
mod grouper;
mod interner;
mod partitions;
mod spill_file;

use std::path::PathBuf;

use imtag_core::Limits;

use crate::import::input::Row;
use crate::import::memory::Memory;
use grouper::Grouper;
use partitions::Partitions;

pub(crate) use grouper::{TagList, User};
pub(crate) use interner::Interner;
pub(crate) use spill_file::{SpillError, SpillFile};

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

/// The rows of a file, in its order.
pub(crate) struct CollectedRows {
    partitions: Partitions,
    tags: Interner,
    /// The row that is being added.
    row: Vec<u8>,
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

impl CollectedRows {
    /// Rows that do not fit into memory go to a temporary file in `folder`.
    pub(crate) fn new(memory: Memory, folder: PathBuf, limits: Limits) -> CollectedRows {
        CollectedRows {
            partitions: Partitions::new(memory.for_rows(), folder),
            tags: Interner::default(),
            row: Vec::new(),
            memory,
            limits,
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, row: &Row<'_>) -> Result<(), SpillError> {
        self.row.clear();
        entry::write(row, &mut self.tags, &mut self.row);
        self.partitions.add(row.account.as_bytes(), &self.row)
    }

    /// Ends the adding. Users can be read then.
    pub(crate) fn finish(&mut self) -> Result<(), SpillError> {
        self.partitions.finish()
    }

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
    /// If the temporary file cannot be read, or the rows of one account take too much memory.
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

    /// Groups the next partition; false after the last.
    fn next_group(&mut self) -> Result<bool, GroupError> {
        loop {
            let collected = &mut *self.collected;
            let (partitions, next) = match self.splits.last_mut() {
                Some((partitions, next)) => (partitions, next),
                None => (&mut collected.partitions, &mut self.next),
            };
            let at = *next;
            if at == partitions.count() {
                if self.splits.pop().is_none() {
                    return Ok(false);
                }
                continue;
            }
            *next += 1;
            if partitions.must_split(at) {
                let mut split = partitions.split(at)?;
                split.finish()?;
                self.splits.push((split, 0));
                continue;
            }
            self.at = 0;
            self.group.clear();
            fill(
                &mut self.group,
                partitions,
                at,
                collected.tags.len(),
                collected.memory,
            )?;
            self.group.finish(&collected.limits);
            return Ok(true);
        }
    }
}

/// Reads the rows of a partition into `group`. Numbers of tags are below `numbered`.
fn fill(
    group: &mut Grouper,
    partitions: &mut Partitions,
    at: usize,
    numbered: usize,
    memory: Memory,
) -> Result<(), GroupError> {
    let folder = partitions.folder().to_owned();
    partitions.read(at, |entry, _| {
        let added = group.add(entry, numbered);
        added.map_err(|source| SpillError::new(&folder, source))?;
        if group.is_full() {
            group.compact();
            if group.bytes() > memory.for_grouping() {
                let account = group.first_account().to_owned();
                return Err(GroupError::TooMuch { account, memory });
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests;
