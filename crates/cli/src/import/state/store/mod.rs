//! The store of an import, FILE.journal: who is settled and who failed, so that the same command goes on after any crash.
//! It is an SQLite database, held by one import at a time (`file`), of few rows with checksums (`rows`).
//!
//! ```text
//! done, failed ──► in memory ──► commit, half a second later, or at 512 KiB of lines ──► safe
//! ```
//!
//! - A user is recorded once the outcome is known. All other users are sent again, which does no harm.
//! - One commit holds who is settled, the lines of who failed, and what was counted: a crash, `kill -9` or power cut at
//!   any moment leaves all of it or nothing. It costs what was not committed: half a second's work, and the time of a commit.
//! - The list of who failed is written from here, see `failed_list`: when a run begins, and when it ends. The lines of users
//!   held back stay until a later run settles a user or holds one back.
//! - A journal of another input, or of other settings, is refused. One without a settled user is begun anew.
//! - If the disk takes no more, the import ends; nothing is written after that.

mod error;
mod facts;
mod file;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use imtag_transport::Effect;

pub(crate) use error::StoreError;
pub(crate) use facts::Counters;
pub(crate) use file::{BESIDE, JOURNAL, beside};

use facts::{Facts, checked};
use file::StoreFile;
use rows::{FAILED, HELD_BACK, LINES_AT_MOST, USERS, damaged, pieces};

use super::failed_change::FailedChange;
use super::identity::Identity;
use super::users::{Set, UserSets};
use crate::ownership::whole::{Known, is_filled_file};
use crate::ownership::{Found, UnusableFile};

/// How long what is confirmed waits before it is written.
const COMMITTED_AFTER: Duration = Duration::from_millis(500);

/// What the rows of users held back are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeldBack {
    /// Of the runs before: they stay until this one settles a user, or holds one back.
    Earlier,
    /// Of the runs before: the next commit replaces them.
    Replaced,
    /// Those that this store counts.
    Current,
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
    users_held_back: u64,
    held_back_rows: HeldBack,
    /// When the first of what is not written was confirmed.
    unsaved_since: Option<Instant>,
    /// True once the disk took no more.
    pub(crate) is_broken: bool,
}

