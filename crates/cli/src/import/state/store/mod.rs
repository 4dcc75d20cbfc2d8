//! The store of an import, FILE.journal: who is settled and who failed, so that the same command goes on after any crash.
//! It is an SQLite database, held by one import at a time (`file`), of few rows with checksums (`rows`).
//!
//! ```text
//! done, failed ──► in memory ──► commit, half a second later ──► safe
//! ```
//!
//! - A user is recorded once the outcome is known. All other users are sent again, which does no harm.
//! - One commit holds who is settled, the lines of who failed, and what was counted: a crash, `kill -9` or power cut at
//!   any moment leaves all of it or nothing. It costs what was not committed: half a second's work, and the time of a commit.
//! - The list of who failed is written from here, see `failed_list`: when a run begins, and when it ends.
//! - A journal of another input, or of other settings, is refused. One without a settled user is begun anew.
//! - If the disk takes no more, the import ends; nothing is written after that.

mod error;
mod file;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use imtag_transport::Effect;
use serde::{Deserialize, Serialize};

pub(crate) use error::StoreError;
pub(crate) use file::JOURNAL;

use file::StoreFile;
use rows::{FACTS, FAILED, HELD_BACK, LINES_AT_MOST, Rows, USERS, damaged, pieces};

use super::failed_change::{FailedChange, count_users};
use super::identity::Identity;
use super::users::{Set, UserSets};
use crate::ownership::whole::is_filled_file;
use crate::ownership::{Found, UnusableFile};

/// How long what is confirmed waits before it is written.
const COMMITTED_AFTER: Duration = Duration::from_millis(500);

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
    fn plus(self, more: Counters) -> Counters {
        Counters {
            requests: self.requests.saturating_add(more.requests),
            retries: self.retries.saturating_add(more.retries),
            splits: self.splits.saturating_add(more.splits),
            elapsed: self.elapsed.saturating_add(more.elapsed),
        }
    }
}

/// What a store says of its import, and of its own rows.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    identity: Identity,
    users_done: u64,
    users_failed: u64,
    users_held_back: u64,
    counters: Counters,
    /// True while a run is at work, and after one that was killed: any user may be in doubt.
    is_running: bool,
    /// Which of its files were there, empty, before the import began: they are emptied at its end, and not removed.
    journal_was_empty: bool,
    list_was_empty: bool,
    users: Rows,
    failed: Rows,
    held_back: Rows,
}

/// A store that is held by this import.
pub(crate) struct Store {
    file: StoreFile,
    facts: Facts,
    pub(crate) users: UserSets,
    /// True if an earlier run may have done something for any user.
    any_in_doubt: bool,
    /// Of the runs before this one.
    earlier: Counters,
    /// The checksum of each block of users that has a row.
    blocks: BTreeMap<u64, u64>,
    /// Blocks that are not written as they are.
    changed: BTreeSet<u64>,
    /// Lines that are not written yet.
    failed: Vec<u8>,
    held_back: Vec<u8>,
    /// When the first of what is not written was confirmed.
    unsaved_since: Option<Instant>,
    /// True once the disk took no more.
    is_broken: bool,
}

impl Store {
    /// Opens the store of an import, or makes one. Nothing is changed that was there: see `begin`.
    ///
    /// # Errors
    /// See `StoreError`. All is as it was then.
    pub(crate) fn open(path: &Path, identity: Identity, list: &Path) -> Result<Store, StoreError> {
        let mut store = Store::read(StoreFile::open(path)?)?;
        let reading = StoreError::reading(path);
        let same = store.facts.identity == identity;
        if store.facts.users_done > 0 || store.facts.users_failed > 0 {
            if let Some(difference) = identity.difference(&store.facts.identity) {
                store.file.leave();
                let path = path.to_owned();
                return Err(StoreError::Other { path, difference });
            }
        }
        store.users = UserSets::new(identity.users);
        if same {
            if let Err(error) = store.read_users() {
                store.file.leave();
                return Err(reading(error));
            }
        } else {
            // its numbers say nothing of this input's users
            store.any_in_doubt |= store.facts.users.count > 0;
        }
        if store.facts.identity == Identity::default() {
            store.facts.journal_was_empty = store.file.found == Found::Empty;
            store.facts.list_was_empty = list.is_file() && !is_filled_file(list);
        }
        if !store.is_resumed() {
            store.earlier = Counters::default();
        }
        store.facts.identity = identity;
        Ok(store)
    }

