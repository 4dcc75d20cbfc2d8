//! Putting a whole file in the place of another, at once.

use std::fs::{File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::{folder_of, is_at};

/// A file's size and time of change: they tell whether another program, which takes no lock, has written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    bytes: u64,
    modified: (i64, i64),
}

impl Stamp {
    pub(crate) fn new(file: &File) -> io::Result<Stamp> {
        let now = file.metadata()?;
        Ok(Stamp {
            bytes: now.len(),
            modified: (now.mtime(), now.mtime_nsec()),
        })
    }

    /// # Errors
    /// If it has been written to since.
    pub(crate) fn check(self, file: &File) -> io::Result<()> {
        if self == Stamp::new(file)? {
            Ok(())
        } else {
            Err(io::Error::other("another program has written to it"))
        }
    }
}

/// Puts a new file in the place of this one, with what `write` writes: a crash or a full disk leaves the one or the
/// other, whole. Returns the new file, or `None` if this one has to be written in place: because it no longer has the
/// path, or because the folder takes no new file.
pub(crate) fn replace(
    file: &File,
    path: &Path,
    mode: u32,
    checked: Option<Stamp>,
    write: &mut dyn FnMut(&mut File) -> io::Result<()>,
) -> io::Result<Option<File>> {
    if !is_at(file, path)? {
        return Ok(None);
    }
    let made = tempfile::Builder::new()
        .prefix(".imtag-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder_of(path));
    let mut new = match made {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(None),
        made => made?,
    };
    write(new.as_file_mut())?;
    new.as_file().sync_all()?;
    checked.map_or(Ok(()), |checked| checked.check(file))?;
    if !is_at(file, path)? {
        return Ok(None);
    }
    Ok(Some(new.persist(path)?))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let old = || {
            fs::write(&path, "old").unwrap();
            File::open(&path).unwrap()
        };
        let file = old();
        let checked = Some(Stamp::new(&file).unwrap());
        let full = replace(&file, &path, 0o600, checked, &mut |new| {
            new.write_all(b"ne")?;
            Err(ErrorKind::StorageFull.into())
        });
        assert_eq!(full.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let mut new = |new: &mut File| new.write_all(b"new");
        assert!(
            replace(&file, &path, 0o600, checked, &mut new)
                .unwrap()
                .is_some()
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        // the old file has no path any more
        assert!(
            replace(&file, &path, 0o600, checked, &mut new)
                .unwrap()
                .is_none()
        );
        let file = old();
        let checked = Some(Stamp::new(&file).unwrap());
        let written = replace(&file, &path, 0o600, checked, &mut |_| {
            fs::write(&path, "of an editor")
        });
        let says = "another program has written to it";
        assert_eq!(written.unwrap_err().to_string(), says);
        assert_eq!(fs::read_to_string(&path).unwrap(), "of an editor");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
