//! The list of all bad rows: `FILE.bad-rows.ndjson`, an object a line with `line` and `reason`. It is written before
//! anything is sent, for its owner alone, as a reason may quote the row. A file that is no such list is never touched.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::BadRows;
use crate::import::disk::{self, DiskError, Medium};
use crate::import::lock::{Held, Hold, hold};

/// More than the first line of any list takes.
const FIRST_LINE: u64 = 64 * 1024;

/// A list that cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("another import writes {}: wait for its end", .0.display())]
    Busy(PathBuf),
    #[error(
        "{} is not a list of bad rows, and is left as it is: give another path (--bad-rows), or move it away",
        .0.display()
    )]
    NotOurs(PathBuf),
}

/// Writes the list, or, where there are no bad rows, removes that of an earlier import. Says whether there is one now.
///
/// # Errors
/// See `ListError`. What was there before is there yet then, but for a list of an earlier import on a full disk.
pub(crate) fn write(path: &Path, rows: &mut BadRows) -> Result<bool, ListError> {
    if rows.count() == 0 {
        if fs::symlink_metadata(path).is_ok_and(|it| it.is_file()) {
            let mut file = held(path)?;
            if is_ours(&mut file.0).unwrap_or(false) {
                disk::remove(path)?;
            }
        }
        return Ok(false);
    }
    if fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink()) {
        return Err(ListError::NotOurs(path.to_owned()));
    }
    let mut file = held(path)?;
    if !is_ours(&mut file.0).map_err(DiskError::of(path, "read"))? {
        return Err(ListError::NotOurs(path.to_owned()));
    }
    let written = file.cut(0).and_then(|()| append(&file.0, rows));
    written.map_err(DiskError::of(path, "written"))?;
    Ok(true)
}

fn held(path: &Path) -> Result<Held, ListError> {
    match hold(path)? {
        Hold::Ours(held) => Ok(held),
        Hold::Anothers(_) => Err(ListError::Busy(path.to_owned())),
    }
}

/// An empty file is nobody's.
fn is_ours(file: &mut File) -> io::Result<bool> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)] // it is only looked at whether they are there
    struct Line {
        line: u64,
        reason: String,
    }
    let mut first = Vec::new();
    let start = io::Read::take(&*file, FIRST_LINE);
    BufReader::new(start).read_until(b'\n', &mut first)?;
    Ok(first.is_empty() || serde_json::from_slice::<Line>(&first).is_ok())
}

fn append(file: &File, rows: &mut BadRows) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(256 * 1024, file);
    rows.for_each(|row| -> io::Result<()> {
        serde_json::to_writer(&mut out, row)?;
        out.write_all(b"\n")
    })?;
    out.flush()
}

impl From<ListError> for io::Error {
    fn from(error: ListError) -> io::Error {
        io::Error::other(error)
    }
}

impl ListError {
    /// Whether it is the disk that denies something, and not the file that is not the right one.
    pub(crate) fn is_of_the_disk(&self) -> bool {
        matches!(self, ListError::Disk(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::read::BadRow;
    use std::os::unix::fs::PermissionsExt;

    fn rows(count: u64) -> BadRows {
        let mut rows = BadRows::new(Path::new("/nowhere"));
        for line in 1..=count {
            let reason = "tag: \"x\"".to_owned();
            rows.add(&BadRow { line, reason }).unwrap();
        }
        rows
    }

    #[test]
    fn a_list_replaces_an_earlier_one_and_goes_where_there_are_no_bad_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.csv.bad-rows.ndjson");
        assert!(write(&path, &mut rows(3)).unwrap());
        assert!(write(&path, &mut rows(1)).unwrap());
        let list = fs::read_to_string(&path).unwrap();
        assert_eq!(list, "{\"line\":1,\"reason\":\"tag: \\\"x\\\"\"}\n");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!write(&path, &mut rows(0)).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_such_list_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other");
        for content in ["account,tag\n", "{\"line\":1}\n", "{\"account\":\"a\"}"] {
            fs::write(&path, content).unwrap();
            let refused = write(&path, &mut rows(1)).unwrap_err().to_string();
            assert!(refused.contains("is not a list of bad rows"), "{refused}");
            assert!(!write(&path, &mut rows(0)).unwrap());
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("away"), &link).unwrap();
        assert!(write(&link, &mut rows(1)).is_err());
        assert!(!write(&link, &mut rows(0)).unwrap());
        assert!(!folder.path().join("away").exists());
    }
}
