//! Why an import cannot begin or resume a journal.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::exit::CommandError;
use crate::ownership::UnusableFile;

/// Of the tables, and of how the users of an input are numbered: raised when either changes.
pub(super) const FORMAT: i32 = 4;

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
            ) => UnusableFile::denied(&path, "read")(io::Error::other(error)).into(),
            _ => StoreError::Damaged(path.clone()),
        }
    }

    /// For what SQLite says when it writes one.
    pub(super) fn writing(path: &Path) -> impl FnOnce(rusqlite::Error) -> UnusableFile {
        let path = path.to_owned();
        move |error| UnusableFile::Denied {
            path,
            denied: "written",
            source: io::Error::other(error),
            remedy: "make room for it, and run the same command again: what was confirmed is not repeated",
        }
    }
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
