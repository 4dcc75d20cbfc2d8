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
//! kept when the process ends, also by `kill -9`. Beside the requests' rows all users are written again, block by block, as
//! many bytes as the requests write. After a round of that every user stands in a row of this round or later, and the
//! older rows are deleted. So there are never many more bytes than users, and no request waits long.
//!
//! The [`counter`](crate::counter) beside it has the id of the last row. A database that lacks rows is refused.
//!
//! A file that is refused stays as it is: what it is of is read before SQLite opens it, and SQLite changes nothing until
//! [`Disk::begin`].

use std::error::Error;
use std::fs;
use std::io::{self, Read};
use std::mem;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use imtag_local_server::KeptFilesError;
use imtag_wire::{Json, Value};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use zstd::bulk::Compressor;
use zstd::stream::read::Decoder;
use zstd::zstd_safe::CParameter;

use crate::counter::{Counter, RESET};
use crate::error::DataError;
use crate::folder::{Folder, USERS, USERS_LAST, USERS_LOG};
use crate::store::Store;

/// The whole schema: a file with another one is none of ours.
const TABLE: &str = "CREATE TABLE users(id INTEGER PRIMARY KEY, users BLOB)";
/// The lock stays until the database is closed, as this stands before all else. The log is brought into the file every
/// 4 MiB.
const SETTINGS: &str = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT; \
                        PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 1024; PRAGMA cache_size = -2048";
/// "imte", where SQLite files say what program they are of.
const APPLICATION_ID: &[u8; 4] = b"imte";
const SQLITE: &[u8; 16] = b"SQLite format 3\0";
/// What SQLite would take for an interrupted change. This database has no such file.
const ROLLBACK: &str = "users.db-journal";
/// Of a block's JSON, about.
const BLOCK_BYTES: usize = 64 * 1024;
/// Of a row's JSON. More than any request's users take: a file that is not right cannot ask for more memory.
const ROW_BYTES_AT_MOST: u32 = 32 << 20;
/// The fastest that makes JSON much smaller.
const LEVEL: i32 = 1;

/// The database, which no other process can open meanwhile.
pub(crate) struct Disk {
    /// None from a reset on, until the empty database is there.
    db: Option<Connection>,
    pub(crate) folder: Folder,
    counter: Counter,
    log: Log,
    packer: Compressor<'static>,
    /// The last account of the last block; none at the beginning of a round.
    block_end: Option<String>,
    /// The last row from before this round.
    before_round: i64,
    /// The last row. SQLite's own number counts rows too that a full disk did not take.
    last: i64,
    /// Bytes of JSON that requests wrote, and blocks did not yet.
    due: usize,
}

/// SQLite's log, and what becomes of it where the disk is dropped.
enum Log {
    /// The folder is not taken, and this start made the log: it is removed.
    New,
    /// The folder is not taken, and the log is another's: it stays.
    Found,
    /// The folder is taken: SQLite brings the log into the file and removes it.
    Used,
}

impl Disk {
    /// Opens the database of a folder, and reads all users; makes it where there is none.
    pub(crate) fn open(folder: Folder) -> Result<(Disk, Store), DataError> {
        let (counter, says) = Counter::open(&folder)?;
        let is_being_reset = says.as_deref() == Some(RESET);
        refuse_strangers(&folder, is_being_reset)?;
        let (path, has_log) = (
            folder.files.file(USERS),
            folder.files.file(USERS_LOG).exists(),
        );
        let packer = || {
            let mut packer = Compressor::new(LEVEL)?;
            packer.set_parameter(CParameter::ChecksumFlag(true))?;
            Ok(packer)
        };
        let mut disk = Disk {
            db: None,
            folder,
            counter,
            log: Log::Found,
            packer: packer().map_err(|error| DataError::cannot("use", &path, error))?,
            block_end: None,
            before_round: 0,
            last: 0,
            due: 0,
        };
        let mut read = || {
            let db = if is_being_reset {
                disk.put_empty()
            } else {
                connect(&path)
            };
            let db = db.map_err(|error| refusal(&path, error));
            // Else another emulator has made it meanwhile.
            if !has_log && !matches!(db, Err(DataError::Files(KeptFilesError::InUse { .. }))) {
                disk.log = Log::New;
            }
            disk.db = Some(db?);
            disk.check()?;
            disk.rows()
        };
        let store = read().map_err(|error| refusal(&path, error))?;
        let counter = disk.folder.files.file(USERS_LAST);
        let counted: i64 = match says.as_deref() {
            None | Some(RESET) => 0,
            Some(number) => number.parse().map_err(|_| DataError::NoNumber {
                path: counter.clone(),
            })?,
        };
        let lost = counted.saturating_sub(disk.last);
        if let Ok(lost @ 1..) = u64::try_from(lost) {
            return Err(DataError::Lost {
                path,
                lost,
                counter,
            });
        }
        Ok((disk, store))
    }

