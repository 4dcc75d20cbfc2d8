//! Files that belong to one import at a time: by a lock that ends with the process, however that ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::disk::{self, DiskError, Medium};

/// For its owner alone.
pub(crate) const MODE: u32 = 0o600;

/// A file that was to be held.
pub(crate) enum Hold {
    Ours(Held),
    /// Another import holds it.
    Anothers(File),
}

/// A file that this import holds.
pub(crate) struct Held(pub(crate) File);

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

/// Opens a file, or makes one, and holds it.
pub(crate) fn hold(path: &Path) -> Result<Hold, DiskError> {
    loop {
        let file = open(path).map_err(DiskError::of(path, "opened"))?;
        if let Some(hold) = lock(file, path)? {
            return Ok(hold);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    disk::is_file_or_free(path)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(MODE);
    options.open(path)
}

/// Locks an open file; `None` where whoever held it until now has removed it.
fn lock(file: File, path: &Path) -> Result<Option<Hold>, DiskError> {
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(Some(Hold::Anothers(file))),
        Err(error) => return Err(DiskError::no_lock(path, error.into())),
    }
    let held = Held(file);
    let is_there = held.is_at(path).map_err(DiskError::of(path, "opened"))?;
    Ok(is_there.then_some(Hold::Ours(held)))
}

impl Held {
    /// Whether it is this file that has the path.
    pub(crate) fn is_at(&self, path: &Path) -> io::Result<bool> {
        let ours = self.0.metadata()?;
        match std::fs::metadata(path) {
            Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ours(hold: &Hold) -> bool {
        matches!(hold, Hold::Ours(_))
    }

    #[test]
    fn a_file_that_its_holder_removed_is_not_taken_for_the_one_at_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let opened_before = open(&path).unwrap();
        let holder = hold(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        drop(holder);
        assert!(lock(opened_before, &path).unwrap().is_none());
        assert!(is_ours(&hold(&path).unwrap()));
    }

    #[test]
    fn a_file_is_free_when_its_holder_is_done_though_a_child_may_have_it_yet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let Hold::Ours(held) = hold(&path).unwrap() else {
            panic!("nobody else has it");
        };
        let of_a_child = held.0.try_clone().unwrap();
        assert!(!is_ours(&hold(&path).unwrap()));
        drop(held);
        assert!(is_ours(&hold(&path).unwrap()));
        drop(of_a_child);
    }
}