    /// Opens the store of an import for its list. Nothing is changed.
    pub(crate) fn open_existing(path: &Path) -> Result<Store, StoreError> {
        if is_filled_file(path) {
            Store::read(StoreFile::open(path)?)
        } else {
            Err(StoreError::Missing(path.to_owned()))
        }
    }

    /// Checks all that a store holds.
    fn read(file: StoreFile) -> Result<Store, StoreError> {
        match checked(&file) {
            Ok(facts) => Ok(Store {
                any_in_doubt: facts.is_running,
                earlier: facts.counters,
                users: UserSets::new(0),
                facts,
                file,
                blocks: BTreeMap::new(),
                changed: BTreeSet::new(),
                failed: Vec::new(),
                held_back: Vec::new(),
                unsaved_since: None,
                is_broken: false,
            }),
            Err(error) => {
                let error = StoreError::reading(&file.path)(error);
                file.leave();
                Err(error)
            }
        }
    }

    fn read_users(&mut self) -> rusqlite::Result<()> {
        let (users, blocks) = (&mut self.users, &mut self.blocks);
        let read = rows::read(&self.file.connection, &USERS, |id, bits, checksum| {
            let block = u64::try_from(id).unwrap_or(u64::MAX);
            blocks.insert(block, checksum);
            users.set_block(block, bits)
        })?;
        let counted = (users.done(), users.failed());
        if read == self.facts.users && counted == (self.facts.users_done, self.facts.users_failed) {
            Ok(())
        } else {
            Err(damaged())
        }
    }

    /// Writes that a run is at work, so that after a crash any user may be in doubt. Called when nothing can refuse this
    /// run any more.
    ///
    /// # Errors
    /// If the disk takes nothing: all is as it was then.
    pub(crate) fn begin(mut self) -> Result<Store, UnusableFile> {
        self.facts.is_running = true;
        self.facts.users_held_back = 0;
        self.file.make_private();
        if let Err(error) = self.write_begin() {
            let denied = StoreError::writing(&self.file.path)(error);
            self.file.leave();
            return Err(denied);
        }
        // a log can be lost: the file alone has to say that any user may be in doubt. What fails here leaves both
        let checkpoint = self.file.checkpoint();
        checkpoint.map_err(StoreError::writing(&self.file.path))?;
        Ok(self)
    }

    fn write_begin(&mut self) -> rusqlite::Result<()> {
        let transaction = self.file.connection.unchecked_transaction()?;
        self.facts.held_back.clear(&transaction, &HELD_BACK)?;
        if self.blocks.is_empty() {
            self.facts.users.clear(&transaction, &USERS)?;
        }
        self.facts.write(&transaction)?;
        transaction.commit()
    }

    /// True if earlier runs settled some users.
    pub(crate) fn is_resumed(&self) -> bool {
        self.users.settled() > 0
    }

    /// What earlier runs may have done for a user who is not settled.
    pub(crate) fn effect(&self, position: u64) -> Effect {
        if self.any_in_doubt || self.users.contains(Set::InDoubt, position) {
            Effect::PossiblyApplied
        } else {
            Effect::NotApplied
        }
    }

    /// Of users who are not settled, those that earlier runs may have changed.
    pub(crate) fn users_in_doubt(&self) -> u64 {
        if self.any_in_doubt {
            self.users.users() - self.users.settled()
        } else {
            self.users.in_doubt()
        }
    }

