//! What a queue counts, in one row that each commit writes.

use rusqlite::{Connection, Result, params};

/// A number that SQLite has, and is not below 0.
pub(crate) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Bytes of the file that a row takes beside what it holds, about: so that the limit of bytes is one of the disk also where
/// posts are small. Rows of posts that are settled do not count: they are few, and go by themselves.
pub(super) const POST_ROW: i64 = 20;
pub(super) const KEY_ROWS: i64 = 64;
pub(super) const FAILURE_ROW: i64 = 16;

/// Bytes of the file that a block of so many takes. One of more than half a page has the page alone, until it needs several.
pub(super) fn block_bytes(length: i64) -> i64 {
    const ROW: i64 = 14;
    const PAGE: i64 = 4_096;
    const USABLE: i64 = 4_088;
    let row = length.saturating_add(ROW);
    match USABLE / row.max(1) {
        0 => row,
        rows_per_page => PAGE / rows_per_page,
    }
}

/// The row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) next_post: i64,
    /// Changes without an outcome.
    pub(crate) changes: i64,
    /// Of posts that are not settled or have failures, of their keys and blocks, and of failures.
    pub(crate) bytes: i64,
    pub(crate) failures: i64,
    /// Posts that are settled and have no failure: those without a key, and with one.
    pub(crate) kept: [i64; 2],
    /// How long the queue has been open, over all starts: milliseconds. No step of a clock changes it.
    pub(crate) age: i64,
    /// When the operator has paused it, by the clock of the machine: milliseconds.
    pub(crate) paused: Option<i64>,
    /// False while changes may be on their way to the service.
    pub(crate) is_clean: bool,
}

impl Facts {
    pub(crate) fn read(connection: &Connection) -> Result<Facts> {
        let sql = "SELECT next_post, changes, bytes, failures, kept_posts, kept_keys, age, paused, is_clean FROM facts \
                   WHERE id = 1";
        connection.query_row(sql, [], |row| {
            Ok(Facts {
                next_post: row.get(0)?,
                changes: row.get(1)?,
                bytes: row.get(2)?,
                failures: row.get(3)?,
                kept: [row.get(4)?, row.get(5)?],
                age: row.get(6)?,
                paused: row.get(7)?,
                is_clean: row.get(8)?,
            })
        })
    }

    pub(crate) fn write(&self, connection: &Connection) -> Result<()> {
        let sql = "UPDATE facts SET next_post = ?1, changes = ?2, bytes = ?3, failures = ?4, kept_posts = ?5, \
                   kept_keys = ?6, age = ?7, paused = ?8, is_clean = ?9 WHERE id = 1";
        connection.prepare_cached(sql)?.execute(params![
            self.next_post,
            self.changes,
            self.bytes,
            self.failures,
            self.kept[0],
            self.kept[1],
            self.age,
            self.paused,
            self.is_clean,
        ])?;
        Ok(())
    }
}