    /// The folder is taken: from now on its files may change.
    pub(crate) fn begin(&mut self) -> Result<(), DataError> {
        self.log = Log::Used;
        self.counter.make(&self.folder, self.last)
    }

    fn db(&mut self) -> Result<&Connection, Failure> {
        let db = match self.db.take() {
            Some(db) => db,
            None => self.put_empty()?,
        };
        Ok(self.db.insert(db))
    }

    fn check(&mut self) -> Result<(), Failure> {
        let db = self.db()?;
        let mut schema = db.prepare("SELECT sql FROM sqlite_schema LIMIT 2")?;
        let schema = schema.query_map([], |row| row.get(0))?;
        let schema: Vec<Option<String>> = schema.collect::<Result<_, _>>()?;
        if schema != [Some(TABLE.to_owned())] {
            return Err("it is no database of an emulator's users".into());
        }
        let check = "PRAGMA quick_check(1)";
        let found: String = db.query_row(check, [], |row| row.get(0))?;
        if found == "ok" {
            Ok(())
        } else {
            Err(found.into())
        }
    }

    fn rows(&mut self) -> Result<Store, Failure> {
        let mut store = Store::default();
        let db = self.db()?;
        let mut all = db.prepare("SELECT id, users FROM users ORDER BY id")?;
        let mut rows = all.query([])?;
        let mut text = Vec::new();
        let mut last = 0;
        while let Some(row) = rows.next()? {
            last = row.get(0)?;
            let packed = row.get_ref(1)?.as_blob()?;
            text.clear();
            let unpacked = Decoder::with_buffer(packed)?;
            let most = u64::from(ROW_BYTES_AT_MOST);
            unpacked.take(most + 1).read_to_end(&mut text)?;
            if text.len() as u64 > most {
                return Err("a row is longer than any request".into());
            }
            let json = Json::read(&text)?;
            read_row(&json, &mut store).ok_or("a row has no users")?;
        }
        drop(rows);
        drop(all);
        (self.before_round, self.last) = (last, last);
        store.unsaved = Some(Vec::new());
        Ok(store)
    }

    /// Keeps the users that were changed since this was last done, as they are now. What fails is done the next time.
    pub(crate) fn save(&mut self, store: &mut Store) -> Result<(), Failure> {
        let Some(accounts) = store.unsaved.take_if(|it| !it.is_empty()) else {
            return Ok(());
        };
        let appended = self.append_users(&accounts, store);
        let unsaved = if appended.is_err() {
            accounts
        } else {
            Vec::new()
        };
        store.unsaved = Some(unsaved);
        appended?;
        // The rows are there all the same; only their loss would not be noticed.
        let _ = self.counter.write(self.last);
        while self.due >= BLOCK_BYTES {
            self.write_block(store)?;
        }
        Ok(())
    }

    /// Appends users as they are, in one row; those of many changes that a full disk kept back may take several.
    fn append_users(&mut self, accounts: &[String], store: &mut Store) -> Result<(), Failure> {
        let mut row = Vec::new();
        for account in accounts {
            push_user(&mut row, account, store.tags(account).map(|tag| &**tag));
            if row.len() >= ROW_BYTES_AT_MOST as usize / 2 {
                self.due += self.append(mem::take(&mut row))?;
            }
        }
        if !row.is_empty() {
            self.due += self.append(row)?;
        }
        Ok(())
    }

    /// Writes the next users again, or ends the round.
    fn write_block(&mut self, store: &Store) -> Result<(), Failure> {
        let mut row = Vec::new();
        let mut end = None;
        for (account, tags) in store.users_after(self.block_end.as_deref()) {
            if row.len() >= BLOCK_BYTES {
                break;
            }
            push_user(&mut row, account, tags);
            end = Some(account.to_owned());
        }
        if end.is_some() {
            let written = self.append(row)?;
            self.due = self.due.saturating_sub(written);
        } else {
            let delete = "DELETE FROM users WHERE id <= ?1";
            let before_round = self.before_round;
            self.db()?.execute(delete, [before_round])?;
            self.before_round = self.last;
            self.due = 0;
        }
        self.block_end = end;
        Ok(())
    }

    /// Appends a row; answers the bytes of its JSON.
    fn append(&mut self, mut row: Vec<u8>) -> Result<usize, Failure> {
        row.push(b'}');
        if row.len() > ROW_BYTES_AT_MOST as usize {
            return Err("too many tags in one change".into());
        }
        let packed = self.packer.compress(&row)?;
        let insert = "INSERT INTO users(users) VALUES (?1)";
        let db = self.db()?;
        db.execute(insert, [packed])?;
        self.last = db.last_insert_rowid();
        Ok(row.len())
    }

