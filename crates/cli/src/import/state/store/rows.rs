//! The tables of a store. Each has rows of one shape: a number, the content, and a checksum of both. The facts hold how
//! many rows a table has, and the sum of their checksums. So a changed byte, a missing row and one that is there twice are
//! found, which SQLite alone does not see.

use std::hash::Hasher;

use rusqlite::{Connection, Result, ffi};
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

/// A table, by its name and its statement, to the letter.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
}

macro_rules! table {
    ($name:literal, $content:literal) => {
        Table {
            name: $name,
            sql: concat!(
                "CREATE TABLE ",
                $name,
                "(id INTEGER PRIMARY KEY, ",
                $content,
                " NOT NULL, checksum INTEGER NOT NULL) STRICT"
            ),
        }
    };
}

/// One row: what the import is of, and how far it is, as JSON.
pub(super) const FACTS: Table = table!("facts", "facts TEXT");
/// Which users are settled or in doubt: a row for each block of them.
pub(super) const USERS: Table = table!("users", "bits BLOB");
/// The lines of users who failed for good.
pub(super) const FAILED: Table = table!("failed", "lines TEXT");
/// The lines of users who failed and are tried again by the next run.
pub(super) const HELD_BACK: Table = table!("held_back", "lines TEXT");

pub(super) const TABLES: [&Table; 4] = [&FACTS, &USERS, &FAILED, &HELD_BACK];

/// The bytes of lines that make a row of their own.
pub(super) const LINES_AT_MOST: usize = 512 * 1024;

/// All rows of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rows {
    pub(super) count: u64,
    sum: u64,
}

impl Rows {
    /// Writes a row. `old` is the checksum of the one that it replaces. Returns that of the new one.
    pub(super) fn put(
        &mut self,
        connection: &Connection,
        table: &Table,
        id: i64,
        content: &dyn rusqlite::ToSql,
        (bytes, old): (&[u8], Option<u64>),
    ) -> Result<u64> {
        let checksum = checksum(table, id, bytes);
        let sql = format!("REPLACE INTO {} VALUES (?1, ?2, ?3)", table.name);
        connection.execute(&sql, rusqlite::params![id, content, as_integer(checksum)])?;
        self.count += u64::from(old.is_none());
        self.sum = self
            .sum
            .wrapping_sub(old.unwrap_or(0))
            .wrapping_add(checksum);
        Ok(checksum)
    }

    /// Removes all rows.
    pub(super) fn clear(&mut self, connection: &Connection, table: &Table) -> Result<()> {
        *self = Rows::default();
        connection.execute(&format!("DELETE FROM {}", table.name), [])?;
        Ok(())
    }
}

/// Reads all rows of a table: number, content and checksum. `each` returns false for content that imtag did not write.
pub(super) fn read(
    connection: &Connection,
    table: &Table,
    mut each: impl FnMut(i64, &[u8], u64) -> bool,
) -> Result<Rows> {
    let mut read = Rows::default();
    let mut statement = connection.prepare(&format!("SELECT * FROM {} ORDER BY id", table.name))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, written): (i64, i64) = (row.get(0)?, row.get(2)?);
        let content = row.get_ref(1)?.as_bytes().map_err(|_| damaged())?;
        let checksum = checksum(table, id, content);
        if as_integer(checksum) != written || !each(id, content, checksum) {
            return Err(damaged());
        }
        read.count += 1;
        read.sum = read.sum.wrapping_add(checksum);
    }
    Ok(read)
}

/// Cuts lines into what a row takes: those of one user alone may be more.
pub(super) fn pieces(mut lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_end = |byte: &u8| *byte == b'\n';
    std::iter::from_fn(move || {
        let most = &lines[..lines.len().min(LINES_AT_MOST)];
        let last = most.iter().rposition(is_end);
        let end = last.or_else(|| lines.iter().position(is_end))?;
        let (piece, rest) = lines.split_at(end + 1);
        lines = rest;
        Some(piece)
    })
}

fn checksum(table: &Table, id: i64, content: &[u8]) -> u64 {
    let mut hasher = XxHash3_64::with_seed(u64::from_ne_bytes(id.to_ne_bytes()));
    hasher.write(table.name.as_bytes());
    hasher.write(content);
    hasher.finish()
}

/// SQLite's integers have a sign.
fn as_integer(checksum: u64) -> i64 {
    i64::from_ne_bytes(checksum.to_ne_bytes())
}

/// As SQLite says it of a page.
pub(super) fn damaged() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), None)
}
