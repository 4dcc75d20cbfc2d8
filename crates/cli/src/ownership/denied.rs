//! Why imtag does not use a file, with the remedy.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::exit::CommandError;

/// A file at which imtag writes nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnusableFile {
    /// It is not imtag's: which file, and why.
    #[error("{0}")]
    Foreign(String),
    /// The system denies it: which file, what imtag wanted to do with it, and the remedy.
    #[error("{} cannot be {denied}: {source}; {remedy}", path.display())]
    Denied {
        path: PathBuf,
        denied: &'static str,
        source: io::Error,
        remedy: &'static str,
    },
}

impl UnusableFile {
    /// `denied` is a participle: `written` makes "… cannot be written: …".
    pub(crate) fn denied(
        path: &Path,
        denied: &'static str,
    ) -> impl FnOnce(io::Error) -> UnusableFile {
        let path = path.to_owned();
        move |source| UnusableFile::Denied {
            path,
            denied,
            remedy: remedy(&source),
            source,
        }
    }

    /// True if this machine denies something, and the path is the right one.
    pub(crate) fn is_of_this_machine(&self) -> bool {
        match self {
            UnusableFile::Foreign(_) => false,
            UnusableFile::Denied { source, .. } => !is_of_the_path(source),
        }
    }
}

impl From<UnusableFile> for CommandError {
    fn from(error: UnusableFile) -> CommandError {
        CommandError::file(error.is_of_this_machine(), error)
    }
}

/// True if the system denies the path itself, such as one in a folder that does not exist.
fn is_of_the_path(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidInput
    ) || errno == Some(Errno::NAMETOOLONG)
}

fn remedy(error: &io::Error) -> &'static str {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    match errno {
        Some(Errno::MFILE | Errno::NFILE) => {
            return "raise the limit of open files (ulimit -n), and run the same command again";
        }
        Some(Errno::NAMETOOLONG) => return "give another path",
        // some network file systems have no locks
        Some(Errno::NOLCK) => return "give a path on a local disk",
        _ => {}
    }
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "make room for it, and run the same command again: what was confirmed is not repeated"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "let this user write there, or give another path"
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory => "make its folder, or give another path",
        ErrorKind::InvalidInput | ErrorKind::IsADirectory => "give the path of a file",
        _ => "check the disk, and run the same command again: what was confirmed is not repeated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_which_file_what_was_denied_and_what_to_do() {
        let denied = UnusableFile::denied(Path::new("/data/users.csv.journal"), "written");
        assert_eq!(
            denied(ErrorKind::PermissionDenied.into()).to_string(),
            "/data/users.csv.journal cannot be written: permission denied; let this user write there, or give another \
             path"
        );
    }
}
