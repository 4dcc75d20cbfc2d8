//! The list of all bad rows: `FILE.bad-rows.ndjson`, an object a line with `line` and `reason`. It is written before
//! anything is sent, for its owner alone, as a reason may quote the row. A file that is no such list is never touched.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Deserialize;

use super::BadRows;
use crate::import::input::BadRow;
use crate::import::line_form::LineForm;
use crate::import::state::disk::{DiskError, Medium};
use crate::import::state::lock::{LockedFile, MODE, StateFileError, lock_list};
use crate::ownership::{FileKind, Found, is_filled_file};

/// The list, as imtag may write it.
pub(crate) const BAD_ROWS: FileKind = FileKind {
    name: "a list of bad rows",
    flag: "--bad-rows",
    mode: MODE,
    is_ours: |file| FORM.fits(file, false),
};

const FORM: LineForm = LineForm {
    start: b"{\"line\":",
    is_line: |text| {
        serde_json::from_slice::<Line>(text).is_ok_and(|Line { line, reason }| {
            let mut written = Vec::with_capacity(text.len());
            write_line(&BadRow { line, reason }, &mut written).is_ok() && written == text
        })
    },
    problem: |text| serde_json::from_slice::<Line>(text).err(),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    line: u64,
    reason: String,
}

/// Writes the list, or, where there are no bad rows, removes that of an earlier import. Says whether there is one now.
///
/// # Errors
/// Where it may not be written, or cannot be. What was there before is there yet then.
pub(crate) fn write(path: &Path, rows: &mut BadRows) -> Result<bool, StateFileError> {
    if rows.count() == 0 {
        if is_filled_file(path) && BAD_ROWS.check(path).is_ok() {
            let mut list = locked(path)?;
            list.remove(path)
                .map_err(DiskError::denied(path, "removed"))?;
        }
        return Ok(false);
    }
    let mut list = locked(path)?;
    let same_file = list.found == Found::Empty;
    let written = list.fill(path, same_file, &mut |file| append(file, rows));
    if let Err(error) = written {
        match list.found {
            Found::Nothing => drop(list.remove(path)),
            Found::Empty => drop(list.cut(0)),
            Found::Filled => {}
        }
        return Err(DiskError::denied(path, "written")(error).into());
    }
    Ok(true)
}

fn locked(path: &Path) -> Result<LockedFile, StateFileError> {
    let mut locked = lock_list(path, &BAD_ROWS)?;
    let checked = BAD_ROWS.check_content(path, &mut locked.file);
    checked.map_err(StateFileError::new(path))?;
    locked.take().map_err(DiskError::denied(path, "read"))?;
    Ok(locked)
}

fn append(file: &File, rows: &mut BadRows) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(256 * 1024, file);
    rows.for_each(|row| write_line(row, &mut out))?;
    out.flush()
}

fn write_line(row: &BadRow, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, row)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
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
        fs::write(&path, "").unwrap();
        assert!(!write(&path, &mut rows(0)).unwrap());
        assert!(path.exists(), "an empty file may be somebody's");
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
        let line = "{\"line\":1,\"reason\":\"tag: empty\"}\n";
        let followed = format!("{line}mine\n");
        let spaced = line.replace(':', ": ");
        for content in [
            "account,tag\n",
            "{\"line\":1}\n",
            "{\"line\":1",
            "{\"account\":\"a\"}",
            &followed,
            &spaced,
        ] {
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
