//! The file of a queue: an SQLite database of imtag's, with its write-ahead log (`-wal`) beside it, in a folder that the
//! daemon has locked.
//!
//! ```text
//! folder's lock ─► no links, header: a queue's? ─► the log gets its space ─► SQLite opens it, and locks it ─► tables
//!                                       └ no: refused, and nothing has changed
//! ```
//!
//! On a full disk outcomes are written all the same. The log has its space from the start, and keeps it; and what a commit
//! makes the file grow by is reserved before, so that the log can always be brought into the file.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use imtag_local_server::{KeptFiles, KeptFilesError};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::facts::count;
use crate::error::{FORMAT, OpenError};

/// "imtq", where SQLite files say what program they are of.
const APPLICATION_ID: i32 = 0x696d_7471;
const SQLITE: &[u8; 16] = b"SQLite format 3\0";

const FILE: &str = "queue.sqlite";
/// What SQLite has not brought into that file yet.
const LOG: &str = "queue.sqlite-wal";
/// What SQLite would take for an interrupted change. This queue has no such file.
const ROLLBACK: &str = "queue.sqlite-journal";

/// More than any row has. A length that a damaged file claims takes no more memory than this.
const LENGTH_AT_MOST: i32 = 64 << 20;

/// The log is brought into the file once it has so many pages of 4 KiB.
const LOG_PAGES: u32 = 2_048;

/// The space that the log keeps: what is brought into the file at once, and as much again for what is written until that
/// works.
const LOG_BYTES: u64 = 2 * 4_096 * LOG_PAGES as u64;

/// Bytes of the disk that the file is given at once, where it has as many.
const RESERVED_AT_ONCE: u64 = 1 << 20;

/// The tables, each by its statement to the letter.
const TABLES: [&str; 7] = [
    // one row: what is counted, so that no start reads all
    "CREATE TABLE facts(id INTEGER PRIMARY KEY, next_post INTEGER NOT NULL, changes INTEGER NOT NULL, \
     bytes INTEGER NOT NULL, failures INTEGER NOT NULL, kept_posts INTEGER NOT NULL, kept_keys INTEGER NOT NULL, \
     age INTEGER NOT NULL, paused INTEGER, is_clean INTEGER NOT NULL) STRICT",
    // `failures`: of its changes, those that have a row there; `kept`: settled and without these, 1 if it has a key
    "CREATE TABLE post(id INTEGER PRIMARY KEY, accepted INTEGER NOT NULL, changes INTEGER NOT NULL, \
     failures INTEGER NOT NULL, failed BLOB, deleted BLOB, settled INTEGER, kept INTEGER, key BLOB) STRICT",
    "CREATE INDEX kept_post ON post(kept, settled) WHERE kept IS NOT NULL",
    // at most a hundred changes of a post; none of which is settled, unless it is in `partly`
    "CREATE TABLE block(id INTEGER PRIMARY KEY, count INTEGER NOT NULL, changes BLOB NOT NULL) STRICT",
    "CREATE TABLE partly(id INTEGER PRIMARY KEY, settled BLOB NOT NULL) STRICT",
    "CREATE TABLE failure(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, failure BLOB NOT NULL) STRICT",
    "CREATE TABLE key(key BLOB PRIMARY KEY, body BLOB NOT NULL, post INTEGER NOT NULL) STRICT, WITHOUT ROWID",
];

/// The facts of an empty queue. The first post is 1.
const FIRST: &str = "INSERT INTO facts VALUES (1, 1, 0, 0, 0, 0, 0, 0, NULL, 1)";

/// How it is read and written: what is committed survives a power cut; the log keeps its space, and the memory is small. The
/// lock stays until it is closed, as it stands before all else.
const SETTINGS: &str = "
    PRAGMA hard_heap_limit = 67108864;
    PRAGMA locking_mode = EXCLUSIVE;
    BEGIN EXCLUSIVE; COMMIT;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -8192;
    PRAGMA cell_size_check = ON;
    PRAGMA mmap_size = 0;
    PRAGMA temp_store = MEMORY;";

/// A queue's file that this process has locked.
pub(crate) struct StoreFile {
    pub(crate) connection: Connection,
    // closed after it: SQLite's lock ends with any handle of the file that is closed
    file: File,
    /// Its length when that was last looked at, and how many bytes of the disk it has for sure.
    reserved: Cell<(u64, u64)>,
    pub(crate) path: PathBuf,
    folder: PathBuf,
    log: PathBuf,
}

impl StoreFile {
    /// Opens the file; makes it where there is none, if that is wanted. What is refused stays as it was.
    pub(crate) fn open(files: &KeptFiles, makes: bool) -> Result<StoreFile, OpenError> {
        let path = files.file(FILE);
        files.refuse_link(LOG)?;
        if fs::symlink_metadata(files.file(ROLLBACK)).is_ok() {
            return Err(OpenError::Foreign(path));
        }
        let found = match files.own_file(FILE)? {
            None if makes => {
                make(files)?;
                files.own_file(FILE)?
            }
            found => found,
        };
        let Some(file) = found else {
            return Err(OpenError::Missing(path));
        };
        check_header(&file, &path)?;
        let log = files.file(LOG);
        // on a full disk it goes on with what there is
        let _ = reserve_log(&log);
        let folder = files.path().canonicalize();
        let folder = folder.map_err(|error| KeptFilesError::cannot("open", &path, error))?;
        let connection = connect(&folder.join(FILE)).map_err(refusal(&path))?;
        let opened = StoreFile {
            connection,
            file,
            reserved: Cell::default(),
            path,
            folder,
            log,
        };
        opened.check().map_err(refusal(&opened.path))?;
        Ok(opened)
    }

