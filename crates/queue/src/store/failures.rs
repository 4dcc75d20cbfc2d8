//! Failures are read, and deleted once they are taken care of.

use rusqlite::{OptionalExtension, Result, Row};

use super::clock::moment;
use super::database::{Store, Transaction};
use super::facts::FAILURE_ROW;
use super::file::damaged;
use crate::change::Failure;
use crate::id::{ChangeId, PostId};

/// Of failures that are read at once: many callers may read some.
const BYTES_AT_ONCE: usize = 512 << 10;

impl Store {
    /// The failure of a change.
    pub(super) fn failure(&self, id: ChangeId) -> Result<Option<Failure>> {
        let sql = "SELECT id, at, failure FROM failure WHERE id = ?1";
        let mut its = self.file.connection.prepare_cached(sql)?;
        its.query_row([id.key()], read).optional()
    }

    /// Failures of changes behind one, in the order of these: at most so many, and no more once they have half a mebibyte.
    pub(crate) fn failures(&self, after: Option<ChangeId>, limit: usize) -> Result<Vec<Failure>> {
        let sql = "SELECT id, at, failure FROM failure WHERE id > ?1 ORDER BY id LIMIT ?2";
        let mut some = self.file.connection.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = some.query([after.map_or(-1, ChangeId::key), limit])?;
        let (mut failures, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            bytes += row.get_ref(2)?.as_blob()?.len();
            failures.push(read(row)?);
            if bytes >= BYTES_AT_ONCE {
                break;
            }
        }
        Ok(failures)
    }
}

fn read(row: &Row<'_>) -> Result<Failure> {
    let id = ChangeId::from_key(row.get(0)?);
    let failure = Failure::read(id, moment(row.get(1)?), row.get_ref(2)?.as_blob()?);
    failure.map_err(|_| damaged())
}

impl Transaction<'_> {
    /// Deletes the failures of these changes. Returns how many there were.
    pub(crate) fn delete_failures(&mut self, ids: &[ChangeId]) -> Result<u64> {
        let mut deleted = 0;
        let sql = "DELETE FROM failure WHERE id = ?1 RETURNING length(failure)";
        let mut delete = self.connection.prepare_cached(sql)?;
        for id in ids {
            let bytes: Option<i64> = delete.query_row([id.key()], |row| row.get(0)).optional()?;
            if let Some(bytes) = bytes {
                self.facts.failures -= 1;
                self.facts.bytes -= bytes + FAILURE_ROW;
                deleted += 1;
                self.failure_is_deleted(id.post)?;
            }
        }
        Ok(deleted)
    }

    fn failure_is_deleted(&mut self, post: PostId) -> Result<()> {
        let sql = "UPDATE post SET failures = failures - 1 WHERE id = ?1 RETURNING failures = 0 AND settled IS NOT NULL";
        let mut update = self.connection.prepare_cached(sql)?;
        let is_last = update
            .query_row([post.row()], |row| row.get(0))
            .optional()?;
        if is_last == Some(true) {
            self.post_is_settled(post)?;
        }
        Ok(())
    }
}
