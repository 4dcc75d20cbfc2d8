//! Why an import cannot begin or resume a journal.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rusqlite::{ErrorCode, ffi};

use crate::exit::CommandError;
use crate::ownership::UnusableFile;

/// Of the tables, and of how the users of an input are numbered: raised when either changes.
pub(super) const FORMAT: i32 = 5;

/// Why a journal cannot be used. Nothing was sent, and the journal is as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error(transparent)]
    File(#[from] UnusableFile),
    #[error(
        "another import{} is at work with {}: wait for its end, or give this one a journal and a list of failed users \
         of its own",
        holder.map_or(String::new(), |holder| format!(" (process {holder})")),
        path.display()
    )]
    Busy { path: PathBuf, holder: Option<u32> },
    #[error(
        "{} is the journal of another import, as {difference}: give what that import was begun with, or delete the \
         journal to begin afresh",
        path.display()
    )]
    Other { path: PathBuf, difference: String },
    #[error(
        "{} is a journal of an earlier version of imtag: resume the import with the imtag that began it, or delete the \
         journal to begin afresh",
        .0.display()
    )]
    Earlier(PathBuf),
    #[error(
        "{} has format version {version}, and this imtag knows version {}: resume the import with the imtag that \
         began it, or delete the journal to begin afresh",
        path.display(),
        FORMAT
    )]
    Version { path: PathBuf, version: i32 },
    #[error(
        "{path} is damaged: delete it, and {path}-wal if that is there, to begin the import afresh",
        path = .0.display()
    )]
    Damaged(PathBuf),
    #[error("{} is not there: no import is to be resumed, so there are no users to list", .0.display())]
    Missing(PathBuf),
}

impl StoreError {
    /// For what SQLite says when it reads a file.
    pub(super) fn reading(path: &Path) -> impl Fn(rusqlite::Error) -> StoreError {
        let path = path.to_owned();
        move |error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy {
                path: path.clone(),
                holder: None,
            },
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::DiskFull
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure,
            ) => UnusableFile::denied(&path, "read")(as_io_error(error)).into(),
            _ => StoreError::Damaged(path.clone()),
        }
    }

    /// For what SQLite says when it writes one.
    pub(super) fn writing(path: &Path) -> impl FnOnce(rusqlite::Error) -> UnusableFile {
        let denied = UnusableFile::denied(path, "written");
        |error| denied(as_io_error(error))
    }
}

/// What SQLite says, as an error of the system, which has the remedy. Of what the system said SQLite has no more than this.
fn as_io_error(error: rusqlite::Error) -> io::Error {
    let extended = error.sqlite_error().map(|it| it.extended_code);
    let kind = match (error.sqlite_error_code(), extended) {
        // a write beyond a quota, or the limit of a file's size, is no full disk to SQLite
        (Some(ErrorCode::DiskFull), _) | (_, Some(ffi::SQLITE_IOERR_WRITE)) => {
            ErrorKind::StorageFull
        }
        (Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly), _) => ErrorKind::PermissionDenied,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> CommandError {
        let is_denied = match &error {
            StoreError::File(error) => error.is_of_this_machine(),
            _ => false,
        };
        CommandError::file(is_denied, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_follows_from_what_sqlite_was_denied() {
        let room =
            "make room for it, and run the same command again: what was confirmed is not repeated";
        let disk =
            "check the disk, and run the same command again: what was confirmed is not repeated";
        let access = "let this user write there, or give another path";
        for (code, remedy) in [
            (ffi::SQLITE_FULL, room),
            (ffi::SQLITE_IOERR_WRITE, room),
            (ffi::SQLITE_IOERR_FSYNC, disk),
            (ffi::SQLITE_IOERR_READ, disk),
            (ffi::SQLITE_NOMEM, disk),
            (ffi::SQLITE_READONLY, access),
            (ffi::SQLITE_READONLY_DIRECTORY, access),
        ] {
            let error = || rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let path = Path::new("j");
            let written = StoreError::writing(path)(error()).to_string();
            assert!(written.ends_with(&format!("; {remedy}")), "{written}");
            assert!(written.starts_with("j cannot be written: "), "{written}");
            if code != ffi::SQLITE_NOMEM {
                let read = StoreError::reading(path)(error()).to_string();
                assert!(read.starts_with("j cannot be read: "), "{read}");
                assert!(read.ends_with(&format!("; {remedy}")), "{read}");
            }
        }
    }
}
