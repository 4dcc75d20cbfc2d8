//! Files that belong to one import at a time: by a lock that ends with the process, even if that is killed.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::disk::{self, DiskError, Medium};
use crate::exit::CommandError;
use crate::ownership::{self, FileKind, ForeignFile, Found, OpenError, Stamp};

/// The mode of such a file: its owner alone may read it.
pub(crate) const MODE: u32 = 0o600;

/// What became of locking a file.
pub(crate) enum LockResult {
    Locked(LockedFile),
    /// Another import has it.
    HeldElsewhere(File),
}

/// A file that this import has locked.
pub(crate) struct LockedFile {
    pub(crate) file: File,
    /// What was at its path before.
    pub(crate) found: Found,
    /// Its length and time when its content was checked: another program may write it without a lock.
    checked: Option<Stamp>,
}

/// Why a file that an import keeps beside its input cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateFileError {
    #[error(transparent)]
    Foreign(#[from] ForeignFile),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("another import writes {}: wait for its end", .0.display())]
    Busy(PathBuf),
}

impl StateFileError {
    /// True if this machine denies something, and the file is the right one.
    pub(crate) fn is_of_this_machine(&self) -> bool {
        matches!(self, StateFileError::Disk(error) if !error.is_of_the_path())
    }

    pub(crate) fn new(path: &Path) -> impl FnOnce(OpenError) -> StateFileError {
        let denied = DiskError::denied(path, "opened");
        move |error| match error {
            OpenError::Foreign(foreign) => foreign.into(),
            OpenError::Denied(error) => denied(error).into(),
        }
    }
}

impl From<StateFileError> for CommandError {
    fn from(error: StateFileError) -> CommandError {
        CommandError::file(error.is_of_this_machine(), error)
    }
}

impl Drop for LockedFile {
    /// Closing the file is not enough: a child that is just being started has it open too, until it runs its program.
    fn drop(&mut self) {
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

impl Medium for LockedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        if let Some(checked) = self.checked {
            checked.check(&self.file)?;
        }
        self.checked = None;
        self.file.cut(length)
    }

    fn put(&mut self, bytes: &[u8], path: &Path, same_file: bool) -> io::Result<()> {
        self.fill(path, same_file, &mut |file| file.write_all(bytes))
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        ownership::remove(&self.file, path)?;
        disk::sync_folder_of(path)
    }
}

/// Opens or makes a file, and locks it. The caller checks its content.
pub(crate) fn lock_file(path: &Path, kind: &FileKind) -> Result<LockResult, StateFileError> {
    loop {
        let opened = kind.open(path).map_err(StateFileError::new(path))?;
        if let Some(result) = lock(opened, path)? {
            return Ok(result);
        }
    }
}

/// Locks a list, and checks that imtag may write it.
pub(crate) fn lock_own_list(path: &Path, kind: &FileKind) -> Result<LockedFile, StateFileError> {
    let mut list = lock_list(path, kind)?;
    let checked = kind.check_content(path, &mut list.file);
    checked.map_err(StateFileError::new(path))?;
    list.take().map_err(DiskError::denied(path, "read"))?;
    Ok(list)
}

/// Locks a list. The caller checks its content.
pub(crate) fn lock_list(path: &Path, kind: &FileKind) -> Result<LockedFile, StateFileError> {
    match lock_file(path, kind)? {
        LockResult::Locked(locked) => Ok(locked),
        LockResult::HeldElsewhere(_) => Err(StateFileError::Busy(path.to_owned())),
    }
}

/// Locks an open file; `None` if the import that held it until now has removed it.
fn lock((file, found): (File, Found), path: &Path) -> Result<Option<LockResult>, DiskError> {
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(Some(LockResult::HeldElsewhere(file))),
        Err(error) => return Err(DiskError::no_lock(path, error.into())),
    }
    let locked = LockedFile {
        file,
        found,
        checked: None,
    };
    let is_there = locked
        .is_at(path)
        .map_err(DiskError::denied(path, "opened"))?;
    Ok(is_there.then_some(LockResult::Locked(locked)))
}

impl LockedFile {
    /// True if it is this file that has the path.
    pub(crate) fn is_at(&self, path: &Path) -> io::Result<bool> {
        ownership::is_at(&self.file, path)
    }

    /// Replaces its content by what `write` writes, for good. Unless it must stay the same file, a new file takes its
    /// place in one step: see `ownership::replace`.
    pub(crate) fn fill(
        &mut self,
        path: &Path,
        same_file: bool,
        write: &mut dyn FnMut(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        if !same_file {
            let mut write = |new: &mut File| {
                flock(&*new, FlockOperation::NonBlockingLockExclusive)?;
                new.set_permissions(Permissions::from_mode(MODE))?;
                write(new)
            };
            let new = ownership::replace(&self.file, path, MODE, self.checked, &mut write)?;
            if let Some(new) = new {
                let old = std::mem::replace(&mut self.file, new);
                let _ = flock(&old, FlockOperation::Unlock);
                self.checked = None;
                return disk::sync_folder_of(path);
            }
        }
        self.cut(0)?;
        write(&mut self.file)?;
        self.file.sync_all()
    }

    /// Records that its content was checked, and is imtag's own. It is cut only while nothing else has written to it.
    pub(crate) fn take(&mut self) -> io::Result<()> {
        // it may have had another mode; this fails only for another user's file, whose mode is theirs to choose
        let _ = self.file.set_permissions(Permissions::from_mode(MODE));
        self.checked = Some(Stamp::new(&self.file)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: FileKind = FileKind {
        name: "a journal",
        flag: "--journal",
        mode: MODE,
        was_made_by_imtag: |_| Ok(true),
    };

    fn is_locked(result: &LockResult) -> bool {
        matches!(result, LockResult::Locked(_))
    }

    #[test]
    fn a_file_that_its_holder_removed_is_not_taken_for_the_one_at_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let opened_before = KIND.open(&path).unwrap();
        let holder = lock_file(&path, &KIND).unwrap();
        std::fs::remove_file(&path).unwrap();
        drop(holder);
        assert!(lock(opened_before, &path).unwrap().is_none());
        assert!(is_locked(&lock_file(&path, &KIND).unwrap()));
    }

    #[test]
    fn a_file_is_free_when_its_holder_is_done_though_a_child_may_have_it_yet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let LockResult::Locked(locked) = lock_file(&path, &KIND).unwrap() else {
            panic!("no other import has it");
        };
        let of_a_child = locked.file.try_clone().unwrap();
        assert!(!is_locked(&lock_file(&path, &KIND).unwrap()));
        drop(locked);
        assert!(is_locked(&lock_file(&path, &KIND).unwrap()));
        drop(of_a_child);
    }

    #[test]
    fn a_file_that_was_written_since_it_was_checked_is_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        std::fs::write(&path, "checked").unwrap();
        let LockResult::Locked(mut locked) = lock_file(&path, &KIND).unwrap() else {
            panic!("no other import has it");
        };
        locked.take().unwrap();
        std::fs::write(&path, "of an editor").unwrap();
        for _ in 0..2 {
            let refused = locked.cut(0).unwrap_err().to_string();
            assert_eq!(refused, "another program has written to it");
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "of an editor");
    }
}
