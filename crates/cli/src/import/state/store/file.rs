//! The file of a store: an SQLite database of imtag's, with its write-ahead log (`-wal`) beside it. This import alone has
//! it, by a lock that ends with the process, however that ends.
//!
//! ```text
//! lock ─► header, -wal: imtag's? ─► SQLite opens it ─► tables, pages ─► the store reads its rows
//!                     └ no: refused, and nothing has changed
//! ```
//!
//! The lock is that of SQLite (POSIX), so that SQLite's own tools keep out too. The process loses it when it closes any
//! other handle of the file: so none is opened while the store is open.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use rustix::process::{Flock, FlockType, fcntl_getlk};

use super::error::{FORMAT, StoreError};
use super::rows::{TABLES, damaged};
use crate::ownership::{FileKind, Found, PRIVATE, UnusableFile, folder_of, is_at, whole};

/// The journal, as imtag may write it: that of an earlier version is known, too, and refused by its own name.
pub(crate) const JOURNAL: FileKind = FileKind {
    name: "a journal of an import",
    flag: "--journal",
    mode: PRIVATE,
    was_made_by_imtag: |file| Ok(!matches!(Start::read(file)?, Start::Foreign)),
};

/// SQLite's log beside it. One of another program stays.
const WAL: FileKind = FileKind {
    name: "SQLite's log of a journal",
    was_made_by_imtag: |file| {
        let start = start_of::<4>(file)?;
        Ok([[0x37, 0x7f, 0x06, 0x82], [0x37, 0x7f, 0x06, 0x83]].contains(&start))
    },
    ..JOURNAL
};

/// What SQLite would take for an interrupted change of the journal. This store has no such file.
const ROLLBACK: FileKind = FileKind {
    name: "SQLite's rollback file of a journal",
    was_made_by_imtag: |_| Ok(false),
    ..JOURNAL
};

/// What a program that reads the journal may make beside it. This store has no such file.
const SHARED_MEMORY: FileKind = FileKind {
    name: "SQLite's shared memory of a journal",
    ..ROLLBACK
};

/// What SQLite keeps beside the journal, by what it adds to its name.
pub(crate) const BESIDE: [(&str, FileKind); 3] = [
    ("-wal", WAL),
    ("-journal", ROLLBACK),
    ("-shm", SHARED_MEMORY),
];

/// "imtg", where SQLite files say what program they are of.
const APPLICATION_ID: i32 = 0x696d_7467;

/// The longest path that SQLite takes is 512 bytes, with what it adds.
const PATH_AT_MOST: usize = 500;

/// A row has at most half of it. A length that a damaged file claims takes no more memory than this.
const LENGTH_AT_MOST: i32 = 2 << 20;

/// How a store is read and written: all that is committed survives a power cut; file and log stay small, as does the memory.
const SETTINGS: &str = "
    PRAGMA hard_heap_limit = 67108864;
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 256;
    PRAGMA journal_size_limit = 1048576;
    PRAGMA cache_size = -1024;
    PRAGMA cell_size_check = ON;
    PRAGMA mmap_size = 0;
    PRAGMA temp_store = MEMORY;";

/// What the start of a file says.
enum Start {
    Store {
        format: i32,
    },
    /// The journal of a version of imtag that had none.
    Earlier,
    Foreign,
}

impl Start {
    fn read(file: &File) -> io::Result<Start> {
        let start = start_of::<72>(file)?;
        let number = |at: usize| {
            let bytes = start[at..at + 4].try_into().expect("these are four bytes");
            i32::from_be_bytes(bytes)
        };
        Ok(if start.starts_with(b"imtag journal\n") {
            Start::Earlier
        } else if start.starts_with(b"SQLite format 3\0") && number(68) == APPLICATION_ID {
            Start::Store { format: number(60) }
        } else {
            Start::Foreign
        })
    }
}

/// The first bytes of a file, and zeros where it has fewer.
fn start_of<const BYTES: usize>(file: &File) -> io::Result<[u8; BYTES]> {
    let mut start = [0; BYTES];
    file.read_at(&mut start, 0)?;
    Ok(start)
}

/// A store's file that this process has locked.
pub(super) struct StoreFile {
    // dropped first: the lock ends with the first handle that is closed
    pub(super) connection: Connection,
    file: File,
    pub(super) path: PathBuf,
    wal: PathBuf,
    /// What was there before.
    pub(super) found: Found,
    had_wal: bool,
}

impl StoreFile {
    /// Opens the file, and makes it where there is none. What was there is as it was.
    pub(super) fn open(path: &Path) -> Result<StoreFile, StoreError> {
        let denied = |what| UnusableFile::denied(path, what);
        let wal = beside(path, "-wal");
        WAL.check(&wal)?;
        ROLLBACK.check(&beside(path, "-journal"))?;
        loop {
            let (mut file, found) = lock(path)?;
            match found {
                Found::Filled => match Start::read(&file).map_err(denied("read"))? {
                    Start::Store { format: FORMAT } => {}
                    Start::Store { format: version } => {
                        let path = path.to_owned();
                        return Err(StoreError::Version { path, version });
                    }
                    Start::Earlier => return Err(StoreError::Earlier(path.to_owned())),
                    Start::Foreign => JOURNAL.check_content(path, &mut file)?,
                },
                Found::Nothing | Found::Empty => {
                    // else SQLite would take what it holds for changes of the new file
                    remove_log(&wal)
                        .and_then(|()| begin(&file, path))
                        .map_err(|error| {
                            undo(&file, path, found);
                            denied("written")(error)
                        })?;
                }
            }
            let had_wal = wal.exists();
            let connection = connect(path).inspect_err(|_| undo(&file, path, found))?;
            let opened = StoreFile {
                connection,
                file,
                path: path.to_owned(),
                wal: wal.clone(),
                found,
                had_wal,
            };
            // another program may have put another file there
            if is_at(&opened.file, path).map_err(denied("opened"))? {
                return Ok(opened);
            }
        }
    }

