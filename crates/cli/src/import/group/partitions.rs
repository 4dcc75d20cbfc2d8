//! Partitions: rows that wait are split by the hash of their account, so that each partition can be grouped by itself, in
//! little memory that fits the processor's cache.
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

use std::path::{Path, PathBuf};

use super::entry::{self, Entry};
use super::interner::hash;
use super::spill_file::{SpillError, SpillFile};

/// The bytes above which a partition is split. Fewer in tests, which need no millions of rows then.
const PARTITION: u64 = if cfg!(test) { 64 } else { 2 * 1024 } * 1024;

/// The partitions of one split.
const FAN_OUT: usize = 256;

/// The last level: it is split by 32 bits of the hash in all, which nearly no two accounts have in common.
const LEVELS: u32 = 4;

/// The first bit that splits. The hash table of the grouper uses those below, and the highest ones.
const FIRST_BIT: u32 = 24;

/// Rows, split by account.
pub(crate) struct Partitions {
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
    pub(crate) fn new(memory: usize, folder: PathBuf) -> Partitions {
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

    /// The number of partitions. Some may be empty.
    pub(crate) fn count(&self) -> usize {
        self.partitions.len()
    }

    /// The folder of the temporary file.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds the row of this account, as `entry` writes it.
    #[inline]
    pub(crate) fn add(&mut self, account: &[u8], row: &[u8]) -> Result<(), SpillError> {
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

    /// Ends the adding.
    pub(crate) fn finish(&mut self) -> Result<(), SpillError> {
        self.spill.finish()
    }

    pub(crate) fn must_split(&self, at: usize) -> bool {
        let partition = self.partitions[at];
        partition.bytes > PARTITION && partition.mixed && self.level < LEVELS
    }

    /// Splits the rows of a partition by the next bits of the hash.
    pub(crate) fn split(&mut self, at: usize) -> Result<Partitions, SpillError> {
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
    pub(crate) fn read<E: From<SpillError>>(
        &mut self,
        at: usize,
        mut take: impl FnMut(Entry<'_>, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let folder = &self.folder;
        self.spill.read(at, |mut rows| {
            while !rows.is_empty() {
                let before = rows;
                let entry = entry::take(&mut rows);
                let entry = entry.map_err(|source| SpillError::new(folder, source))?;
                take(entry, &before[..before.len() - rows.len()])?;
            }
            Ok(())
        })
    }
}