    /// The tables are those of a queue. All pages are not read, as there may be gigabytes: SQLite finds what does not go
    /// together when it comes to it.
    fn check(&self) -> rusqlite::Result<()> {
        let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid";
        let mut statement = self.connection.prepare(sql)?;
        let found = statement.query_map([], |row| row.get::<_, String>(0))?;
        let found: Vec<String> = found.collect::<Result<_, _>>()?;
        if found == TABLES {
            Ok(())
        } else {
            Err(damaged())
        }
    }

    /// Free bytes of the disk, for this user; `None` where the system does not say.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.folder).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// What file and log take.
    pub(crate) fn bytes(&self) -> u64 {
        let length = |path: &Path| fs::metadata(path).map_or(0, |it| it.len());
        length(&self.path) + length(&self.log)
    }

    /// Has the disk's space for the file as it is with the changes of the open transaction.
    pub(crate) fn reserve(&self) -> rusqlite::Result<()> {
        let number = |sql| -> rusqlite::Result<u64> {
            let mut number = self.connection.prepare_cached(sql)?;
            number.query_row([], |row| row.get(0).map(count))
        };
        let needed = number("PRAGMA page_count")? * number("PRAGMA page_size")?;
        let length = self.file.metadata().map_or(0, |it| it.len());
        let (before, reserved) = self.reserved.get();
        // when the log is brought into the file, that is cut to what it needs
        let reserved = if length == before { reserved } else { length };
        self.reserved.set((length, reserved));
        if needed <= reserved {
            return Ok(());
        }
        for bytes in [needed.next_multiple_of(RESERVED_AT_ONCE), needed] {
            match fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, bytes) {
                Ok(()) => {
                    self.reserved.set((length, bytes));
                    return Ok(());
                }
                Err(Errno::NOSPC | Errno::DQUOT) => {}
                // not all file systems can
                Err(_) => return Ok(()),
            }
        }
        Err(refusal_of(rusqlite::ffi::SQLITE_FULL))
    }

    /// Brings the log into the file. The log keeps its space.
    pub(crate) fn checkpoint(&self) -> rusqlite::Result<()> {
        let sql = "PRAGMA wal_checkpoint(RESTART)";
        self.connection.query_row(sql, [], |_| Ok(()))
    }

    /// Puts all that the log holds into the file, which then stands alone.
    pub(crate) fn close(self) -> rusqlite::Result<()> {
        let on_close = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        let StoreFile {
            connection, file, ..
        } = self;
        connection.set_db_config(on_close, false)?;
        let closed = connection.close().map_err(|(_, error)| error);
        drop(file);
        closed
    }
}

/// Refuses what is no queue before SQLite opens it, which would change it.
fn check_header(file: &File, path: &Path) -> Result<(), OpenError> {
    let mut start = [0; 72];
    let read = file.read_at(&mut start, 0);
    read.map_err(|error| KeptFilesError::cannot("read", path, error))?;
    let number =
        |at: usize| i32::from_be_bytes([start[at], start[at + 1], start[at + 2], start[at + 3]]);
    if !start.starts_with(SQLITE) || number(68) != APPLICATION_ID {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    match number(60) {
        FORMAT => Ok(()),
        format => Err(OpenError::Format {
            path: path.to_owned(),
            format,
        }),
    }
}

/// Makes an empty queue. It is a whole one from the first moment that SQLite sees it.
fn make(files: &KeptFiles) -> Result<(), OpenError> {
    let log = files.file(LOG);
    // else SQLite would take what it holds for changes of the new file
    match fs::remove_file(&log) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(KeptFilesError::cannot("remove", &log, error).into());
        }
        _ => {}
    }
    let image = image().map_err(refusal(&files.file(FILE)))?;
    Ok(files.write_new(FILE, &image)?)
}

fn image() -> rusqlite::Result<Vec<u8>> {
    let memory = Connection::open_in_memory()?;
    memory.execute_batch(&format!(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};"
    ))?;
    for table in TABLES {
        memory.execute_batch(table)?;
    }
    memory.execute_batch(FIRST)?;
    let mut image = memory.serialize("main")?.to_vec();
    // bytes 18 and 19 of the format say that it has a write-ahead log
    image[18..20].fill(2);
    Ok(image)
}

/// Gives the log its space. SQLite sees zeros behind what it has written as nothing.
fn reserve_log(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut log = options.create(true).append(true).mode(0o600).open(path)?;
    let length = log.metadata()?.len();
    if length >= LOG_BYTES {
        return Ok(());
    }
    if fallocate(&log, FallocateFlags::empty(), length, LOG_BYTES - length).is_ok() {
        return Ok(());
    }
    let zeros = vec![0; 64 << 10];
    let mut left = LOG_BYTES - length;
    while left > 0 {
        let part = usize::try_from(left).map_or(zeros.len(), |left| left.min(zeros.len()));
        log.write_all(&zeros[..part])?;
        left -= part as u64;
    }
    log.sync_all()
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::ZERO)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LENGTH_AT_MOST)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // a file that is refused stays as it is
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch(SETTINGS)?;
    connection.execute_batch(&format!(
        "PRAGMA wal_autocheckpoint = {LOG_PAGES}; PRAGMA journal_size_limit = {LOG_BYTES};"
    ))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// For what SQLite says when it opens a file.
fn refusal(path: &Path) -> impl Fn(rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    move |error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::InUse(path.clone()),
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::DiskFull
            | ErrorCode::OutOfMemory
            | ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure,
        ) => OpenError::Denied {
            path: path.clone(),
            reason: error.to_string(),
        },
        _ => OpenError::Damaged(path.clone()),
    }
}

/// As SQLite says it of a page.
pub(crate) fn damaged() -> rusqlite::Error {
    refusal_of(rusqlite::ffi::SQLITE_CORRUPT)
}

fn refusal_of(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
}