    /// Checks all that SQLite can check: the tables are those of a store, and its pages go together.
    pub(super) fn check(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch(SETTINGS)?;
        let sql = "SELECT type, name, sql FROM sqlite_schema ORDER BY rowid";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        for table in TABLES {
            let Some(row) = rows.next()? else {
                return Err(damaged());
            };
            let texts: (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if (texts.0.as_str(), texts.1.as_str(), texts.2.as_str())
                != ("table", table.name, table.sql)
            {
                return Err(damaged());
            }
        }
        if rows.next()?.is_some() {
            return Err(damaged());
        }
        let first = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
        let says = self
            .connection
            .query_row("PRAGMA integrity_check(1)", [], first)?;
        if says == "ok" { Ok(()) } else { Err(damaged()) }
    }

    /// Makes file and log private, before they hold an account: SQLite gave the log the mode of the file.
    pub(super) fn make_private(&self) {
        JOURNAL.make_private(&self.file);
        let log = WAL.open_existing(&self.wal, OpenOptions::new().read(true));
        if let Ok(Some(log)) = log {
            WAL.make_private(&log);
        }
    }

    /// Puts all that the log holds into the file.
    pub(super) fn checkpoint(&self) -> rusqlite::Result<()> {
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.connection.query_row(sql, [], |_| Ok(()))
    }

    /// Leaves it as it was found.
    pub(super) fn leave(self) {
        if !self.had_wal {
            let _ = remove_log(&self.wal);
        }
        undo(&self.file, &self.path, self.found);
    }

    /// Removes it; or empties it, where an empty file was there before.
    pub(super) fn remove(self, was_empty: bool) -> Result<(), UnusableFile> {
        // the log first: while the file has its path, no other import makes a log
        let removed = remove_log(&self.wal).and_then(|()| {
            if was_empty {
                self.file.set_len(0)
            } else {
                whole::remove(&self.file, &self.path)
            }
        });
        removed.map_err(UnusableFile::denied(&self.path, "removed"))
    }

    /// Puts all that the log holds into the file, which then stands alone.
    pub(super) fn close(self) -> Result<(), UnusableFile> {
        let on_close = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        let StoreFile {
            connection, path, ..
        } = self;
        let closed = connection.set_db_config(on_close, false);
        let closed = closed.and_then(|_| connection.close().map_err(|(_, error)| error));
        closed.map_err(StoreError::writing(&path))
    }
}

/// Opens or makes the file, and locks it.
fn lock(path: &Path) -> Result<(File, Found), StoreError> {
    let denied = |what| UnusableFile::denied(path, what);
    loop {
        let (file, found) = JOURNAL.open(path)?;
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::AGAIN | Errno::ACCESS) => {
                let holder = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock));
                let holder = holder.ok().flatten().and_then(|it| it.pid);
                return Err(StoreError::Busy {
                    path: path.to_owned(),
                    holder: holder.and_then(|it| u32::try_from(it.as_raw_nonzero().get()).ok()),
                });
            }
            Err(error) => {
                undo(&file, path, found);
                return Err(denied("locked")(error.into()).into());
            }
        }
        // else the import that held it until now has removed it
        if is_at(&file, path).map_err(denied("opened"))? {
            let length = file.metadata().map_err(denied("read"))?.len();
            let found = if length > 0 { Found::Filled } else { found };
            return Ok((file, found));
        }
    }
}

/// Writes a store without rows. It is a whole one from the first moment that SQLite sees it.
fn begin(file: &File, path: &Path) -> io::Result<()> {
    file.write_all_at(&image().map_err(io::Error::other)?, 0)?;
    file.sync_all()?;
    whole::sync_folder_of(path)
}

fn image() -> rusqlite::Result<Vec<u8>> {
    let memory = Connection::open_in_memory()?;
    memory.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};"
    ))?;
    for table in TABLES {
        memory.execute_batch(table.sql)?;
    }
    let mut image = memory.serialize("main")?.to_vec();
    // bytes 18 and 19 of the format say that it has a write-ahead log
    image[18..20].fill(2);
    Ok(image)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let denied = |what| UnusableFile::denied(path, what);
    // its two, of which SQLite does not say that it lacks them; then the list with its folder, and a connection
    let spare = [(); 5].map(|()| File::open("/dev/null"));
    for file in spare {
        file.map_err(denied("opened"))?;
    }
    let folder = fs::canonicalize(folder_of(path)).map_err(denied("opened"))?;
    // whole, as SQLite takes some names for something else: `:memory:`, `file:…`
    let whole = folder.join(path.file_name().unwrap_or_default());
    if whole.as_os_str().as_bytes().len() > PATH_AT_MOST {
        return Err(denied("opened")(Errno::NAMETOOLONG.into()).into());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let open = || {
        let connection = Connection::open_with_flags(&whole, flags)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LENGTH_AT_MOST)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // a file that is refused stays as it is
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        Ok(connection)
    };
    open().map_err(StoreError::reading(path))
}

/// Takes back what was begun. The error to report is why, and not what may go wrong with this.
fn undo(file: &File, path: &Path, found: Found) {
    let _ = match found {
        Found::Nothing => whole::remove(file, path),
        Found::Empty => file.set_len(0),
        Found::Filled => Ok(()),
    };
}

/// Removes SQLite's log, if there is one. What is there was checked, or SQLite made it: while it is locked, nobody else does.
fn remove_log(wal: &Path) -> io::Result<()> {
    match fs::remove_file(wal) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// A file whose name is that of another, and an ending.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
