//! The list of who failed, `FILE.failed.ndjson`, as a run writes it: a line for each change that is not done, see
//! `failed_change`. It is never held in memory.
//!
//! ```text
//!                  open: checked, an earlier list stays
//!                    │
//!        ┌───────────┴──────────────┐
//!   a new import               a resumed one: cut to what the journal knows, see `cut_rest`
//!        └───────────┬──────────────┘
//!                  append: what an earlier import listed is gone from here on
//!                    │
//!                  close: an empty list is removed, unless it was there
//! ```
//!
//! - It holds accounts and tags, and so is for its owner's eyes: mode 0600.
//! - Lines are on the disk for good before the journal counts their users as failed, and the journal knows how long the
//!   list was then (a [`Mark`]). A resumed run cuts what stands after that, as it sends to those users again. So each
//!   user is listed once, through any number of crashes.
//! - No other file is ever written: see `ownership`.
//! - An earlier list stays until the first user of this import is settled, or held back where it ends early: a wrong
//!   key or a refused setting costs no list.
//! - A run that ends early adds the users whose failures are held back, so that the list names all who failed. The next
//!   run cuts them off.

use std::fs::File;
use std::hash::Hasher;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_64;

use super::disk::{self, DiskError, Medium};
use super::failed_change::{FailedChange, is_list, is_rest_of_list};
use super::lock::{MODE, StateFileError, lock_list, lock_own_list};
use crate::output::count;
use crate::ownership::{FileKind, Found};

/// The list, as imtag may write it.
pub(crate) const LIST: FileKind = FileKind {
    name: "a list of failed users",
    flag: "--failed",
    mode: MODE,
    was_made_by_imtag: is_list,
};

/// A list of failed users that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FailedListError {
    #[error(transparent)]
    File(#[from] StateFileError),
    /// When a run is resumed: what follows its lines is no line.
    #[error(
        "{} goes on with lines that imtag did not write: move them to another file, and run the same command again",
        path.display()
    )]
    Followed { path: PathBuf },
    /// When a run is resumed: what it wrote is gone.
    #[error(
        "{} does not start with the failed users that this import has listed so far: put it back as it was, or \
         delete {} to import the whole file again",
        path.display(),
        journal.display()
    )]
    NotAsWritten { path: PathBuf, journal: PathBuf },
    /// When it is read back: another program has changed it meanwhile.
    #[error(
        "{} lists {}, not the {expected} who failed: it was changed or removed; import the whole file again",
        path.display(),
        count(*listed, "user", "users")
    )]
    NotWhole {
        path: PathBuf,
        listed: u64,
        expected: u64,
    },
    #[error("line {line} of {} is not as it was written ({problem})", path.display())]
    Line {
        path: PathBuf,
        line: u64,
        problem: String,
    },
}

impl From<DiskError> for FailedListError {
    fn from(error: DiskError) -> FailedListError {
        FailedListError::File(error.into())
    }
}

/// What a list held at some moment: its length in bytes, and a checksum of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) bytes: u64,
    pub(crate) checksum: u64,
}

/// The list of one run.
pub(crate) struct FailedList {
    path: PathBuf,
    file: Box<dyn Medium>,
    bytes: u64,
    checksum: XxHash3_64,
    /// True once what the file holds is of this import, and nothing else.
    begun: bool,
    /// What was there before.
    found: Found,
    /// True if there was an empty file before imtag came: it stays.
    stays_empty: bool,
}

impl FailedList {
    /// Opens the list of a new import, and checks that it may be written and can be. An earlier list stays until
    /// something is appended.
    pub(crate) fn open(path: &Path) -> Result<FailedList, FailedListError> {
        let mut file = lock_own_list(path, &LIST)?;
        let found = file.found;
        if found == Found::Nothing {
            if let Err(error) = disk::sync_folder_of(path) {
                let _ = file.remove(path); // the error to report is why it could not be made
                return Err(DiskError::denied(path, "made")(error).into());
            }
        }
        Ok(FailedList {
            found,
            stays_empty: found == Found::Empty,
            ..FailedList::on(path, file)
        })
    }

