//! Which files imtag may write: where there is none, where it is empty, and where its content shows that imtag made it.
//! Every other file is somebody's work: it is refused by name before anything is sent, and stays as it is.
//!
//! - A link is not followed, wherever it leads. The folders before the file may be links.
//! - Folders, devices, pipes and sockets are refused, and so is a file with a second name, which would change too.
//! - In a folder that every user may write to, a file of another user is refused: its owner could read what comes.
//! - The open file is checked, not the path, which may be another file a moment later. Only this file is ever removed.
//! - Only what is whole shows that imtag made it. So a file comes whole to its path, or not at all: see `whole`.

mod denied;
pub(crate) mod whole;

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::output::Shown;

pub(crate) use denied::UnusableFile;

/// A kind of file that imtag writes.
#[derive(Debug)]
pub(crate) struct FileKind {
    /// As messages name it, such as "a journal of an import".
    pub(crate) name: &'static str,
    /// The flag that gives another path.
    pub(crate) flag: &'static str,
    /// The mode of a new one. The umask narrows it, but not that of a file for its owner alone.
    pub(crate) mode: u32,
    /// True if the content of a file that is not empty shows that imtag made it.
    pub(crate) was_made_by_imtag: fn(&mut File) -> io::Result<bool>,
}

/// The mode of a file that holds accounts: its owner alone may read it.
pub(crate) const PRIVATE: u32 = 0o600;

/// What was at the path of a file that is open now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing: it was made.
    Nothing,
    /// An empty file, which may be written and is never removed.
    Empty,
    /// A file whose content has not been checked yet.
    Filled,
}

impl FileKind {
    /// Checks what is at a path without changing it.
    pub(crate) fn check(&self, path: &Path) -> Result<(), UnusableFile> {
        match self.open_existing(path, OpenOptions::new().read(true))? {
            Some(mut file) => self.check_content(path, &mut file),
            None => Ok(()),
        }
    }

    /// Opens a file to read and write it, and makes it where there is none. The caller checks its content.
    pub(crate) fn open(&self, path: &Path) -> Result<(File, Found), UnusableFile> {
        let mut new = OpenOptions::new();
        new.read(true).write(true).create_new(true).mode(self.mode);
        loop {
            let existing = self.open_existing(path, OpenOptions::new().read(true).write(true))?;
            if let Some(file) = existing {
                let there = file
                    .metadata()
                    .map_err(UnusableFile::denied(path, "opened"))?;
                let found = match there.len() {
                    0 => Found::Empty,
                    _ => Found::Filled,
                };
                return Ok((file, found));
            }
            match new.open(path) {
                Ok(file) => return Ok((file, Found::Nothing)),
                // another program has made one meanwhile, which is checked as any other
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(UnusableFile::denied(path, "opened")(error)),
            }
        }
    }

    /// Refuses a file that is neither empty nor made by imtag.
    pub(crate) fn check_content(&self, path: &Path, file: &mut File) -> Result<(), UnusableFile> {
        let mut is_ours = || Ok(file.metadata()?.len() == 0 || (self.was_made_by_imtag)(file)?);
        if is_ours().map_err(UnusableFile::denied(path, "read"))? {
            Ok(())
        } else {
            let FileKind { name, flag, .. } = self;
            let why = format!(
                "is not {name} that imtag made, and stays as it is: move it away, or give another path ({flag})"
            );
            Err(refused(path, &why))
        }
    }

    /// Opens a file, unless none is there. The caller checks its content.
    pub(crate) fn open_existing(
        &self,
        path: &Path,
        options: &mut OpenOptions,
    ) -> Result<Option<File>, UnusableFile> {
        let denied = || UnusableFile::denied(path, "opened");
        if path == Path::new("-") {
            let FileKind { name, flag, .. } = self;
            let why = format!("is no path for {name}: give that of a file ({flag}), such as ./-");
            return Err(refused(path, &why));
        }
        // before it is opened, as opening a device may do something
        match fs::symlink_metadata(path) {
            Ok(there) => self.check_metadata(path, &there)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(denied()(error)),
        }
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let flags = i32::try_from(flags.bits()).expect("they are low bits");
        match options.custom_flags(flags).open(path) {
            Ok(file) => {
                self.check_metadata(path, &file.metadata().map_err(denied())?)?;
                Ok(Some(file))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                Err(refused(path, &self.through_no_link()))
            }
            Err(error) => Err(denied()(error)),
        }
    }

    fn check_metadata(&self, path: &Path, there: &Metadata) -> Result<(), UnusableFile> {
        let FileKind { name, flag, .. } = self;
        let no_file =
            |what| format!("is {what}, and {name} needs a file: give another path ({flag})");
        let file = there.file_type();
        let why = if file.is_symlink() {
            self.through_no_link()
        } else if file.is_dir() {
            no_file("a folder")
        } else if file.is_fifo() {
            no_file("a pipe")
        } else if file.is_socket() {
            no_file("a socket")
        } else if !file.is_file() {
            no_file("a device")
        } else if there.nlink() > 1 {
            format!(
                "has a second name (a hard link), under which {name} would stand too: give another path ({flag})"
            )
        } else if is_planted(path, there).map_err(UnusableFile::denied(path, "opened"))? {
            format!(
                "belongs to another user, in a folder that every user may write to: give another path for {name} \
                 ({flag})"
            )
        } else {
            return Ok(());
        };
        Err(refused(path, &why))
    }

    fn through_no_link(&self) -> String {
        let FileKind { name, flag, .. } = self;
        format!(
            "is a link, and imtag writes {name} through none: give the path that it leads to, or another ({flag})"
        )
    }
}

/// What is not to be written, and why.
fn refused(path: &Path, why: &str) -> UnusableFile {
    UnusableFile::Foreign(format!("{} {why}", Shown(&path.display().to_string())))
}

/// True if any user could have put the file there, and another one did.
fn is_planted(path: &Path, there: &Metadata) -> io::Result<bool> {
    if there.uid() == rustix::process::geteuid().as_raw() {
        return Ok(false);
    }
    let mode = fs::metadata(folder_of(path))?.mode();
    Ok(mode & 0o002 != 0)
}

/// The folder that a file lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// True if this file has the path.
pub(crate) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::whole::remove;
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const KIND: FileKind = FileKind {
        name: "a diary",
        flag: "--diary",
        mode: 0o600,
        was_made_by_imtag: |_| Ok(true),
    };

    #[test]
    fn a_file_that_another_user_may_have_planted_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "").unwrap();
        if std::os::unix::fs::chown(&path, Some(65_534), None).is_err() {
            let must_run = std::env::var_os("CI").is_some_and(|value| value == "true");
            assert!(!must_run, "skipped, where CI=true");
            println!("skipped: only root may give a file away");
            return;
        }
        KIND.check(&path).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        let refused = KIND.check(&path).unwrap_err().to_string();
        let says = "belongs to another user, in a folder that every user may write to: give another path for a diary";
        assert!(refused.contains(says), "{refused}");
    }

    #[test]
    fn only_the_file_that_was_opened_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let (file, _) = KIND.open(&path).unwrap();
        fs::rename(&path, folder.path().join("moved")).unwrap();
        fs::write(&path, "of somebody else").unwrap();
        remove(&file, &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "of somebody else");
        fs::remove_file(&path).unwrap();
        symlink("moved", &path).unwrap();
        assert!(!is_at(&file, &path).unwrap(), "a link to it is not it");
        remove(&file, &folder.path().join("moved")).unwrap();
        assert!(!folder.path().join("moved").exists());
    }
}
