//! The users on the disk, in a database of SQLite. All of them are in memory too: it is read at the start alone.
//!
//! It is one table. A row has some users, each with all the tags that it had when the row was written: JSON, packed by
//! zstd, with a checksum. What the last row of a user says counts.
//!
//! ```text
//! id    users
//! 41    {"user05":["a"],"user07":["a","vip"], …}      a block: the next users in the order of their accounts
//! 42    {"user19":["vip"],"user55":[]}                the users of a request; user55 has no tags any more
//! 43    {"user08":["b"], …}                           the next block
//! ```
//!
//! A request that changes users appends a row, which SQLite hands to the system before the request is answered: it is
//! kept when the process ends, also by `kill -9`. In between all users are written again, block by block: as many bytes
//! as the requests write. When a round of that is over, every user is in a row that is younger than its beginning, and
//! the older rows are deleted. So there are never many more bytes than users, and no request waits long.

use std::error::Error;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use zstd::bulk::Compressor;
use zstd::stream::read::Decoder;
use zstd::zstd_safe::CParameter;

use crate::error::DataError;
use crate::folder::{Folder, USERS, USERS_LOG};
use crate::json::{Json, Value};
use crate::store::Store;

/// The whole schema: a file with another one is none of ours.
const TABLE: &str = "CREATE TABLE users(id INTEGER PRIMARY KEY, users BLOB)";
/// The log is brought into the file every 4 MiB.
const SETTINGS: &str =
    "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 1024; PRAGMA cache_size = -2048;";
/// Of a block's JSON, about.
const BLOCK_BYTES: usize = 64 * 1024;
/// More than any request's users take: a file that is not right cannot ask for more memory.
const ROW_BYTES_AT_MOST: i32 = 256 << 20;
/// The fastest that makes JSON much smaller.
const LEVEL: i32 = 1;

/// The database, which no other process can open meanwhile.
pub(crate) struct Disk {
    db: Connection,
    path: PathBuf,
    packer: Compressor<'static>,
    /// The last account of the last block; none at the beginning of a round.
    block_end: Option<String>,
    /// The last row from before this round.
    before_round: i64,
    /// Bytes of JSON that requests wrote, and blocks did not yet.
    due: usize,
    /// Whether users are in the database that a reset has forgotten.
    outdated: bool,
}

impl Disk {
    /// Opens and locks the database of a folder; makes it where there is none.
    pub(crate) fn open(folder: &Folder) -> Result<Disk, DataError> {
        let path = folder.file(USERS);
        folder.refuse_link(USERS)?;
        folder.refuse_link(USERS_LOG)?;
        if !path.exists() {
            let made = make(folder, &path);
            made.map_err(|error| DataError::cannot("make", &path, io::Error::other(error)))?;
        }
        let open = || -> Result<Connection, Failure> {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX
                | OpenFlags::SQLITE_OPEN_NOFOLLOW;
            // Links above the file are the caller's own.
            let db = Connection::open_with_flags(path.canonicalize()?, flags)?;
            db.busy_timeout(Duration::ZERO)?;
            db.set_limit(Limit::SQLITE_LIMIT_LENGTH, ROW_BYTES_AT_MOST)?;
            db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
            // The lock stays until the database is closed, as this stands before all else.
            db.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")?;
            Ok(db)
        };
        let packer = || {
            let mut packer = Compressor::new(LEVEL)?;
            packer.set_parameter(CParameter::ChecksumFlag(true))?;
            Ok(packer)
        };
        Ok(Disk {
            db: open().map_err(|error| refusal(&path, error))?,
            packer: packer().map_err(|error| DataError::cannot("use", &path, error))?,
            path,
            block_end: None,
            before_round: 0,
            due: 0,
            outdated: false,
        })
    }

    /// Reads all users.
    pub(crate) fn read(&mut self) -> Result<Store, DataError> {
        let read = self.check().and_then(|()| self.rows());
        read.map_err(|error| refusal(&self.path, error))
    }

    fn check(&self) -> Result<(), Failure> {
        let mut schema = self.db.prepare("SELECT sql FROM sqlite_schema LIMIT 2")?;
        let schema = schema.query_map([], |row| row.get(0))?;
        let schema: Vec<Option<String>> = schema.collect::<Result<_, _>>()?;
        if schema != [Some(TABLE.to_owned())] {
            return Err("it is no database of an emulator's users".into());
        }
        self.db.execute_batch(SETTINGS)?;
        let check = "PRAGMA quick_check(1)";
        let found: String = self.db.query_row(check, [], |row| row.get(0))?;
        if found == "ok" {
            Ok(())
        } else {
            Err(found.into())
        }
    }

    fn rows(&mut self) -> Result<Store, Failure> {
        let mut store = Store::default();
        let mut all = self.db.prepare("SELECT id, users FROM users ORDER BY id")?;
        let mut rows = all.query([])?;
        let mut text = Vec::new();
        while let Some(row) = rows.next()? {
            self.before_round = row.get(0)?;
            let packed = row.get_ref(1)?.as_blob()?;
            text.clear();
            let unpacked = Decoder::with_buffer(packed)?;
            unpacked
                .take(ROW_BYTES_AT_MOST as u64)
                .read_to_end(&mut text)?;
            let json = Json::read(&text)?;
            read_row(&json, &mut store).ok_or("a row has no users")?;
        }
        store.unsaved = Some(Vec::new());
        Ok(store)
    }

