//! Holding a journal: one import at a time, by a lock that ends with the process, however that ends.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::header;
use crate::import::disk::{self, DiskError, Medium};
use crate::import::failed::FailedError;

/// Why an import cannot be begun or taken up with a journal. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The list of failed users.
    #[error(transparent)]
    Failed(#[from] FailedError),
    #[error(
        "another import{} is at work with {}: wait for its end, or give this one a journal and a list of failed users \
         of its own",
        process(*holder),
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
        "{} has format version {version}, and this imtag knows version {}: take the import up with the imtag that \
         began it, or delete the journal to begin afresh",
        path.display(),
        header::VERSION
    )]
    Version { path: PathBuf, version: u16 },
    #[error("the start of {} is damaged: delete it to begin the import afresh", path.display())]
    Damaged { path: PathBuf },
    #[error("{} is not a journal of an import: give another path for the journal", path.display())]
    NoJournal { path: PathBuf },
}

fn process(holder: Option<u32>) -> String {
    holder.map_or(String::new(), |holder| format!(" (process {holder})"))
}

/// The file of a journal that is held.
pub(super) struct Held(pub(super) File);

impl Drop for Held {
    /// Closing the file is not enough where a child is just being started, which has it too until it is.
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

impl Medium for Held {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.0.cut(length)
    }
}

/// Opens a journal, or makes one, and holds it.
pub(super) fn hold(path: &Path) -> Result<Held, JournalError> {
    loop {
        disk::is_file_or_free(path).map_err(DiskError::of(path, "opened"))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(DiskError::of(path, "opened"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let start = start_of(&mut file).unwrap_or_default();
                return Err(JournalError::Busy {
                    path: path.to_owned(),
                    holder: header::holder(&start),
                });
            }
            Err(error) => return Err(DiskError::of(path, "locked")(error.into()).into()),
        }
        // whoever held it until now may have removed it
        if is_at(&file, path).map_err(DiskError::of(path, "opened"))? {
            return Ok(Held(file));
        }
    }
}

/// Reads enough of a file to find a header.
pub(super) fn start_of(file: &mut File) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(header::AT_MOST as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// Whether it is this file that has the path.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_was_removed_is_not_the_one_at_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let file = hold(&path).unwrap();
        assert!(is_at(&file.0, &path).unwrap());
        std::fs::remove_file(&path).unwrap();
        assert!(!is_at(&file.0, &path).unwrap());
        let other = hold(&path).unwrap();
        assert!(is_at(&other.0, &path).unwrap());
        assert!(!is_at(&file.0, &path).unwrap());
    }
}
