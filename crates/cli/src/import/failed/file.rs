//! Writing the list: replaced when a run begins, cut to what the journal knows when one is resumed.

use std::fs::File;
use std::hash::Hasher;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_64;

use super::FailedError;
use super::list::{is_list, is_rest_of_list};
use crate::import::disk::{self, DiskError, Medium};
use crate::import::lock::{MODE, StateFileError, lock_list};
use crate::ownership::{FileKind, Found};

/// The list, as imtag may write it.
pub(crate) const LIST: FileKind = FileKind {
    name: "a list of failed users",
    flag: "--failed",
    mode: MODE,
    is_ours: is_list,
};

/// What a list held at some moment: its length in bytes, and a checksum of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) bytes: u64,
    pub(crate) checksum: u64,
}

/// The list of failed users of one run.
pub(crate) struct FailedFile {
    path: PathBuf,
    file: Box<dyn Medium>,
    bytes: u64,
    checksum: XxHash3_64,
    /// Whether what the file holds is of this run.
    begun: bool,
    /// What was there before.
    found: Found,
    /// Whether there was an empty file before imtag came, which then stays.
    stays_empty: bool,
}

impl FailedFile {
    /// Finds out that it may be written, and can be. An earlier run's list stays until something is appended.
    pub(crate) fn fresh(path: &Path) -> Result<FailedFile, FailedError> {
        let mut file = lock_list(path, &LIST)?;
        LIST.check_content(path, &mut file.file)
            .map_err(StateFileError::new(path))?;
        file.take().map_err(DiskError::denied(path, "read"))?;
        let found = file.found;
        if found == Found::Nothing
            && let Err(error) = disk::sync_folder_of(path)
        {
            let _ = file.remove(path); // what is told is why it could not be made
            return Err(DiskError::denied(path, "made")(error).into());
        }
        Ok(FailedFile {
            found,
            stays_empty: found == Found::Empty,
            ..FailedFile::on(path, file)
        })
    }

    /// Finds out that it can go on after what stood there at `mark`. Nothing is changed yet: see `take_up`. `journal` is
    /// what a remedy names.
    pub(crate) fn resume(
        path: &Path,
        mark: Mark,
        journal: &Path,
    ) -> Result<FailedFile, FailedError> {
        if mark.bytes == 0 {
            return FailedFile::fresh(path);
        }
        let not_as_written = || FailedError::NotAsWritten {
            path: path.to_owned(),
            journal: journal.to_owned(),
        };
        let mut file = lock_list(path, &LIST)?;
        if file.found == Found::Nothing {
            file.remove(path)
                .map_err(DiskError::denied(path, "removed"))?;
            return Err(not_as_written());
        }
        let denied = || DiskError::denied(path, "read");
        let (bytes, checksum) = summed(&file.file, mark.bytes).map_err(denied())?;
        if (bytes, checksum.finish()) != (mark.bytes, mark.checksum) {
            return Err(not_as_written());
        }
        file.file.seek(SeekFrom::Start(bytes)).map_err(denied())?;
        if !is_rest_of_list(&file.file).map_err(denied())? {
            let path = path.to_owned();
            return Err(FailedError::Followed { path });
        }
        file.take().map_err(denied())?;
        Ok(FailedFile {
            bytes,
            checksum,
            ..FailedFile::on(path, file)
        })
    }

    /// Cuts off what stands after the lines that the journal knows: nothing can refuse this run any more. An earlier
    /// run's list stays.
    pub(crate) fn take_up(&mut self) -> Result<(), DiskError> {
        if self.bytes > 0 {
            self.begin()
                .map_err(DiskError::denied(&self.path, "written"))?;
        }
        Ok(())
    }

    /// An earlier run of the same import knows whether an empty file was there before imtag came.
    pub(crate) fn stay_empty(&mut self, stays: bool) {
        self.stays_empty = stays && self.found != Found::Nothing;
    }

    /// Appends lines, and returns when they survive a power cut. An earlier run's list is gone from here on.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<(), DiskError> {
        let mut written = || {
            if self.bytes == 0 && !lines.is_empty() {
                self.file.put(lines, &self.path, self.stays_empty)?;
                self.begun = true;
                return Ok(());
            }
            self.begin()?;
            if lines.is_empty() {
                return Ok(());
            }
            self.file.append(lines)?;
            self.file.sync()
        };
        if let Err(error) = written() {
            // no half line stays; what a disk keeps all the same is cut on resuming
            let _ = self.file.cut(self.bytes);
            return Err(DiskError::denied(&self.path, "written")(error));
        }
        self.bytes += lines.len() as u64;
        self.checksum.write(lines);
        Ok(())
    }

    /// Whether no earlier list is lost by what is appended.
    pub(crate) fn is_of_this_run(&self) -> bool {
        self.begun || self.found != Found::Filled
    }

    /// What it holds now.
    pub(crate) fn mark(&self) -> Mark {
        match self.bytes {
            0 => Mark::default(),
            bytes => Mark {
                bytes,
                checksum: self.checksum.finish(),
            },
        }
    }

    /// Leaves no empty file behind, unless it was there.
    pub(crate) fn close(mut self) -> Result<(), DiskError> {
        let is_left_over = self.bytes == 0 && self.is_of_this_run();
        if is_left_over && !self.stays_empty {
            let removed = self.file.remove(&self.path);
            removed.map_err(DiskError::denied(&self.path, "removed"))?;
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        if !self.begun {
            self.file.cut(self.bytes)?;
            self.begun = true;
        }
        Ok(())
    }

    /// A list that nothing is appended to yet.
    pub(crate) fn on(path: &Path, file: impl Medium + 'static) -> FailedFile {
        FailedFile {
            path: path.to_owned(),
            file: Box::new(file),
            bytes: 0,
            checksum: XxHash3_64::new(),
            begun: false,
            found: Found::Filled,
            stays_empty: false,
        }
    }
}