    /// Keeps the users that were changed since this was last done, as they are now. What fails is done the next time.
    pub(crate) fn save(&mut self, store: &mut Store) -> Result<(), Failure> {
        if self.outdated {
            self.reset()?;
        }
        let Some(accounts) = store.unsaved.take_if(|it| !it.is_empty()) else {
            return Ok(());
        };
        let mut row = Row::default();
        for account in &accounts {
            row.push(account, store.tags(account).map(|tag| &**tag));
        }
        let appended = self.append(row);
        let unsaved = if appended.is_err() {
            accounts
        } else {
            Vec::new()
        };
        store.unsaved = Some(unsaved);
        self.due += appended?;
        while self.due >= BLOCK_BYTES {
            self.write_block(store)?;
        }
        Ok(())
    }

    /// Writes the next users again, or ends the round.
    fn write_block(&mut self, store: &Store) -> Result<(), Failure> {
        let mut row = Row::default();
        let mut end = None;
        for (account, tags) in store.users_after(self.block_end.as_deref()) {
            if row.0.len() >= BLOCK_BYTES {
                break;
            }
            row.push(account, tags);
            end = Some(account.to_owned());
        }
        if end.is_some() {
            let written = self.append(row)?;
            self.due = self.due.saturating_sub(written);
        } else {
            let delete = "DELETE FROM users WHERE id <= ?1";
            self.db.execute(delete, [self.before_round])?;
            self.before_round = self.db.last_insert_rowid();
            self.due = 0;
        }
        self.block_end = end;
        Ok(())
    }

    /// Appends a row; answers the bytes of its JSON.
    fn append(&mut self, row: Row) -> Result<usize, Failure> {
        let text = row.finish();
        let packed = self.packer.compress(&text)?;
        let insert = "INSERT INTO users(users) VALUES (?1)";
        self.db.execute(insert, [packed])?;
        Ok(text.len())
    }

    /// Forgets all users, and gives their space back. What fails is done with what is saved next.
    pub(crate) fn reset(&mut self) -> rusqlite::Result<()> {
        self.outdated = true;
        self.db.execute_batch("DELETE FROM users; VACUUM")?;
        self.outdated = false;
        (self.block_end, self.before_round, self.due) = (None, 0, 0);
        Ok(())
    }
}

/// Gives each user of a row the tags that it has there.
fn read_row(row: &Json<'_>, store: &mut Store) -> Option<()> {
    let Value::Object(users) = row.value() else {
        return None;
    };
    for (account, tags) in users.all() {
        let Value::List(tags) = tags else {
            return None;
        };
        let texts = tags.map(|tag| match tag {
            Value::Text(tag) => Some(tag),
            _ => None,
        });
        store.replace_texts(account, &texts.collect::<Option<Vec<_>>>()?);
    }
    Some(())
}

/// Why a database cannot be used: what SQLite or zstd says, or what is wrong with it.
type Failure = Box<dyn Error + Send + Sync>;

fn refusal(path: &Path, error: Failure) -> DataError {
    let of_sqlite = error
        .downcast_ref()
        .and_then(rusqlite::Error::sqlite_error_code);
    match of_sqlite {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => DataError::InUse {
            path: path.parent().unwrap_or(path).to_owned(),
        },
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory,
        ) => DataError::cannot("use", path, io::Error::other(error)),
        _ => DataError::Damaged {
            path: path.to_owned(),
            source: error,
        },
    }
}

/// Makes an empty database beside its place, so that it is there whole or not at all.
fn make(folder: &Folder, path: &Path) -> Result<(), Failure> {
    let new = folder.new_file(0o600)?.into_temp_path();
    let db = Connection::open(&new)?;
    db.execute_batch("PRAGMA journal_mode = WAL")?;
    db.execute_batch(TABLE)?;
    db.close().map_err(|(_, error)| error)?;
    match new.persist_noclobber(path) {
        Err(failed) if failed.error.kind() != io::ErrorKind::AlreadyExists => Err(failed.into()),
        _ => Ok(()),
    }
}

/// Users with their tags, as JSON.
#[derive(Default)]
struct Row(Vec<u8>);

impl Row {
    fn push<'a>(&mut self, account: &str, tags: impl Iterator<Item = &'a str>) {
        let text = &mut self.0;
        text.push(if text.is_empty() { b'{' } else { b',' });
        push_json(text, account);
        text.extend(b":[");
        for (at, tag) in tags.enumerate() {
            if at > 0 {
                text.push(b',');
            }
            push_json(text, tag);
        }
        text.push(b']');
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

fn push_json(text: &mut Vec<u8>, string: &str) {
    serde_json::to_writer(text, string).expect("strings are JSON");
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
