//! A whole file at once: a list or a certificate comes to its path whole, or not at all.
//!
//! ```text
//! hold: open or make it, lock it ─┬─► write: a new file takes its place, locked before it has the path
//!                                 ├─► remove: it goes, or is empty again as it was
//!                                 └─► leave: it goes if it was made and is empty yet
//! ```
//!
//! It is locked from then on until the import ends, so two imports never write one file: the second is refused before it
//! sends anything. A person's editor knows no lock. So what is not as imtag knows it (`Stamp`) stays, whatever it holds.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Seek};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::{FileKind, Found, PRIVATE, UnusableFile, folder_of, is_at, refused};

/// A file that this process alone may write, with its lock.
#[derive(Debug)]
pub(crate) struct OwnFile {
    kind: &'static FileKind,
    pub(crate) path: PathBuf,
    file: File,
    pub(crate) known: Known,
}

/// What imtag knows of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    pub(crate) stamp: Stamp,
    /// It was there before, empty, and others may have it open: it is written in place, and emptied rather than removed.
    pub(crate) was_empty: bool,
}

impl FileKind {
    /// Opens the file, and makes it where there is none. It is refused if another import holds it, or imtag did not make it.
    pub(crate) fn hold(&'static self, path: &Path) -> Result<OwnFile, UnusableFile> {
        let denied = || UnusableFile::denied(path, "opened");
        loop {
            let (mut file, found) = self.open(path)?;
            // where there are no locks, the stamps tell
            if flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
                let why = format!(
                    "is held by another imtag: give another path ({}), or wait for its end and move it away",
                    self.flag
                );
                return Err(refused(path, &why));
            }
            // else the import that held it until now has removed or replaced it
            if is_at(&file, path).map_err(denied())? {
                if found == Found::Nothing {
                    self.make_private(&file); // whatever the umask left
                }
                self.check_content(path, &mut file)?;
                return Ok(OwnFile {
                    kind: self,
                    path: path.to_owned(),
                    known: Known {
                        stamp: Stamp::new(&file).map_err(denied())?,
                        was_empty: found == Found::Empty,
                    },
                    file,
                });
            }
        }
    }

    /// It may have had another mode. This fails only for another user's file, whose mode is theirs to choose.
    pub(crate) fn make_private(&self, file: &File) {
        if self.mode == PRIVATE {
            let _ = file.set_permissions(Permissions::from_mode(PRIVATE));
        }
    }
}

impl OwnFile {
    /// Writes the file, for good. A crash or a full disk leaves what was there before, or the new content; of a file that
    /// is written in place, its start.
    pub(crate) fn write(
        &mut self,
        write: &mut dyn FnMut(&mut File) -> io::Result<()>,
    ) -> Result<(), UnusableFile> {
        let denied = UnusableFile::denied(&self.path, "written");
        if !is_at(&self.file, &self.path).map_err(denied)? {
            // it was removed meanwhile
            let there = self.kind.hold(&self.path)?;
            if !there.is_empty() {
                return Err(self.changed());
            }
            *self = there;
        }
        let written = self.put(write);
        if written.is_err() {
            self.leave();
        }
        written
    }

    fn put(
        &mut self,
        write: &mut dyn FnMut(&mut File) -> io::Result<()>,
    ) -> Result<(), UnusableFile> {
        let path = self.path.clone();
        let denied = || UnusableFile::denied(&path, "written");
        let new = if self.known.was_empty {
            None
        } else {
            self.new_file(write).map_err(denied())?
        };
        if !self.is_unchanged() {
            return Err(self.changed());
        }
        let written = match new {
            Some(new) => new
                .persist(&path)
                .map_err(io::Error::from)
                .and_then(|file| {
                    self.file = file;
                    sync_folder_of(&path)
                }),
            None => self.write_in_place(write),
        };
        self.known.stamp = Stamp::new(&self.file).map_err(denied())?;
        written.map_err(denied())?;
        if self.is_unchanged() {
            Ok(())
        } else {
            Err(self.changed())
        }
    }

