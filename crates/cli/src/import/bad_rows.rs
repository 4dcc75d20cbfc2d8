//! The rows that were left out, each with its line and reason: all of them, in the order of the file, however many they
//! are. They are kept as lines of the list of bad rows, in bounded memory and then in a temporary file. A report names
//! ten for each kind of reason.
//!
//! The list, `FILE.bad-rows.ndjson`, has an object a line with `line` and `reason`. It is written before anything is
//! sent, for its owner alone, as a reason may quote the row. A file that is no such list is never touched.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use imtag_rows::write_line;
use serde::{Serialize, Serializer};

use super::group::{SpillError, SpillFile};
use super::input::BadRow;
use super::report::reasons::{ByReason, NAMED, group};
use super::state::list_lines::holds_lines;
use crate::output::{Shown, count, wrapped};
use crate::ownership::whole::{OwnFile, is_filled_file};
use crate::ownership::{FileKind, PRIVATE, UnusableFile};

/// The bytes of lines that are kept in memory.
const MEMORY: usize = 1024 * 1024;

/// The list, as imtag may write it.
pub(crate) const BAD_ROWS: FileKind = FileKind {
    name: "a list of bad rows",
    flag: "--bad-rows",
    mode: PRIVATE,
    was_made_by_imtag: |file| holds_lines::<BadRow>("{\"line\":", file),
};

/// Rows that were left out.
pub(crate) struct BadRows {
    lines: SpillFile,
    /// The line that is being added.
    line: Vec<u8>,
    kinds: ByReason<String, BadRow>,
    /// The list of all of them, if there is one.
    list: Option<OwnFile>,
}

impl BadRows {
    /// None yet. Many go to a temporary file in `folder`.
    pub(crate) fn new(folder: &Path) -> BadRows {
        BadRows {
            lines: SpillFile::new(1, MEMORY, folder),
            line: Vec::new(),
            kinds: ByReason::new(),
            list: None,
        }
    }

    pub(crate) fn add(&mut self, row: BadRow) -> Result<(), SpillError> {
        self.line.clear();
        write_line(&row, &mut self.line);
        let at = group(&mut self.kinds, kind(&row.reason), String::new());
        let kind = &mut self.kinds[at];
        kind.count += 1;
        if kind.count <= NAMED {
            kind.named.push(row);
        }
        self.lines.add(0, &self.line)
    }

    pub(crate) fn count(&self) -> u64 {
        self.kinds.values().map(|kind| kind.count).sum()
    }

    /// Writes the list, or removes that of an earlier import if there are no bad rows. True if there is one now.
    ///
    /// # Errors
    /// If it may not be written, or cannot be. What was there before is then still there.
    pub(crate) fn write_list(&mut self, path: &Path) -> Result<bool, UnusableFile> {
        if self.count() == 0 {
            if is_filled_file(path) {
                match BAD_ROWS.hold(path) {
                    // that of an import at work, or no list at all
                    Err(UnusableFile::Foreign(_)) => {}
                    earlier => earlier?.remove()?,
                }
            }
            return Ok(false);
        }
        let mut list = BAD_ROWS.hold(path)?;
        list.write(&mut |file| self.write_lines(file))?;
        self.list = Some(list);
        Ok(true)
    }

    /// The list, unless another program has changed it meanwhile.
    fn list(&self) -> Option<&Path> {
        let list = self.list.as_ref().filter(|list| list.is_unchanged())?;
        Some(&list.path)
    }

    fn write_lines(&mut self, file: &File) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(256 * 1024, file);
        self.lines.read(0, |lines| out.write_all(lines))?;
        out.flush()
    }

    /// The reasons as text, each with the rows that are named.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.count() == 0 {
            return Ok(());
        }
        let rows = count(self.count(), "bad row was", "bad rows were");
        writeln!(out, "\n{rows} left out, and only these:")?;
        for kind in self.kinds.values() {
            for row in &kind.named {
                let line = format_args!("  line {}: {}", row.line, Shown(&row.reason));
                writeln!(out, "{}", wrapped(line, 4))?;
            }
            match kind.count - kind.named.len() as u64 {
                0 => {}
                more => writeln!(out, "  and {more} more like these")?,
            }
        }
        match self.list() {
            Some(list) => writeln!(out, "{} lists them all", Shown(&list.display().to_string())),
            None => Ok(()),
        }
    }
}

