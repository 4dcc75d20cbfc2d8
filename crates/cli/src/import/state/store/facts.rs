//! What a store says of its import and of its own rows, in one row of JSON.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::file::StoreFile;
use super::rows::{self, FACTS, FAILED, HELD_BACK, Rows, USERS, damaged};
use crate::import::state::failed_change::count_users;
use crate::import::state::identity::Identity;
use crate::ownership::whole::Known;

/// What is added up over all runs of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counters {
    pub(crate) requests: u64,
    pub(crate) retries: u64,
    pub(crate) splits: u64,
    pub(crate) elapsed: Duration,
}

impl Counters {
    pub(super) fn plus(self, more: Counters) -> Counters {
        Counters {
            requests: self.requests.saturating_add(more.requests),
            retries: self.retries.saturating_add(more.retries),
            splits: self.splits.saturating_add(more.splits),
            elapsed: self.elapsed.saturating_add(more.elapsed),
        }
    }
}

/// The most bytes of facts. The host is the longest of them, and messages name what differs.
const BYTES_AT_MOST: usize = 4096;

/// The content of that row.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Facts {
    pub(super) identity: Identity,
    pub(super) users_done: u64,
    pub(super) users_failed: u64,
    pub(super) users_held_back: u64,
    pub(super) counters: Counters,
    /// True while a run is at work, and after one that was killed: any user may be in doubt.
    pub(super) is_running: bool,
    /// True if the journal was there, empty, before the import began: it is emptied at its end, and not removed.
    pub(super) journal_was_empty: bool,
    /// The list that this import may replace: what it has written, or has found when it began.
    pub(super) list: Option<Known>,
    pub(super) users: Rows,
    pub(super) failed: Rows,
    pub(super) held_back: Rows,
}

impl Facts {
    pub(super) fn write(&self, transaction: &rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
        let text = serde_json::to_string(self).map_err(|_| damaged())?;
        // the one row of its table, whose checksum is no fact
        Rows::default().put(transaction, &FACTS, 1, &text, (text.as_bytes(), None))?;
        Ok(())
    }
}

/// Checks all that a store holds, and returns its facts; those of none, if no run has begun.
pub(super) fn checked(file: &StoreFile) -> rusqlite::Result<Facts> {
    file.check()?;
    let connection = &file.connection;
    let mut facts = None;
    let read = rows::read(connection, &FACTS, |id, text, _| {
        facts = serde_json::from_slice(text).ok();
        id == 1 && text.len() <= BYTES_AT_MOST && facts.is_some()
    })?;
    let facts: Facts = facts.unwrap_or_default();
    let users = rows::read(connection, &USERS, |_, _, _| true)?;
    let mut all_are = read.count <= 1 && users == facts.users;
    for (table, rows, users) in [
        (&FAILED, facts.failed, facts.users_failed),
        (&HELD_BACK, facts.held_back, facts.users_held_back),
    ] {
        let (mut listed, mut last) = (0, None);
        let read = rows::read(connection, table, |_, lines, _| {
            let users = count_users(lines, &mut last);
            listed += users.unwrap_or(0);
            users.is_some()
        })?;
        all_are &= read == rows && listed == users;
    }
    if all_are { Ok(facts) } else { Err(damaged()) }
}