    /// Forgets all users. Once that is marked it is done: what fails then is done before the disk is next used.
    pub(crate) fn reset(&mut self) -> Result<(), DataError> {
        self.counter.write(RESET)?;
        if let Err(error) = self.counter.sync() {
            // A mark that cannot be taken back holds, and so does that of an earlier reset.
            if self.db.is_some() && self.counter.write(self.last).is_ok() {
                return Err(error);
            }
        }
        self.db = None;
        self.block_end = None;
        (self.before_round, self.last, self.due) = (0, 0, 0);
        let _ = self.db();
        Ok(())
    }

    /// Puts an empty database in place of what is there. That is removed first, so a full disk takes it.
    fn put_empty(&self) -> Result<Connection, Failure> {
        for name in [USERS_LOG, USERS] {
            let path = self.folder.files.file(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(DataError::cannot("remove", &path, error).into());
                }
                _ => {}
            }
        }
        self.folder.files.write_new(USERS, &image()?)?;
        let db = connect(&self.folder.files.file(USERS))?;
        self.counter.write(0)?;
        // Where it fails, a power cut may bring the mark back. To give up here would leave neither mark nor database.
        let _ = self.counter.sync();
        Ok(db)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        match (&self.log, &self.db) {
            (Log::New, _) => {
                let _ = fs::remove_file(self.folder.files.file(USERS_LOG));
            }
            (Log::Used, Some(db)) => {
                let on_close = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
                let _ = db.set_db_config(on_close, false);
            }
            _ => {}
        }
    }
}

/// Refuses what is no emulator's before SQLite opens it, which would change it.
fn refuse_strangers(folder: &Folder, is_being_reset: bool) -> Result<(), DataError> {
    folder.files.refuse_link(USERS_LOG)?;
    let path = folder.files.file(USERS);
    let not_ours = |why: &str| {
        if folder.owner.is_some() {
            Err(refusal(&path, why.into()))
        } else {
            Err(folder.files.foreign().into())
        }
    };
    if folder.files.file(ROLLBACK).exists() {
        return not_ours("beside it is a journal of another program's");
    }
    let Some(users) = folder.files.own_file(USERS)? else {
        if is_being_reset {
            return Ok(());
        }
        return not_ours("it is not there, and the rest of the data is");
    };
    let mut start = [0; 72];
    let read = users.read_at(&mut start, 0);
    read.map_err(|error| DataError::cannot("read", &path, error))?;
    if !start.starts_with(SQLITE) || !start.ends_with(APPLICATION_ID) {
        return not_ours("it is no database of an emulator's users");
    }
    // The file is closed before SQLite opens it, whose lock ends with any handle of it that is closed.
    Ok(())
}

fn connect(path: &Path) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    // Links above the file are the caller's own.
    let db = Connection::open_with_flags(path.canonicalize()?, flags)?;
    db.busy_timeout(Duration::ZERO)?;
    db.set_limit(Limit::SQLITE_LIMIT_LENGTH, ROW_BYTES_AT_MOST as i32)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // A file that is refused stays as it is, and what is reset need not be brought into it.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    db.execute_batch(SETTINGS)?;
    Ok(db)
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
    let error = match error.downcast::<DataError>() {
        Ok(error) => return *error,
        Err(error) => error,
    };
    let error = match error.downcast::<KeptFilesError>() {
        Ok(error) => return (*error).into(),
        Err(error) => error,
    };
    let of_sqlite = error
        .downcast_ref()
        .and_then(rusqlite::Error::sqlite_error_code);
    match of_sqlite {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => KeptFilesError::InUse {
            server: "emulator",
            path: path.parent().unwrap_or(path).to_owned(),
        }
        .into(),
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

/// A database without users, as a file has it.
fn image() -> rusqlite::Result<Vec<u8>> {
    let memory = Connection::open_in_memory()?;
    let id = i32::from_be_bytes(*APPLICATION_ID);
    memory.execute_batch(&format!("PRAGMA application_id = {id}; {TABLE}"))?;
    let mut image = memory.serialize("main")?.to_vec();
    // Bytes 18 and 19 of the format say that it has a write-ahead log.
    image[18..20].fill(2);
    Ok(image)
}

/// Puts a user with its tags at the end of a row, which is JSON without the last brace.
fn push_user<'a>(row: &mut Vec<u8>, account: &str, tags: impl Iterator<Item = &'a str>) {
    row.push(if row.is_empty() { b'{' } else { b',' });
    let written = serde_json::to_writer(&mut *row, account).and_then(|()| {
        row.push(b':');
        serde_json::to_writer(row, &tags.collect::<Vec<_>>())
    });
    written.expect("strings are JSON");
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