/// Reads so many bytes of a file, or fewer if it ends.
fn summed(file: &File, bytes: u64) -> io::Result<(u64, XxHash3_64)> {
    let mut checksum = XxHash3_64::new();
    let mut left = bytes;
    let mut reader = BufReader::with_capacity(256 * 1024, file);
    while left > 0 {
        let part = reader.fill_buf()?;
        let some = usize::try_from(left).map_or(part.len(), |left| part.len().min(left));
        if some == 0 {
            break;
        }
        checksum.write(&part[..some]);
        reader.consume(some);
        left -= some as u64;
    }
    Ok((bytes - left, checksum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::disk::tests::{Log, Small};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// The list of an earlier run.
    const EARLIER: &str = "{\"account\":\"zoe\",\"op\":\"clear\",\"tags\":[],\"code\":null,\"reason\":\"no\",\
                           \"remedy\":\"ask\",\"effect\":\"not applied\"}\n";

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn an_earlier_list_stays_until_the_first_user_of_the_new_run_is_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed");
        fs::write(&path, EARLIER).unwrap();
        FailedFile::fresh(&path).unwrap().close().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), EARLIER);
        let mut list = FailedFile::fresh(&path).unwrap();
        list.append(b"").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        list.append(b"one\n").unwrap();
        list.append(b"two\n").unwrap();
        list.close().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert_eq!(mode(&path), 0o600, "an earlier list may have had another");
    }

    #[test]
    fn a_run_without_failures_leaves_no_list_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed");
        let list = FailedFile::fresh(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        list.close().unwrap();
        assert!(!path.exists());
        fs::write(&path, EARLIER).unwrap();
        let mut list = FailedFile::fresh(&path).unwrap();
        list.append(b"").unwrap();
        list.close().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_list_that_is_taken_up_again_is_cut_to_what_the_journal_knows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed");
        let mut list = FailedFile::fresh(&path).unwrap();
        list.append(EARLIER.as_bytes()).unwrap();
        let known = list.mark();
        list.append(EARLIER.as_bytes()).unwrap();
        let all = list.mark();
        drop(list);
        let mut list = FailedFile::resume(&path, known, Path::new("journal")).unwrap();
        assert_eq!(list.mark(), known);
        assert_eq!(fs::read_to_string(&path).unwrap(), EARLIER.repeat(2));
        list.take_up().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), EARLIER);
        list.append(EARLIER.as_bytes()).unwrap();
        assert_eq!(list.mark(), all, "a resumed list has the same checksum");
        list.close().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), EARLIER.repeat(2));
        let mut list = FailedFile::resume(&path, Mark::default(), Path::new("journal")).unwrap();
        list.take_up().unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            EARLIER.repeat(2),
            "it may be another import's, and nobody is settled yet"
        );
        list.append(b"").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn a_list_that_is_not_what_was_written_is_neither_cut_nor_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed");
        let mut list = FailedFile::fresh(&path).unwrap();
        list.append(b"one\n").unwrap();
        let mark = list.mark();
        drop(list);
        let refused = |path: &Path| {
            let error = FailedFile::resume(path, mark, Path::new("users.journal")).err();
            let text = error.unwrap().to_string();
            assert!(text.contains("or delete users.journal to import"), "{text}");
        };
        for other in ["", "on", "two\nthree\n"] {
            fs::write(&path, other).unwrap();
            refused(&path);
            assert_eq!(fs::read_to_string(&path).unwrap(), other);
        }
        fs::remove_file(&path).unwrap();
        refused(&path);
        assert!(!path.exists());
    }

    #[test]
    fn two_imports_never_write_one_list() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed");
        let list = FailedFile::fresh(&path).unwrap();
        let refused = FailedFile::fresh(&path).err().unwrap().to_string();
        assert!(refused.starts_with("another import writes "), "{refused}");
        list.close().unwrap();
        assert!(FailedFile::fresh(&path).is_ok());
    }

    #[test]
    fn a_place_that_takes_no_file_is_named_at_once() {
        let refused = |path: &str| {
            let error = FailedFile::fresh(Path::new(path)).err();
            error.unwrap().to_string()
        };
        assert!(refused("/no such folder/f").contains("make its folder"));
        assert!(refused("/dev/full").contains("give another path (--failed)"));
    }

    #[test]
    fn a_full_disk_is_named_with_the_path_and_the_remedy() {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut list = FailedFile::on(Path::new("users.failed"), Full(full));
        let text = list.append(b"one\n").unwrap_err().to_string();
        assert!(
            text.starts_with("users.failed cannot be written: "),
            "{text}"
        );
        assert!(text.contains("make room for it"), "{text}");
        assert_eq!(
            list.mark(),
            Mark::default(),
            "what was not written counts as nothing"
        );
    }

    #[test]
    fn a_line_that_did_not_fit_is_not_left_in_halves() {
        let log = Log::default();
        let small = Small {
            name: "failed",
            room: 5,
            log: Log::clone(&log),
        };
        let mut list = FailedFile::on(Path::new("users.failed"), small);
        list.append(b"one\n").unwrap();
        list.append(b"two\n").unwrap_err();
        let all = log.lock().unwrap().join(", ");
        assert_eq!(
            all,
            "failed cut 0, failed append, failed sync, failed append, failed cut 4"
        );
    }

    /// A device, which cannot be cut.
    struct Full(File);

    impl Medium for Full {
        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.0.append(bytes)
        }

        fn sync(&mut self) -> io::Result<()> {
            self.0.sync()
        }

        fn cut(&mut self, _: u64) -> io::Result<()> {
            Ok(())
        }
    }
}