    /// True if the list was an empty file before the import began.
    pub(crate) fn list_was_empty(&self) -> bool {
        self.facts.list_was_empty
    }

    /// Users with lines: those who failed, and those held back.
    pub(crate) fn users_listed(&self) -> u64 {
        self.facts.users_failed + self.facts.users_held_back
    }

    /// Records a user as done.
    pub(crate) fn done(&mut self, position: u64) {
        self.settle(Set::Done, position);
    }

    /// Records a user as failed, with a line for each change that is not done.
    ///
    /// # Errors
    /// If there are many lines, and the disk does not take them.
    ///
    /// # Panics
    /// If there is no line: a user who is in no list would be lost in silence.
    pub(crate) fn failed(
        &mut self,
        position: u64,
        changes: &[FailedChange],
    ) -> Result<(), UnusableFile> {
        assert!(!changes.is_empty(), "user {position} failed at nothing");
        for change in changes {
            change.write(&mut self.failed);
        }
        self.settle(Set::Failed, position);
        self.commit_lines()
    }

    /// Records the changes that are not done of a user who failed, and is tried again by the next run.
    ///
    /// # Errors
    /// As `failed`.
    pub(crate) fn hold_back(&mut self, changes: &[FailedChange]) -> Result<(), UnusableFile> {
        for change in changes {
            change.write(&mut self.held_back);
        }
        self.facts.users_held_back += 1;
        self.commit_lines()
    }

    fn settle(&mut self, set: Set, position: u64) {
        self.users.add(set, position);
        (self.facts.users_done, self.facts.users_failed) = (self.users.done(), self.users.failed());
        self.changed.insert(position / UserSets::BLOCK);
        self.unsaved_since.get_or_insert_with(Instant::now);
    }

    fn commit_lines(&mut self) -> Result<(), UnusableFile> {
        if self.failed.len() + self.held_back.len() < LINES_AT_MOST {
            return Ok(());
        }
        self.commit()
    }

    /// Sets the counters of this run. They go to the disk with the next users who are settled.
    pub(crate) fn count(&mut self, of_this_run: Counters) {
        self.facts.counters = self.earlier.plus(of_this_run);
    }

    /// The counters of all runs of this import.
    pub(crate) fn counters(&self) -> Counters {
        self.facts.counters
    }

    /// The time until there is something to commit.
    pub(crate) fn until_commit(&self) -> Duration {
        match self.unsaved_since {
            Some(since) if !self.is_broken => COMMITTED_AFTER.saturating_sub(since.elapsed()),
            _ => Duration::MAX,
        }
    }

    /// Returns when all that was confirmed survives a power cut.
    ///
    /// # Errors
    /// If the disk does not take it: the import must end, and nothing more is written.
    pub(crate) fn commit(&mut self) -> Result<(), UnusableFile> {
        if self.is_broken {
            return Ok(()); // it was said
        }
        let written = self.write();
        self.is_broken = written.is_err();
        written.map_err(StoreError::writing(&self.file.path))?;
        self.unsaved_since = None;
        self.changed.clear();
        self.failed.clear();
        self.held_back.clear();
        Ok(())
    }

    fn write(&mut self) -> rusqlite::Result<()> {
        let facts = &mut self.facts;
        let transaction = self.file.connection.unchecked_transaction()?;
        for block in &self.changed {
            let bits = self.users.block(*block);
            let old = self.blocks.get(block).copied();
            let id = i64::try_from(*block).map_err(|_| damaged())?;
            let new = facts
                .users
                .put(&transaction, &USERS, id, &bits, (&bits, old))?;
            self.blocks.insert(*block, new);
        }
        for (table, rows, lines) in [
            (&FAILED, &mut facts.failed, &self.failed),
            (&HELD_BACK, &mut facts.held_back, &self.held_back),
        ] {
            for lines in pieces(lines) {
                let id = i64::try_from(rows.count).map_err(|_| damaged())?;
                let text = std::str::from_utf8(lines)?;
                rows.put(&transaction, table, id, &text, (lines, None))?;
            }
        }
        facts.write(&transaction)?;
        transaction.commit()
    }

