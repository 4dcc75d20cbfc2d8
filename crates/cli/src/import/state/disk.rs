//! What an import needs of a disk: to append to a file, and to know when that survives a power cut. Nothing is written
//! after the first failure: what a disk did not take, it may not give back either.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use crate::ownership::folder_of;

/// A file or folder that the disk denies: which one, what imtag wanted to do with it, and the remedy.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{} cannot be {denied}: {source}; {remedy}", path.display())]
pub(crate) struct DiskError {
    path: PathBuf,
    denied: &'static str,
    source: Arc<io::Error>,
    remedy: &'static str,
}

impl DiskError {
    /// `denied` is a participle: `written` makes "… cannot be written: …".
    pub(crate) fn denied(path: &Path, denied: &'static str) -> impl FnOnce(io::Error) -> DiskError {
        let path = path.to_owned();
        move |source| DiskError {
            path,
            denied,
            remedy: remedy(&source),
            source: Arc::new(source),
        }
    }

    /// True if the path is what is wrong.
    pub(crate) fn is_of_the_path(&self) -> bool {
        is_of_the_path(&self.source)
    }

    /// For a file system without locks, as some network file systems are.
    pub(crate) fn no_lock(path: &Path, source: io::Error) -> DiskError {
        DiskError {
            path: path.to_owned(),
            denied: "locked",
            remedy: "give a path on a local disk",
            source: Arc::new(source),
        }
    }
}

/// True if the system denies the path itself, such as one in a folder that does not exist.
pub(crate) fn is_of_the_path(error: &io::Error) -> bool {
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
        Some(Errno::AGAIN) => {
            return "raise this user's limit of threads (ulimit -u), and run the same command again";
        }
        Some(Errno::NAMETOOLONG) => return "give another path",
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

/// A file that grows at its end.
pub(crate) trait Medium: Send {
    /// Writes all of it, or fails after any part of it.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when what was appended survives a power cut.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file to this length, and appends there from now on.
    fn cut(&mut self, length: u64) -> io::Result<()>;

    /// Replaces its content for good. Unless it must stay the same file, a crash leaves the old content or the new, whole.
    fn put(&mut self, bytes: &[u8], _path: &Path, _same_file: bool) -> io::Result<()> {
        self.cut(0)?;
        self.append(bytes)?;
        self.sync()
    }

    /// Removes it for good, if it still has this path.
    fn remove(&mut self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl Medium for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.seek(SeekFrom::Start(length)).map(|_| ())
    }
}

/// Makes the creation or removal of a file survive a power cut.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    match File::open(folder_of(path))?.sync_all() {
        // some network file systems know no such thing for folders
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

/// Disks that fail, and log what is done to them.
#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Mutex;

    /// What was done to several files, in order: `journal append 12`, `failed sync`.
    pub(crate) type Log = Arc<Mutex<Vec<String>>>;

    /// Keeps nothing, takes `room` bytes, and logs each call.
    pub(crate) struct Small {
        pub(crate) name: &'static str,
        pub(crate) room: usize,
        pub(crate) log: Log,
    }

    impl Small {
        fn log(&self, what: &str) {
            self.log
                .lock()
                .unwrap()
                .push(format!("{} {what}", self.name));
        }
    }

    impl Medium for Small {
        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.log("append");
            match self.room.checked_sub(bytes.len()) {
                Some(room) => {
                    self.room = room;
                    Ok(())
                }
                None => Err(ErrorKind::StorageFull.into()),
            }
        }

        fn sync(&mut self) -> io::Result<()> {
            self.log("sync");
            Ok(())
        }

        fn cut(&mut self, length: u64) -> io::Result<()> {
            self.log(&format!("cut {length}"));
            Ok(())
        }
    }

    #[test]
    fn an_error_says_which_file_what_was_denied_and_what_to_do() {
        let denied = DiskError::denied(Path::new("/data/users.csv.journal"), "written");
        assert_eq!(
            denied(ErrorKind::PermissionDenied.into()).to_string(),
            "/data/users.csv.journal cannot be written: permission denied; let this user write there, or give another \
             path"
        );
    }

    #[test]
    fn a_file_without_a_folder_lies_in_the_working_folder() {
        sync_folder_of(Path::new("users.csv")).unwrap();
        assert!(sync_folder_of(Path::new("/no such folder/users.csv")).is_err());
    }
}
