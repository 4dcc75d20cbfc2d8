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
//! A file that is refused stays as it is: what it is of is read before SQLite opens it, and SQLite changes nothing until
//! [`Disk::begin`]. From then on the file says that a log is beside it, until it is closed.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
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
use crate::wal;

/// The whole schema: a file with another one is none of ours.
const TABLE: &str = "CREATE TABLE users(id INTEGER PRIMARY KEY, users BLOB)";
/// The log is brought into the file every 4 MiB. A change goes to the log as a whole, and never over a frame of its own:
/// a commit behind a wrong frame is damage.
const SETTINGS: &str = "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 1024; \
                        PRAGMA cache_size = -2048; PRAGMA cache_spill = OFF;";
/// "imte", where SQLite files say what program they are of.
const APPLICATION_ID: i32 = 0x696d_7465;
/// The file's user_version while a log belongs to it.
const LOGGED: i32 = 1;
/// What SQLite would take for an interrupted change. This database has no such file.
const ROLLBACK: &str = "users.db-journal";
const SQLITE: &[u8; 16] = b"SQLite format 3\0";
/// In place of that while the file is emptied.
const RESET: &[u8; 16] = b"imtag is reset.\0";
/// Of a block's JSON, about.
const BLOCK_BYTES: usize = 64 * 1024;
/// Of a row's JSON. More than any request's users take: a file that is not right cannot ask for more memory.
const ROW_BYTES_AT_MOST: i32 = 32 << 20;
/// The fastest that makes JSON much smaller.
const LEVEL: i32 = 1;

/// The database, which no other process can open meanwhile.
pub(crate) struct Disk {
    db: Connection,
    /// SQLite's lock of it ends with the first handle that is closed: so none is, while the database is open.
    file: File,
    path: PathBuf,
    log: PathBuf,
    /// The folder's lock, which stays while a reset opens the database again.
    _lock: File,
    is_new: bool,
    had_log: bool,
    has_begun: bool,
    packer: Compressor<'static>,
    /// The last account of the last block; none at the beginning of a round.
    block_end: Option<String>,
    /// The last row from before this round.
    before_round: i64,
    /// Bytes of JSON that requests wrote, and blocks did not yet.
    due: usize,
}

impl Disk {
    /// Opens and locks the database of a folder; makes it where there is none.
    pub(crate) fn open(folder: &Folder) -> Result<Disk, DataError> {
        let (path, log) = (folder.file(USERS), folder.file(USERS_LOG));
        folder.refuse_link(USERS)?;
        folder.refuse_link(USERS_LOG)?;
        let is_known = folder.owner()?.is_some();
        let cannot = |action, error| DataError::cannot(action, &path, error);
        let not_ours = |why: &str| {
            if is_known {
                refusal(&path, why.into())
            } else {
                folder.foreign()
            }
        };
        let (is_new, had_log) = (!path.exists(), log.exists());
        if is_new && (is_known || had_log) {
            return Err(not_ours("it is not there, and the rest of the data is"));
        }
        if folder.file(ROLLBACK).exists() {
            return Err(not_ours("beside it is a journal of another program's"));
        }
        if is_new {
            make(folder, &path).map_err(|error| cannot("make", io::Error::other(error)))?;
        }
        let packer = || {
            let mut packer = Compressor::new(LEVEL)?;
            packer.set_parameter(CParameter::ChecksumFlag(true))?;
            Ok(packer)
        };
        let in_memory = Connection::open_in_memory();
        let mut disk = Disk {
            db: in_memory.map_err(|error| cannot("use", io::Error::other(error)))?,
            file: folder.open_users()?,
            log,
            _lock: folder.lock().map_err(|error| cannot("use", error))?,
            is_new,
            had_log,
            has_begun: false,
            packer: packer().map_err(|error| cannot("use", error))?,
            block_end: None,
            before_round: 0,
            due: 0,
            path: path.clone(),
        };
        let start = disk.start().map_err(|error| cannot("read", error))?;
        let is_being_reset = start.starts_with(RESET);
        if word(&start, 68) != APPLICATION_ID || !(is_being_reset || start.starts_with(SQLITE)) {
            return Err(not_ours("it is no database of an emulator's users"));
        }
        if is_being_reset {
            let emptied = disk.empty();
            emptied.map_err(|error| cannot("empty", io::Error::other(error)))?;
        } else if word(&start, 60) == LOGGED && !had_log {
            let why = "users.db-wal, which has the last changes, is not there";
            return Err(not_ours(why));
        } else if had_log {
            let whole = File::open(&disk.log).and_then(|log| wal::is_whole(BufReader::new(log)));
            let damaged = "part of it is wrong, and what comes after that would be lost";
            if !whole.map_err(|error| DataError::cannot("read", &disk.log, error))? {
                return Err(refusal(&disk.log, damaged.into()));
            }
        }
        disk.db = connect(&path).map_err(|error| refusal(&path, error))?;
        Ok(disk)
    }

