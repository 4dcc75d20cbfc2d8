//! The database that is open: what is read of it, and how it is changed.

use std::time::Duration;

use imtag_local_server::KeptFiles;
use rusqlite::{Connection, ErrorCode, OptionalExtension};

use super::clock::{self, Clock, moment};
use super::facts::{Facts, count};
use super::file::StoreFile;
use crate::error::{OpenError, Refused};
use crate::id::ChangeId;
use crate::status::{Pause, PauseReason, Status};

/// A queue's file that is open.
pub(crate) struct Store {
    pub(super) file: StoreFile,
    facts: Facts,
    clock: Clock,
    age_before: i64,
}

/// Changes that become one commit.
pub(crate) struct Transaction<'s> {
    pub(super) connection: &'s Connection,
    pub(crate) facts: Facts,
    /// By the queue's clock.
    pub(super) now: i64,
}

impl Store {
    pub(crate) fn open(files: &KeptFiles, makes: bool) -> Result<Store, OpenError> {
        Store::open_at(files, makes, clock::now())
    }

    /// With the time that the machine's clock says.
    pub(super) fn open_at(
        files: &KeptFiles,
        makes: bool,
        machine: i64,
    ) -> Result<Store, OpenError> {
        let file = StoreFile::open(files, makes)?;
        let damaged = |_| OpenError::Damaged(file.path.clone());
        let facts = Facts::read(&file.connection).map_err(damaged)?;
        let stored = last_accepted(&file.connection).map_err(damaged)?;
        Ok(Store {
            clock: Clock::new(machine, stored),
            age_before: facts.age,
            facts,
            file,
        })
    }

    /// As they were committed.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// How long the queue has been open, over all starts: milliseconds.
    pub(super) fn age(&self) -> i64 {
        self.age_before.saturating_add(self.clock.since_opening())
    }

    /// Makes changes, which are on the disk when it returns. After an error there are none of them.
    pub(crate) fn commit<T>(
        &mut self,
        changes: impl FnOnce(&mut Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let transaction = self.file.connection.unchecked_transaction()?;
        let mut facts = self.facts;
        facts.age = self.age();
        let mut inner = Transaction {
            connection: &transaction,
            facts,
            now: self.clock.now(),
        };
        let value = changes(&mut inner)?;
        let facts = inner.facts;
        facts.write(&transaction)?;
        self.file.reserve()?;
        transaction.commit()?;
        self.facts = facts;
        Ok(value)
    }

    /// By the queue's clock.
    pub(super) fn now(&self) -> i64 {
        self.clock.now()
    }

    /// How long the first change that waits has waited.
    pub(crate) fn oldest(&self) -> rusqlite::Result<Option<Duration>> {
        let sql = "SELECT id FROM block ORDER BY id LIMIT 1";
        let mut first = self.file.connection.prepare_cached(sql)?;
        let first: Option<i64> = first.query_row([], |row| row.get(0)).optional()?;
        let Some(first) = first else {
            return Ok(None);
        };
        let post = ChangeId::from_key(first).post;
        let sql = "SELECT accepted FROM post WHERE id = ?1";
        let mut post_of = self.file.connection.prepare_cached(sql)?;
        let accepted = post_of.query_row([post.row()], |row| row.get(0));
        let accepted: Option<i64> = accepted.optional()?;
        let age = accepted.map(|it| count(self.clock.now().saturating_sub(it)));
        Ok(age.map(Duration::from_millis))
    }

    /// How it is, without what only the threads know.
    pub(crate) fn status(&self) -> Status {
        let facts = &self.facts;
        let operator = facts.paused.map(|since| Pause {
            reason: PauseReason::Operator,
            text: "an operator has paused it: resume it".to_owned(),
            since: moment(since),
        });
        Status {
            changes: count(facts.changes),
            bytes: count(facts.bytes),
            failures: count(facts.failures),
            file_bytes: self.file.bytes(),
            pauses: operator.into_iter().collect(),
            ..Status::default()
        }
    }

    pub(crate) fn free_bytes(&self) -> Option<u64> {
        self.file.free_bytes()
    }

    pub(crate) fn checkpoint(&self) -> rusqlite::Result<()> {
        self.file.checkpoint()
    }

    pub(crate) fn close(self) -> rusqlite::Result<()> {
        self.file.close()
    }
}

/// When the last post that is there was accepted.
fn last_accepted(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT accepted FROM post ORDER BY id DESC LIMIT 1";
    let last = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    Ok(last.unwrap_or(0))
}

/// As a caller hears of a commit that the disk, or the file, refuses.
pub(crate) fn refused(error: &rusqlite::Error) -> Refused {
    let reason = error.to_string();
    match error.sqlite_error() {
        // what was written may be on the disk all the same
        Some(error) if error.extended_code == rusqlite::ffi::SQLITE_IOERR_FSYNC => {
            Refused::InDoubt { reason }
        }
        _ => Refused::Disk { reason },
    }
}

/// As a caller hears of what cannot be read.
pub(crate) fn unreadable(error: &rusqlite::Error) -> Refused {
    Refused::Unreadable {
        reason: error.to_string(),
    }
}

/// True if the file itself is at fault, so that trying again does not help.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}