    /// Opens the list of an import that is resumed, which had `mark` when the journal was last written. Nothing is
    /// changed yet: see `cut_rest`. `journal` is what a remedy names.
    pub(crate) fn resume(
        path: &Path,
        mark: Mark,
        journal: &Path,
    ) -> Result<FailedList, FailedListError> {
        if mark.bytes == 0 {
            return FailedList::open(path);
        }
        let not_as_written = || FailedListError::NotAsWritten {
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
            return Err(FailedListError::Followed { path });
        }
        file.take().map_err(denied())?;
        Ok(FailedList {
            bytes,
            checksum,
            ..FailedList::on(path, file)
        })
    }

    /// Cuts off what stands after the lines that the journal knows. Called when nothing can refuse this run any more.
    /// Where the journal knows of no line, an earlier list stays.
    pub(crate) fn cut_rest(&mut self) -> Result<(), DiskError> {
        if self.bytes > 0 {
            self.begin()
                .map_err(DiskError::denied(&self.path, "written"))?;
        }
        Ok(())
    }

    /// Sets whether an empty file was there before imtag came, as an earlier run of the same import knows.
    pub(crate) fn stay_empty(&mut self, stays: bool) {
        self.stays_empty = stays && self.found != Found::Nothing;
    }

    /// Appends lines, and returns when they survive a power cut. An earlier list is gone from here on.
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
            // no half line stays; what a disk keeps all the same is cut when the import is resumed
            let _ = self.file.cut(self.bytes);
            return Err(DiskError::denied(&self.path, "written")(error));
        }
        self.bytes += lines.len() as u64;
        self.checksum.write(lines);
        Ok(())
    }

    /// True if no earlier list is lost by what is appended.
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
    pub(crate) fn on(path: &Path, file: impl Medium + 'static) -> FailedList {
        FailedList {
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

/// Reads a list line by line, and then the lines for which it had no room. The first error ends it. A list that is not
/// there is empty, as a run without failures leaves none.
pub(crate) fn read_list(
    path: &Path,
    unwritten: &[u8],
) -> Result<impl Iterator<Item = Result<FailedChange, FailedListError>> + use<>, FailedListError> {
    let unwritten = Cursor::new(unwritten.to_vec());
    let mut from: Box<dyn BufRead> = match File::open(path) {
        Ok(file) => Box::new(BufReader::new(file).chain(unwritten)),
        Err(error) if error.kind() == ErrorKind::NotFound => Box::new(unwritten),
        Err(error) => return Err(DiskError::denied(path, "read")(error).into()),
    };
    let path = path.to_owned();
    let (mut line, mut ended) = (0, false);
    let mut text = Vec::new();
    Ok(std::iter::from_fn(move || {
        text.clear();
        line += 1;
        let read = match from.read_until(b'\n', &mut text) {
            _ if ended => return None,
            Ok(0) => return None,
            Ok(_) => serde_json::from_slice(&text).map_err(|error| FailedListError::Line {
                path: path.clone(),
                line,
                problem: error.to_string(),
            }),
            Err(error) => Err(DiskError::denied(&path, "read")(error).into()),
        };
        ended = read.is_err();
        Some(read)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::state::disk::tests::{Log, Small};
    use crate::import::state::failed_change::tests::{cleared, failed};
    use crate::import::state::journal::tests::EARLIER;
    use crate::import::state::own_list::write_line;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_earlier_list_stays_until_the_first_user_of_the_new_run_is_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed");
        fs::write(&path, EARLIER).unwrap();
        FailedList::open(&path).unwrap().close().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), EARLIER);
        let mut list = FailedList::open(&path).unwrap();
        list.append(b"").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        list.append(b"one\n").unwrap();
        list.append(b"two\n").unwrap();
        list.close().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "an earlier list may have had another");
    }

    #[test]
    fn the_list_of_a_resumed_run_is_cut_to_what_the_journal_knows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed");
        let mut list = FailedList::open(&path).unwrap();
        list.append(EARLIER.as_bytes()).unwrap();
        let known = list.mark();
        list.append(EARLIER.as_bytes()).unwrap();
        let all = list.mark();
        drop(list);
        let mut list = FailedList::resume(&path, known, Path::new("journal")).unwrap();
        assert_eq!(list.mark(), known);
        assert_eq!(fs::read_to_string(&path).unwrap(), EARLIER.repeat(2));
        list.cut_rest().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), EARLIER);
        list.append(EARLIER.as_bytes()).unwrap();
        assert_eq!(list.mark(), all, "a resumed list has the same checksum");
        list.close().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), EARLIER.repeat(2));
        let mut list = FailedList::resume(&path, Mark::default(), Path::new("journal")).unwrap();
        list.cut_rest().unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            EARLIER.repeat(2),
            "it may be another import's, and no user is settled yet"
        );
        list.append(b"").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn a_list_that_is_not_as_it_was_written_is_neither_cut_nor_appended_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed");
        let mut list = FailedList::open(&path).unwrap();
        list.append(b"one\n").unwrap();
        let mark = list.mark();
        drop(list);
        let refused = |says: &str| {
            let error = FailedList::resume(&path, mark, Path::new("users.journal")).err();
            let text = error.unwrap().to_string();
            assert!(text.contains(says), "{text}");
        };
        let gone = "does not start with the failed users that this import has listed so far: put it back as it was, or \
                    delete users.journal to import";
        let followed = "goes on with lines that imtag did not write: move them to another file";
        for (other, says) in [
            ("", gone),
            ("on", gone),
            ("two\nthree\n", gone),
            ("one\ncall user 3\n", followed),
        ] {
            fs::write(&path, other).unwrap();
            refused(says);
            assert_eq!(fs::read_to_string(&path).unwrap(), other);
        }
        fs::remove_file(&path).unwrap();
        refused(gone);
        assert!(!path.exists());
    }

    #[test]
    fn a_line_that_did_not_fit_is_not_left_in_halves_and_counts_as_nothing() {
        let log = Log::default();
        let small = Small {
            name: "failed",
            room: 5,
            log: Log::clone(&log),
        };
        let mut list = FailedList::on(Path::new("users.failed"), small);
        list.append(b"one\n").unwrap();
        let mark = list.mark();
        list.append(b"two\n").unwrap_err();
        assert_eq!(list.mark(), mark);
        let all = log.lock().unwrap().join(", ");
        assert_eq!(
            all,
            "failed cut 0, failed append, failed sync, failed append, failed cut 4"
        );
    }

    #[test]
    fn what_was_written_is_read_back_and_then_what_had_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed");
        let changes = [failed("bob\n"), cleared("eve"), cleared("zoe")];
        let mut lines = [const { Vec::new() }; 3];
        for (change, line) in changes.iter().zip(&mut lines) {
            write_line(change, line);
        }
        let mut list = FailedList::open(&path).unwrap();
        list.append(&lines[0]).unwrap();
        list.append(&lines[1]).unwrap();
        let read: Result<Vec<_>, _> = read_list(&path, &lines[2]).unwrap().collect();
        assert_eq!(read.unwrap(), changes);
        let no_list = read_list(Path::new("/no such file"), &lines[2]).unwrap();
        assert_eq!(no_list.count(), 1);
    }

    #[test]
    fn a_line_that_was_changed_is_named_and_ends_the_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed");
        for (changed, problem) in [
            (
                EARLIER.replace("not applied", "maybe"),
                "no effect is called \"maybe\"",
            ),
            (
                EARLIER.replace("\"op\"", "\"note\":1,\"op\""),
                "unknown field `note`",
            ),
        ] {
            fs::write(&path, format!("{EARLIER}{changed}{EARLIER}")).unwrap();
            let read: Vec<_> = read_list(&path, &[]).unwrap().collect();
            assert_eq!(read.len(), 2);
            let text = read[1].as_ref().unwrap_err().to_string();
            assert!(text.starts_with("line 2 of "), "{text}");
            assert!(text.contains(problem), "{text}");
        }
    }
}
