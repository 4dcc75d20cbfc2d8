//! The users of a file, each with all that is to be done, one after the other in an order that follows from the file
//! alone. They can be gone through as often as is wished: once to count, and once to send.

use std::io;
use std::path::PathBuf;

use imtag_core::Limits;

use super::change::Change;
use super::entry;
use super::group::{Group, User};
use super::memory::Memory;
use super::names::Names;
use super::parts::Parts;
use super::spool::SpoolError;

/// For what is written to an output while users are gone through.
impl From<GroupError> for io::Error {
    fn from(error: GroupError) -> io::Error {
        io::Error::other(error)
    }
}

/// Why rows cannot be put together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupError {
    /// The temporary file does not do its part.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Of one account there are so many tags.
    #[error(
        "the rows of {account:?} alone take more than a quarter of {memory}: give more (--memory), or leave most of \
         its tags out"
    )]
    TooMuch {
        /// The account.
        account: String,
        /// What there is.
        memory: Memory,
    },
}

/// Takes the rows of a file, in its order.
pub(crate) struct Gathering {
    parts: Parts,
    tags: Names,
    row: Vec<u8>,
    memory: Memory,
}

/// All rows of a file.
pub(crate) struct Gathered {
    parts: Parts,
    tags: Names,
    memory: Memory,
    limits: Limits,
}

/// The users, one after the other.
pub(crate) struct Users<'g> {
    gathered: &'g mut Gathered,
    /// The next part of all, and of those that are dealt out again.
    next: usize,
    again: Vec<(Parts, usize)>,
    group: Group,
    /// The next user of the group.
    at: usize,
    position: u64,
}

impl Gathering {
    /// What does not fit into memory goes to a temporary file in `folder`.
    pub(crate) fn new(memory: Memory, folder: PathBuf) -> Gathering {
        Gathering {
            parts: Parts::new(memory.for_rows(), folder),
            tags: Names::default(),
            row: Vec::new(),
            memory,
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, change: &Change<'_>) -> Result<(), SpoolError> {
        self.row.clear();
        entry::write(change, &mut self.tags, &mut self.row);
        self.parts.add(change.account.as_bytes(), &self.row)
    }

    pub(crate) fn finish(mut self, limits: Limits) -> Result<Gathered, SpoolError> {
        self.parts.finish()?;
        Ok(Gathered {
            parts: self.parts,
            tags: self.tags,
            memory: self.memory,
            limits,
        })
    }
}

impl Gathered {
    /// Begins with the first user.
    pub(crate) fn users(&mut self) -> Users<'_> {
        Users {
            gathered: self,
            next: 0,
            again: Vec::new(),
            group: Group::default(),
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
        let user = self.group.user(self.at, &self.gathered.tags);
        let position = self.position;
        self.at += 1;
        self.position += 1;
        Ok(Some((position, user)))
    }

    fn next_group(&mut self) -> Result<bool, GroupError> {
        loop {
            let Gathered { parts, .. } = &mut *self.gathered;
            let (parts, next) = match self.again.last_mut() {
                Some((parts, next)) => (parts, next),
                None => (parts, &mut self.next),
            };
            let at = *next;
            if at < parts.count() {
                *next += 1;
                if !parts.is_to_be_dealt_out(at) {
                    self.group(at)?;
                    return Ok(true);
                }
                let mut again = parts.deal_out(at)?;
                again.finish()?;
                self.again.push((again, 0));
            } else if self.again.pop().is_none() {
                return Ok(false);
            }
        }
    }

    /// Groups a part, of those that are dealt out again if there are any.
    fn group(&mut self, at: usize) -> Result<(), GroupError> {
        let Gathered {
            parts,
            tags,
            memory,
            limits,
        } = &mut *self.gathered;
        let parts = match self.again.last_mut() {
            Some((parts, _)) => parts,
            None => parts,
        };
        let group = &mut self.group;
        group.clear();
        self.at = 0;
        let folder = parts.folder().to_owned();
        parts.read(at, |entry, _| {
            let added = group.add(entry, tags.len());
            added.map_err(|source| SpoolError::of(&folder, source))?;
            if group.is_full() {
                group.thin_out();
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
