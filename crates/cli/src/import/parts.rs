//! Dealing out: rows that wait are put into parts by their account, so that each part can be grouped by itself in
//! little memory, and in memory that the processor has near.
//!
//! Few rows are one part, and so stay in the order of the file. As soon as they are more than [`PART`] bytes they are
//! dealt out to 256 parts by eight bits of the account's hash, and a part that is still larger is dealt out again by
//! the next eight bits, when it is its turn. All of this follows from the file alone, and never from how much memory
//! there is: a journal knows users by their positions in this order.

use std::path::{Path, PathBuf};

use super::entry::{self, Entry};
use super::names::hash;
use super::spool::{Spool, SpoolError};

/// Bytes that are grouped at once. Fewer in tests, so that they need not make millions of rows.
const PART: u64 = if cfg!(test) { 64 } else { 2 * 1024 } * 1024;

/// To so many parts at a time.
const FAN_OUT: usize = 256;

/// How often: by 32 bits in all. Accounts that are the same in these are the same account, or nearly all of them.
const LEVELS: u32 = 4;

/// The hash table of a group looks at the lowest and the highest bits, which are left to it.
const FIRST_BIT: u32 = 24;

/// Rows, dealt out.
pub(crate) struct Parts {
    level: u32,
    parts: Vec<Part>,
    spool: Spool,
    memory: usize,
    folder: PathBuf,
}

#[derive(Clone, Copy, Default)]
struct Part {
    bytes: u64,
    /// Of the first account.
    hash: u64,
    /// Whether any other hash is there: what is of one account cannot be dealt out.
    mixed: bool,
}

impl Parts {
    /// No rows yet. They take so much memory at most.
    pub(crate) fn new(memory: usize, folder: PathBuf) -> Parts {
        Parts::of_level(0, memory, memory, folder)
    }

    fn of_level(level: u32, memory: usize, left: usize, folder: PathBuf) -> Parts {
        let parts = if level == 0 { 1 } else { FAN_OUT };
        Parts {
            level,
            parts: vec![Part::default(); parts],
            spool: Spool::new(parts, left, &folder),
            memory,
            folder,
        }
    }

    /// How many parts there are. Some may be empty.
    pub(crate) fn count(&self) -> usize {
        self.parts.len()
    }

    /// Where what does not fit into memory goes.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds the row of this account, as `entry` writes it.
    #[inline]
    pub(crate) fn add(&mut self, account: &[u8], row: &[u8]) -> Result<(), SpoolError> {
        if self.level == 0 && self.is_to_be_dealt_out(0) {
            *self = self.deal_out(0)?;
        }
        let hash = hash(account);
        let at = match self.level {
            0 => 0,
            level => (hash >> (FIRST_BIT + 8 * (level - 1))) as usize % FAN_OUT,
        };
        let part = &mut self.parts[at];
        if part.bytes == 0 {
            part.hash = hash;
        }
        part.mixed |= part.hash != hash;
        part.bytes += row.len() as u64;
        self.spool.add(at, row)
    }

    /// Nothing is added after it.
    pub(crate) fn finish(&mut self) -> Result<(), SpoolError> {
        self.spool.finish()
    }

    pub(crate) fn is_to_be_dealt_out(&self, at: usize) -> bool {
        let part = self.parts[at];
        part.bytes > PART && part.mixed && self.level < LEVELS
    }

    /// The rows of a part, dealt out by the next bits.
    pub(crate) fn deal_out(&mut self, at: usize) -> Result<Parts, SpoolError> {
        // both are there for a while
        let left = self.memory.saturating_sub(self.spool.held());
        let left = match self.level {
            0 => self.memory,
            _ => left.max(self.memory / 4),
        };
        let mut parts = Parts::of_level(self.level + 1, self.memory, left, self.folder.clone());
        self.read(at, |entry, row| parts.add(entry.account, row))?;
        Ok(parts)
    }

    /// Reads the rows of a part in the order in which they came.
    pub(crate) fn read<E: From<SpoolError>>(
        &mut self,
        at: usize,
        mut take: impl FnMut(Entry<'_>, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let folder = &self.folder;
        self.spool.read(at, |mut piece| {
            loop {
                let before = piece;
                let entry = entry::next(&mut piece);
                let entry = entry.map_err(|source| SpoolError::of(folder, source))?;
                let Some(entry) = entry else {
                    return Ok(());
                };
                take(entry, &before[..before.len() - piece.len()])?;
            }
        })
    }
}