/// The fields of a report. Their names are a promise to programs: see the README.
impl Serialize for BadRows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Count<'a> {
            /// That of the first row.
            reason: &'a str,
            rows: u64,
        }
        #[derive(Serialize)]
        struct Fields<'a> {
            bad_row_details: Vec<&'a BadRow>,
            bad_rows_by_reason: Vec<Count<'a>>,
            bad_rows_list: Option<String>,
        }
        let counts = self.kinds.iter().map(|(key, kind)| Count {
            reason: match key.as_str() {
                "" => "other reasons",
                _ => &kind.named[0].reason,
            },
            rows: kind.count,
        });
        let fields = Fields {
            bad_row_details: self.kinds.values().flat_map(|kind| &kind.named).collect(),
            bad_rows_by_reason: counts.collect(),
            bad_rows_list: self.list().map(|it| it.display().to_string()),
        };
        fields.serialize(serializer)
    }
}

/// A reason without what is quoted of the row, and without its numbers. The parser of JSON has names and values between
/// back-ticks, which it does not escape, so that nothing after the first is looked at.
fn kind(reason: &str) -> String {
    let mut kind = String::with_capacity(reason.len());
    let mut chars = reason.chars();
    while let Some(c) = chars.next() {
        match c {
            '`' => break,
            '"' => {
                // to the closing quote; what is escaped is none
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => drop(chars.next()),
                        _ => {}
                    }
                }
                kind.push('"');
            }
            '0'..='9' if kind.ends_with('0') => {}
            '0'..='9' => kind.push('0'),
            c => kind.push(c),
        }
    }
    kind
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
            rows.add(BadRow { line, reason }).unwrap();
        }
        rows
    }

    #[test]
    fn all_are_listed_in_the_order_of_the_file_however_many_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        let row = |line: u64| BadRow {
            line,
            reason: format!("tag: {} is wrong", "x".repeat(line as usize % 300)),
        };
        for count in [3, 20_000] {
            let mut rows = BadRows::new(folder.path());
            for line in 0..count {
                rows.add(row(line)).unwrap();
            }
            assert!(rows.lines.held() <= MEMORY);
            assert_eq!(rows.count(), count);
            assert!(rows.write_list(&path).unwrap());
            let listed = fs::read_to_string(&path).unwrap();
            let listed = listed
                .lines()
                .map(|line| serde_json::from_str::<BadRow>(line).unwrap());
            assert!(listed.eq((0..count).map(row)));
            assert!(rows.kinds.len() <= 51);
        }
    }

    #[test]
    fn reasons_are_one_kind_whatever_they_quote_and_count() {
        let mut rows = BadRows::new(Path::new("/nowhere"));
        for line in 2..502 {
            let reason = format!("op: \"a\\\"{line}\" is none of add, remove, clear");
            rows.add(BadRow { line, reason }).unwrap();
            let reason = format!("tag: {} bytes, at most 50", 50 + line);
            rows.add(BadRow { line, reason }).unwrap();
            let field =
                ["Tga", "a`b", "T\"g", "标签", "x y"][line as usize % 5].repeat(line as usize);
            let reason = format!("column 23: unknown field `{field}`, expected `Tags`");
            rows.add(BadRow { line, reason }).unwrap();
            let value = ["true", "1.5", "-7"][line as usize % 3];
            let reason = format!("column 9: invalid value: `{value}`, expected a string");
            rows.add(BadRow { line, reason }).unwrap();
        }
        let kinds = rows.kinds.values();
        let kinds: Vec<_> = kinds.map(|kind| (kind.count, kind.named.len())).collect();
        assert_eq!(kinds, [(500, 10); 4]);
    }

    #[test]
    fn a_list_replaces_an_earlier_one_and_nothing_else_and_goes_where_there_are_no_bad_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.csv.bad-rows.ndjson");
        fs::write(&path, "").unwrap();
        assert!(!rows(0).write_list(&path).unwrap());
        assert!(path.exists(), "an empty file may be somebody's");
        assert!(rows(3).write_list(&path).unwrap());
        assert!(rows(1).write_list(&path).unwrap());
        let list = fs::read_to_string(&path).unwrap();
        assert_eq!(list, "{\"line\":1,\"reason\":\"tag: \\\"x\\\"\"}\n");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!rows(0).write_list(&path).unwrap());
        assert!(!path.exists());
        for content in [
            "{\"line\":1}\n",
            &format!("{list}mine\n"),
            &list.replace(':', ": "),
        ] {
            fs::write(&path, content).unwrap();
            let refused = rows(1).write_list(&path).unwrap_err().to_string();
            assert!(refused.contains("is not a list of bad rows"), "{refused}");
            assert!(!rows(0).write_list(&path).unwrap());
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }
}