    /// The header of the file, and zeros where it is shorter.
    fn start(&self) -> io::Result<[u8; 72]> {
        let mut start = [0; 72];
        self.file.read_at(&mut start, 0)?;
        Ok(start)
    }

    /// The folder is taken: from now on its files may change.
    pub(crate) fn begin(&mut self) {
        self.has_begun = true;
        // On a full disk it fails. Then nothing says that the log belongs to the file.
        let _ = self.db.execute_batch(&format!(
            "PRAGMA user_version = {LOGGED}; PRAGMA wal_checkpoint(TRUNCATE)"
        ));
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
            let most = ROW_BYTES_AT_MOST as u64;
            unpacked.take(most + 1).read_to_end(&mut text)?;
            if text.len() as u64 > most {
                return Err("a row is longer than any request".into());
            }
            let json = Json::read(&text)?;
            read_row(&json, &mut store).ok_or("a row has no users")?;
        }
        store.unsaved = Some(Vec::new());
        Ok(store)
    }

    /// Keeps the users that were changed since this was last done, as they are now. What fails is done the next time.
    pub(crate) fn save(&mut self, store: &mut Store) -> Result<(), Failure> {
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
        if text.len() > ROW_BYTES_AT_MOST as usize {
            return Err("too many tags in one change".into());
        }
        let packed = self.packer.compress(&text)?;
        let insert = "INSERT INTO users(users) VALUES (?1)";
        self.db.execute(insert, [packed])?;
        Ok(text.len())
    }

    /// Forgets all users, and gives their space back: an empty database in place of this one. It needs no room, so a
    /// full disk takes it too.
    pub(crate) fn reset(&mut self) -> Result<(), DataError> {
        let reset = self.put_empty();
        reset.map_err(|error| DataError::cannot("empty", &self.path, io::Error::other(error)))
    }

    fn put_empty(&mut self) -> Result<(), Failure> {
        // It is done once this is written: after a kill the next start ends it.
        self.file.write_all_at(RESET, 0)?;
        self.file.sync_data()?;
        self.db = Connection::open_in_memory()?;
        self.empty()?;
        self.db = connect(&self.path)?;
        self.db.execute_batch(SETTINGS)?;
        (self.block_end, self.before_round, self.due) = (None, 0, 0);
        self.begin();
        Ok(())
    }

    /// Ends a reset. The database is closed meanwhile.
    fn empty(&self) -> Result<(), Failure> {
        let image = image()?;
        let (start, rest) = image.split_at(SQLITE.len());
        match fs::remove_file(&self.log) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        self.file.write_all_at(rest, start.len() as u64)?;
        self.file.set_len(image.len() as u64)?;
        self.file.sync_data()?;
        self.file.write_all_at(start, 0)?;
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let on_close = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        if self.has_begun {
            // The log goes when the file has all of it, and says so.
            let closed = self.db.execute_batch("PRAGMA user_version = 0");
            let _ = closed.and_then(|()| self.db.set_db_config(on_close, false));
            return;
        }
        if !self.had_log {
            let _ = fs::remove_file(&self.log);
        }
        if self.is_new {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn connect(path: &Path) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    // Links above the file are the caller's own.
    let db = Connection::open_with_flags(path.canonicalize()?, flags)?;
    db.busy_timeout(Duration::ZERO)?;
    db.set_limit(Limit::SQLITE_LIMIT_LENGTH, ROW_BYTES_AT_MOST)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // A file that is refused stays as it is, and one that is reset is not written by what it was.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // The lock stays until the database is closed, as this stands before all else.
    db.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")?;
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
    let mut new = folder.new_file(0o600)?;
    new.write_all(&image()?)?;
    new.as_file().sync_all()?;
    new.persist_noclobber(path)?;
    Ok(())
}

/// A database without users, as a file has it.
fn image() -> rusqlite::Result<Vec<u8>> {
    let memory = Connection::open_in_memory()?;
    memory.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID}; {TABLE}"
    ))?;
    let mut image = memory.serialize("main")?.to_vec();
    // Bytes 18 and 19 of the format say that it has a write-ahead log.
    image[18..20].fill(2);
    Ok(image)
}

fn word(start: &[u8], at: usize) -> i32 {
    let word = start[at..at + 4].try_into().expect("these are four bytes");
    i32::from_be_bytes(word)
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