    /// The file that is to take the place of this one; none if the folder takes no new file.
    fn new_file(
        &self,
        write: &mut dyn FnMut(&mut File) -> io::Result<()>,
    ) -> io::Result<Option<NamedTempFile>> {
        let made = tempfile::Builder::new()
            .prefix(".imtag-")
            .permissions(Permissions::from_mode(self.kind.mode))
            .tempfile_in(folder_of(&self.path));
        let mut new = match made {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(None),
            made => made?,
        };
        self.kind.make_private(new.as_file());
        // before it has the path, so that there is no moment without a lock
        let _ = flock(new.as_file(), FlockOperation::NonBlockingLockExclusive);
        write(new.as_file_mut())?;
        new.as_file().sync_all()?;
        Ok(Some(new))
    }

    fn write_in_place(
        &mut self,
        write: &mut dyn FnMut(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        self.kind.make_private(&self.file);
        self.file.set_len(0)?;
        self.file.rewind()?;
        let written = write(&mut self.file).and_then(|()| self.file.sync_all());
        written.inspect_err(|_| {
            // the error to report is why it was not written
            let _ = self.file.set_len(0);
        })
    }

    /// Removes the file, or empties it if it was there empty or is not to be removed; one that another program has changed
    /// stays.
    pub(crate) fn remove(&self) -> Result<(), UnusableFile> {
        let removed = if !self.is_unchanged() {
            Ok(())
        } else if !self.known.was_empty {
            remove(&self.file, &self.path)
        } else if self.is_empty() {
            Ok(())
        } else {
            self.file.set_len(0)
        };
        let removed = removed.or_else(|error| match error.kind() {
            // the folder is another user's
            ErrorKind::PermissionDenied => self.file.set_len(0),
            _ => Err(error),
        });
        removed.map_err(UnusableFile::denied(&self.path, "removed"))
    }

    /// Leaves the file as it was found: without a content, it was made here, or was there empty.
    pub(crate) fn leave(&self) {
        if self.is_empty() {
            // an empty file does no harm
            let _ = self.remove();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.known.stamp.bytes == 0
    }

    /// True if it has the path yet, and is as imtag knows it.
    pub(crate) fn is_unchanged(&self) -> bool {
        let is_known = Stamp::new(&self.file).is_ok_and(|now| now == self.known.stamp);
        is_known && is_at(&self.file, &self.path).unwrap_or(false)
    }

    /// Refuses it, as it is not what imtag wrote or was to replace.
    pub(crate) fn changed(&self) -> UnusableFile {
        let why = format!(
            "was written by another import or program, and stays as it is: move it away, or give another path ({}), \
             and run the same command again",
            self.kind.flag
        );
        refused(&self.path, &why)
    }

    /// Its content, from the start.
    pub(crate) fn content(&self) -> io::Result<&File> {
        let mut file = &self.file;
        file.rewind()?;
        Ok(file)
    }
}

/// The size and the time of change of a file: they tell whether another program has written to it, or has put another in
/// its place. Its number is none of them, as some file systems give others after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stamp {
    bytes: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// That of the file at a path; none if nothing is there, or nothing in it.
    pub(crate) fn at(path: &Path) -> Option<Stamp> {
        let there = fs::symlink_metadata(path).ok()?;
        (there.is_file() && there.len() > 0).then(|| Stamp::from_metadata(&there))
    }

    fn new(file: &File) -> io::Result<Stamp> {
        Ok(Stamp::from_metadata(&file.metadata()?))
    }

    fn from_metadata(now: &Metadata) -> Stamp {
        Stamp {
            bytes: now.len(),
            modified: (now.mtime(), now.mtime_nsec()),
        }
    }
}

/// True for a file with something in it.
pub(crate) fn is_filled_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|there| there.is_file() && there.len() > 0)
}

/// Removes this file for good if it still has the path.
pub(crate) fn remove(file: &File, path: &Path) -> io::Result<()> {
    if is_at(file, path)? {
        fs::remove_file(path)?;
    }
    sync_folder_of(path)
}

