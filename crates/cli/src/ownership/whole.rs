//! A whole file at once: a list or a certificate comes to its path whole, or not at all.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{FileKind, Found, PRIVATE, Problem, UnusableFile, folder_of, is_at};

impl FileKind {
    /// Checks that the file may be written and can be, and leaves it as it is.
    pub(crate) fn try_out(&self, path: &Path, seen: Option<Stamp>) -> Result<(), UnusableFile> {
        let (mut file, found) = self.open(path)?;
        if found == Found::Nothing {
            return remove(&file, path).map_err(UnusableFile::denied(path, "made"));
        }
        self.check_unchanged(path, &mut file, seen).map(drop)
    }

    /// Writes the file, for good. A crash or a full disk leaves what was there before, or the new content. A file that was
    /// empty, and one that is said to have been (`same_file`), is written in place: others may have it open. It is refused
    /// if something else is there than was `seen` before: the work of another import, or of a person.
    pub(crate) fn write(
        &self,
        path: &Path,
        seen: Option<Stamp>,
        same_file: bool,
        write: &mut dyn FnMut(&mut File) -> io::Result<()>,
    ) -> Result<Option<Stamp>, UnusableFile> {
        let (mut file, found) = self.open(path)?;
        let checked = self.check_unchanged(path, &mut file, seen)?;
        let mut put = || {
            let is_put = !same_file && found != Found::Empty;
            if is_put && self.replace(&file, path, checked, write)? {
                return sync_folder_of(path);
            }
            checked.check(&file)?;
            self.make_private(&file);
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            write(&mut file)?;
            file.sync_all()
        };
        put().map_err(|error| {
            // the error to report is why it was not written
            let _ = match found {
                Found::Nothing => remove(&file, path),
                Found::Empty => file.set_len(0),
                Found::Filled => Ok(()),
            };
            UnusableFile::denied(path, "written")(error)
        })?;
        Ok(Stamp::at(path))
    }

    /// Removes the file if imtag made it and it is as it was `seen`, or empties one that was there empty before
    /// (`same_file`).
    pub(crate) fn remove(
        &self,
        path: &Path,
        seen: Option<Stamp>,
        same_file: bool,
    ) -> Result<(), UnusableFile> {
        if Stamp::at(path) != seen || seen.is_none() || self.check(path).is_err() {
            return Ok(());
        }
        let (mut file, _) = self.open(path)?;
        self.check_unchanged(path, &mut file, seen)?;
        let removed = if same_file {
            file.set_len(0)
        } else {
            remove(&file, path)
        };
        removed.map_err(UnusableFile::denied(path, "removed"))
    }

    /// Refuses a file that imtag did not make, and one that is not as it was `seen`. No other import writes it from here
    /// on until it is closed.
    fn check_unchanged(
        &self,
        path: &Path,
        file: &mut File,
        seen: Option<Stamp>,
    ) -> Result<Stamp, UnusableFile> {
        let denied = || UnusableFile::denied(path, "read");
        // where there are no locks, only imports that end at the same moment can meet
        let is_locked = flock(&*file, FlockOperation::NonBlockingLockExclusive);
        let stamp = Stamp::new(file).map_err(denied())?;
        self.check_content(path, file)?;
        let is_same = stamp.bytes == 0 || Some(stamp) == seen;
        let is_free = is_locked != Err(Errno::WOULDBLOCK);
        if is_free && is_same && is_at(file, path).map_err(denied())? {
            Ok(stamp)
        } else {
            Err(self.refuse(path, Problem::Changed))
        }
    }

    /// Puts a new file in the place of this one; false if the folder takes no new file, so that this one has to be written
    /// in place.
    fn replace(
        &self,
        file: &File,
        path: &Path,
        checked: Stamp,
        write: &mut dyn FnMut(&mut File) -> io::Result<()>,
    ) -> io::Result<bool> {
        let made = tempfile::Builder::new()
            .prefix(".imtag-")
            .permissions(Permissions::from_mode(self.mode))
            .tempfile_in(folder_of(path));
        let mut new = match made {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(false),
            made => made?,
        };
        self.make_private(new.as_file());
        write(new.as_file_mut())?;
        new.as_file().sync_all()?;
        checked.check(file)?;
        if !is_at(file, path)? {
            return Err(changed());
        }
        new.persist(path)?;
        Ok(true)
    }

    /// It may have had another mode. This fails only for another user's file, whose mode is theirs to choose.
    pub(crate) fn make_private(&self, file: &File) {
        if self.mode == PRIVATE {
            let _ = file.set_permissions(Permissions::from_mode(PRIVATE));
        }
    }
}

/// Which file it is, its size and its time of change: they tell whether another program has written to it, or has put
/// another in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    file: (u64, u64),
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
            file: (now.dev(), now.ino()),
            bytes: now.len(),
            modified: (now.mtime(), now.mtime_nsec()),
        }
    }

    fn check(self, file: &File) -> io::Result<()> {
        if self == Stamp::new(file)? {
            Ok(())
        } else {
            Err(changed())
        }
    }
}

fn changed() -> io::Error {
    io::Error::other("another program has written to it")
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
    match File::open(folder_of(path))?.sync_all() {
        // some network file systems know no such thing for folders
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
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

    #[test]
    fn a_file_is_replaced_whole_or_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "dear diary, 1").unwrap();
        let text = || fs::read_to_string(&path).unwrap();
        let seen = || Stamp::at(&path);
        let full = KIND.write(&path, seen(), false, &mut |new| {
            new.write_all(b"dear")?;
            Err(ErrorKind::StorageFull.into())
        });
        assert!(full.unwrap_err().to_string().contains("make room for it"));
        assert_eq!(text(), "dear diary, 1");
        let mut second = |new: &mut File| new.write_all(b"dear diary, 2");
        let before = seen();
        KIND.write(&path, before, false, &mut second).unwrap();
        assert_eq!(text(), "dear diary, 2");
        for earlier in [before, None] {
            let refused = KIND.write(&path, earlier, false, &mut |_| Ok(()));
            let says = "f was written by another program meanwhile, and stays as it is: ";
            assert!(refused.unwrap_err().to_string().contains(says));
            KIND.remove(&path, earlier, false).unwrap();
        }
        let held = File::open(&path).unwrap();
        flock(&held, FlockOperation::LockExclusive).unwrap();
        KIND.write(&path, seen(), false, &mut second).unwrap_err();
        drop(held);
        assert_eq!(text(), "dear diary, 2");
        let written = KIND.write(&path, seen(), false, &mut |_| {
            fs::write(&path, "of an editor")
        });
        let says = "another program has written to it";
        assert!(written.unwrap_err().to_string().contains(says));
        assert_eq!(text(), "of an editor");
        assert!(KIND.write(&path, seen(), false, &mut second).is_err());
        KIND.remove(&path, seen(), false).unwrap();
        assert_eq!(text(), "of an editor", "it is no diary");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_not_there_goes_again_and_an_empty_file_stays_the_same_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let full = || {
            KIND.write(&path, None, false, &mut |_| {
                Err(ErrorKind::StorageFull.into())
            })
        };
        full().unwrap_err();
        KIND.try_out(&path, None).unwrap();
        assert!(!path.exists());
        fs::write(&path, "").unwrap();
        let before = fs::metadata(&path).unwrap().ino();
        full().unwrap_err();
        let mut write = |file: &mut File| file.write_all(b"dear diary");
        let seen = KIND.write(&path, None, false, &mut write).unwrap();
        KIND.remove(&path, seen, true).unwrap();
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