impl Store {
    /// Opens the store of an import, or makes one. Nothing is changed that was there: see `begin`.
    ///
    /// # Errors
    /// See `StoreError`. All is as it was then.
    pub(crate) fn open(path: &Path, identity: Identity) -> Result<Store, StoreError> {
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
            store.held_back_rows = HeldBack::Replaced;
            store.users_held_back = 0;
        }
        if store.facts.identity == Identity::default() {
            store.facts.journal_was_empty = store.file.found != Found::Nothing;
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
                users_held_back: facts.users_held_back,
                held_back_rows: HeldBack::Current,
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
    /// If the disk takes nothing: all is as it was then, but that a journal that was there may say that a run was at work.
    pub(crate) fn begin(mut self) -> Result<Store, UnusableFile> {
        self.facts.is_running = true;
        self.users_held_back = 0;
        self.file.make_private();
        if let Err(error) = self.write_begin() {
            let denied = StoreError::writing(&self.file.path)(error);
            self.file.leave();
            return Err(denied);
        }
        // a log can be lost: the file alone has to say that any user may be in doubt
        if let Err(error) = self.file.checkpoint() {
            let denied = StoreError::writing(&self.file.path)(error);
            if self.file.found != Found::Filled {
                self.file.leave();
            }
            return Err(denied);
        }
        Ok(self)
    }

    fn write_begin(&mut self) -> rusqlite::Result<()> {
        let transaction = self.file.connection.unchecked_transaction()?;
        if self.held_back_rows == HeldBack::Replaced {
            self.facts.users_held_back = 0;
            self.facts.held_back.clear(&transaction, &HELD_BACK)?;
        }
        self.held_back_rows = HeldBack::Earlier;
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

    /// The list that is this import's; none if it is a new one.
    pub(crate) fn list(&self) -> Option<Known> {
        self.facts.list
    }

    /// Notes it, with the next commit.
    pub(crate) fn list_is(&mut self, list: Known) {
        self.facts.list = Some(list);
    }

    /// Users with lines: those who failed, and those held back.
    pub(crate) fn users_listed(&self) -> u64 {
        self.facts.users_failed + self.users_held_back
    }

    /// True once this run has settled a user or held one back: that replaces what the runs before held back.
    pub(crate) fn replaces_held_back(&self) -> bool {
        self.held_back_rows != HeldBack::Earlier
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
            change.write(&[], &mut self.failed);
        }
        self.settle(Set::Failed, position);
        self.commit_lines()
    }

    /// Records what is not done of a user who failed and is tried again by the next run. Unless `replaces`, the user is
    /// written only where another one has replaced those of the runs before.
    ///
    /// # Errors
    /// As `failed`.
    pub(crate) fn hold_back(
        &mut self,
        changes: &[FailedChange],
        replaces: bool,
    ) -> Result<(), UnusableFile> {
        if replaces {
            self.replace_held_back();
        }
        for change in changes {
            change.write(&[], &mut self.held_back);
        }
        self.users_held_back += 1;
        self.commit_lines()
    }

    fn replace_held_back(&mut self) {
        if self.held_back_rows == HeldBack::Earlier {
            self.held_back_rows = HeldBack::Replaced;
        }
    }

    fn settle(&mut self, set: Set, position: u64) {
        self.replace_held_back();
        self.users.add(set, position);
        (self.facts.users_done, self.facts.users_failed) = (self.users.done(), self.users.failed());
        self.changed.insert(position / UserSets::BLOCK);
        self.unsaved_since.get_or_insert_with(Instant::now);
    }

    fn commit_lines(&mut self) -> Result<(), UnusableFile> {
        let mut bytes = self.failed.len();
        if self.replaces_held_back() {
            bytes += self.held_back.len();
        }
        if bytes < LINES_AT_MOST {
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
        if self.replaces_held_back() {
            self.held_back.clear();
            self.held_back_rows = HeldBack::Current;
        }
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
        let mut tables = vec![(&FAILED, &mut facts.failed, &self.failed)];
        if self.held_back_rows == HeldBack::Replaced {
            facts.held_back.clear(&transaction, &HELD_BACK)?;
        }
        if self.held_back_rows != HeldBack::Earlier {
            facts.users_held_back = self.users_held_back;
            tables.push((&HELD_BACK, &mut facts.held_back, &self.held_back));
        }
        for (table, rows, lines) in tables {
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
        let is_current = self.held_back_rows == HeldBack::Current;
        for (table, expected, pending, has_rows) in [
            (&FAILED, facts.failed, &self.failed, true),
            (&HELD_BACK, facts.held_back, &self.held_back, is_current),
        ] {
            if has_rows {
                let mut result = Ok(());
                let read = rows::read(&self.file.connection, table, |_, lines, _| {
                    result = each(lines);
                    result.is_ok()
                });
                result?;
                if read.map_err(io::Error::other)? != expected && !self.is_broken {
                    return Err(io::Error::other(damaged()));
                }
            }
            each(pending)?;
        }
        Ok(())
    }

    /// True if a list holds these lines, or the start of them, and nothing else.
    pub(crate) fn lists_all_of(&self, mut list: &File) -> io::Result<bool> {
        let mut is_start = true;
        self.for_lines(&mut |lines| {
            let mut listed = Vec::with_capacity(lines.len());
            list.by_ref()
                .take(lines.len() as u64)
                .read_to_end(&mut listed)?;
            is_start &= lines.starts_with(&listed);
            Ok(())
        })?;
        Ok(is_start && list.read(&mut [0])? == 0)
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
        let is_over = nothing || self.users.are_settled() && is_listed;
        self.facts.is_running = self.any_in_doubt;
        self.commit()?;
        if is_over {
            // a kill may come after the log is removed: the file alone has to know the list then
            let whole = self.file.checkpoint();
            whole.map_err(StoreError::writing(&self.file.path))?;
            self.file.remove(self.facts.journal_was_empty)?;
        } else {
            self.file.close()?;
        }
        Ok(!is_over)
    }

    /// Closes a store that was opened for its list, as it was found.
    pub(crate) fn leave(self) {
        self.file.leave();
    }
}