/// Makes the creation or removal of a file survive a power cut.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let synced = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
    synced.or_else(|error| match error.kind() {
        // some network file systems know no such thing for folders; and one that takes files may not be readable
        ErrorKind::InvalidInput | ErrorKind::PermissionDenied => Ok(()),
        _ => Err(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    const KIND: FileKind = FileKind {
        name: "a diary",
        flag: "--diary",
        mode: PRIVATE,
        was_made_by_imtag: |file| {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            Ok(text.starts_with("dear diary"))
        },
    };

    fn full(_: &mut File) -> io::Result<()> {
        Err(ErrorKind::StorageFull.into())
    }

    #[test]
    fn a_file_is_replaced_whole_or_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "dear diary, 1").unwrap();
        let text = || fs::read_to_string(&path).unwrap();
        let mut held = KIND.hold(&path).unwrap();
        let refused = held.write(&mut |new| {
            new.write_all(b"dear")?;
            full(new)
        });
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("make room for it")
        );
        assert_eq!(text(), "dear diary, 1");
        held.write(&mut |new| new.write_all(b"dear diary, 2"))
            .unwrap();
        assert_eq!(text(), "dear diary, 2");
        // the lock is that of the new file too
        let refused = KIND.hold(&path).unwrap_err().to_string();
        let says = "f is held by another imtag: give another path (--diary), or wait for its end and move it away";
        assert!(refused.ends_with(says), "{refused}");
        held.remove().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_person_puts_there_meanwhile_is_neither_replaced_nor_removed_nor_emptied() {
        for before in [None, Some(""), Some("dear diary, 1")] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("f");
            if let Some(before) = before {
                fs::write(&path, before).unwrap();
            }
            let mut held = KIND.hold(&path).unwrap();
            // before it is written: in place, and then by a rename
            fs::write(&path, "mine").unwrap();
            for _ in 0..2 {
                let refused = held.write(&mut |_| Ok(())).unwrap_err().to_string();
                let says = "f was written by another import or program, and stays as it is: move it away, or give \
                            another path (--diary), and run the same command again";
                let is_not = "f is not a diary that imtag made, and stays as it is: ";
                assert!(
                    refused.ends_with(says) || refused.contains(is_not),
                    "{refused}"
                );
                held.remove().unwrap();
                held.leave();
                assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
                fs::write(folder.path().join("new"), "mine").unwrap();
                fs::rename(folder.path().join("new"), &path).unwrap();
            }
            // while it is written
            fs::remove_file(&path).unwrap();
            let refused = held.write(&mut |new| {
                fs::write(&path, "mine")?;
                new.write_all(b"dear diary, 2")
            });
            assert!(
                refused
                    .unwrap_err()
                    .to_string()
                    .contains("f was written by another")
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn no_other_import_takes_a_file_that_is_held_and_empty_yet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let held = KIND.hold(&path).unwrap();
        KIND.hold(&path).unwrap_err();
        // one that has it open since then does not take it for the one at the path
        let (waiting, found) = KIND.open(&path).unwrap();
        assert_eq!(found, Found::Empty);
        held.leave();
        drop(held);
        assert!(!is_at(&waiting, &path).unwrap());
        let mut next = KIND.hold(&path).unwrap();
        next.write(&mut |file| file.write_all(b"dear diary"))
            .unwrap();
        next.leave();
        assert_eq!(fs::read_to_string(&path).unwrap(), "dear diary");
    }

    #[test]
    fn what_was_not_there_goes_again_and_an_empty_file_stays_the_same_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        KIND.hold(&path).unwrap().write(&mut full).unwrap_err();
        assert!(!path.exists());
        fs::write(&path, "").unwrap();
        let before = fs::metadata(&path).unwrap().ino();
        let mut held = KIND.hold(&path).unwrap();
        held.write(&mut full).unwrap_err();
        held.write(&mut |file| file.write_all(b"dear diary"))
            .unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "dear diary");
        held.remove().unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(
            (after.ino(), after.len(), after.mode() & 0o777),
            (before, 0, 0o600)
        );
    }

    #[test]
    fn a_file_without_a_folder_lies_in_the_working_folder() {
        sync_folder_of(Path::new("users.csv")).unwrap();
        assert!(sync_folder_of(Path::new("/no such folder/users.csv")).is_err());
    }
}
