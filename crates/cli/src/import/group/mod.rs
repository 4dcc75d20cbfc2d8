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
//!
//! Rows that wait are split by the hash of their account, so that each partition can be grouped by itself, in little memory
//! that fits the processor's cache.
//!
//! ```text
//! level 0   one partition, in the order of the file
//!             │ at more than PARTITION bytes, while rows are added: by 8 bits of the hash
//! level 1   256 partitions
//!             │ one that is still larger, when its turn comes to be grouped: by the next 8 bits
//! level 2   256 partitions of it …            up to level 4
//! ```
//!
//! The rows of one account are never split. The order of users follows from the file and the limits, never from the
//! memory that there is: a journal knows users by their positions in this order.

mod entry;
mod grouper;
mod interner;
mod spill_file;

use std::path::PathBuf;

use imtag_core::Limits;
use imtag_rows::Row;

use crate::import::memory::Memory;
use entry::Entry;
use grouper::Grouper;
use interner::hash;

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

/// The bytes above which a partition is split. Fewer in tests, which need no millions of rows then.
const PARTITION: u64 = if cfg!(test) { 64 } else { 2 * 1024 } * 1024;

/// The partitions of one split.
const FAN_OUT: usize = 256;

/// The last level: it is split by 32 bits of the hash in all, which nearly no two accounts have in common.
const LEVELS: u32 = 4;

/// The first bit that splits. The hash table of the grouper uses those below, and the highest ones.
const FIRST_BIT: u32 = 24;

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
        self.partitions.spill.finish()
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
            if at == partitions.partitions.len() {
                if self.splits.pop().is_none() {
                    return Ok(false);
                }
                continue;
            }
            *next += 1;
            if partitions.must_split(at) {
                let mut split = partitions.split(at)?;
                split.spill.finish()?;
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
    let folder = partitions.folder.clone();
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

/// Rows, split by account.
struct Partitions {
    level: u32,
    partitions: Vec<Partition>,
    spill: SpillFile,
    memory: usize,
    folder: PathBuf,
}

#[derive(Clone, Copy, Default)]
struct Partition {
    bytes: u64,
    /// The hash of its first account.
    hash: u64,
    /// True if an account has another hash. Without one there is nothing to split.
    mixed: bool,
}

impl Partitions {
    /// No rows yet. They take at most `memory` bytes of memory.
    fn new(memory: usize, folder: PathBuf) -> Partitions {
        Partitions::at_level(0, memory, memory, folder)
    }

    fn at_level(level: u32, memory: usize, left: usize, folder: PathBuf) -> Partitions {
        let count = if level == 0 { 1 } else { FAN_OUT };
        Partitions {
            level,
            partitions: vec![Partition::default(); count],
            spill: SpillFile::new(count, left, &folder),
            memory,
            folder,
        }
    }

    /// Adds the row of this account, as `entry` writes it.
    #[inline]
    fn add(&mut self, account: &[u8], row: &[u8]) -> Result<(), SpillError> {
        if self.level == 0 && self.must_split(0) {
            *self = self.split(0)?;
        }
        let hash = hash(account);
        let at = match self.level {
            0 => 0,
            level => (hash >> (FIRST_BIT + 8 * (level - 1))) as usize % FAN_OUT,
        };
        let partition = &mut self.partitions[at];
        if partition.bytes == 0 {
            partition.hash = hash;
        }
        partition.mixed |= partition.hash != hash;
        partition.bytes += row.len() as u64;
        self.spill.add(at, row)
    }

    fn must_split(&self, at: usize) -> bool {
        let partition = self.partitions[at];
        partition.bytes > PARTITION && partition.mixed && self.level < LEVELS
    }

    /// Splits the rows of a partition by the next bits of the hash.
    fn split(&mut self, at: usize) -> Result<Partitions, SpillError> {
        // the rows are held twice while both are there
        let left = self.memory.saturating_sub(self.spill.held());
        let left = match self.level {
            0 => self.memory,
            _ => left.max(self.memory / 4),
        };
        let mut split =
            Partitions::at_level(self.level + 1, self.memory, left, self.folder.clone());
        self.read(at, |entry, row| split.add(entry.account, row))?;
        Ok(split)
    }

    /// Reads the rows of a partition in the order in which they came.
    fn read<E: From<SpillError>>(
        &mut self,
        at: usize,
        mut take: impl FnMut(Entry<'_>, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let folder = &self.folder;
        self.spill.read(at, |mut rows| {
            while !rows.is_empty() {
                let before = rows;
                let entry = entry::take(&mut rows);
                let entry = entry.ok_or_else(entry::changed);
                let entry = entry.map_err(|source| SpillError::new(folder, source))?;
                take(entry, &before[..before.len() - rows.len()])?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