    /// Reads the lines of all users who failed, piece by piece, also those that the disk did not take.
    ///
    /// # Errors
    /// If they cannot be read, or the first of `each`.
    pub(crate) fn for_lines(
        &self,
        each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let facts = &self.facts;
        for (table, expected, pending) in [
            (&FAILED, facts.failed, &self.failed),
            (&HELD_BACK, facts.held_back, &self.held_back),
        ] {
            let mut result = Ok(());
            let read = rows::read(&self.file.connection, table, |_, lines, _| {
                result = each(lines);
                result.is_ok()
            });
            result?;
            if read.map_err(io::Error::other)? != expected && !self.is_broken {
                return Err(io::Error::other(damaged()));
            }
            each(pending)?;
        }
        Ok(())
    }

    /// Adds users who are in doubt at the end of a run.
    pub(crate) fn add_in_doubt(&mut self, positions: impl IntoIterator<Item = u64>) {
        for position in positions {
            self.users.add(Set::InDoubt, position);
            self.changed.insert(position / UserSets::BLOCK);
        }
    }

    /// Ends this run. The store goes where nothing is to be resumed: if all users are settled and, where some failed, are
    /// in the list (`is_listed`); or if no user is settled or in doubt. Returns true if it stays.
    ///
    /// # Errors
    /// If the disk does not take what is to be written, or a file is not to be removed.
    pub(crate) fn close(mut self, is_listed: bool) -> Result<bool, UnusableFile> {
        if self.is_broken {
            return Ok(true); // as if it had been killed
        }
        let nothing = self.users.settled() == 0 && self.users_in_doubt() == 0;
        if nothing || self.users.are_settled() && is_listed {
            let was_empty = self.facts.journal_was_empty;
            self.file.remove(was_empty)?;
            return Ok(false);
        }
        self.facts.is_running = self.any_in_doubt;
        self.commit()?;
        self.file.close()?;
        Ok(true)
    }

    /// Closes a store that was opened for its list, as it was found.
    pub(crate) fn leave(self) {
        self.file.leave();
    }
}

impl Facts {
    fn write(&self, transaction: &rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
        let text = serde_json::to_string(self).map_err(|_| damaged())?;
        // the one row of its table, whose checksum is no fact
        Rows::default().put(transaction, &FACTS, 1, &text, (text.as_bytes(), None))?;
        Ok(())
    }
}

/// Checks all that a store holds, and returns its facts; those of none, if no run has begun.
fn checked(file: &StoreFile) -> rusqlite::Result<Facts> {
    file.check()?;
    let connection = &file.connection;
    let mut facts = None;
    let read = rows::read(connection, &FACTS, |id, text, _| {
        facts = serde_json::from_slice(text).ok();
        id == 1 && facts.is_some()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::input::Fingerprint;

    #[test]
    fn the_progress_of_a_million_users_takes_four_megabytes_at_most_and_is_read_as_it_was_written()
    {
        let folder = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        let path = folder.path().join("journal");
        let input = Fingerprint {
            digest: 1,
            bytes: 1,
        };
        let identity = || Identity::new(input, 1_000_000, Vec::new());
        let open = || Store::open(&path, identity(), &folder.path().join("list")).unwrap();
        let mut store = open().begin().unwrap();
        let mut most = 0;
        for user in 0..900_000 {
            store.done(user * 1_009 % 1_000_000);
            if user % 3_000 == 0 {
                store.commit().unwrap();
                let files = std::fs::read_dir(folder.path()).unwrap();
                most = most.max(files.map(|it| it.unwrap().metadata().unwrap().len()).sum());
            }
        }
        assert!(most <= 4_000_000, "{most}");
        assert!(store.close(false).unwrap());
        let store = open();
        assert_eq!((store.users.done(), store.users_in_doubt()), (900_000, 0));
    }
}
