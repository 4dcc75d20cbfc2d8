//! The rows that were left out, each with its line and reason: all of them, in the order of the file, however many they
//! are. In memory they take a bounded part, and the rest of the temporary file. A report names ten for each kind of
//! reason; `list` writes all of them into a file.

use std::path::Path;

use indexmap::IndexMap;
use serde::{Serialize, Serializer};

use super::group::{SpillError, SpillFile};
use super::input::BadRow;
use super::report::reasons::NAMED;

pub(crate) mod list;

/// What they take of the memory.
const MEMORY: usize = 1024 * 1024;

/// Bytes of the line and of the length before a reason.
const HEAD: usize = 16;

/// Kinds of reasons that are told apart.
const KINDS: usize = 50;

/// Rows that were left out.
pub(crate) struct BadRows {
    spill: SpillFile,
    scratch: Vec<u8>,
    kinds: Kinds,
}

/// Rows by what is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Kinds(IndexMap<String, Kind>);

/// Rows that are left out for the same reason, whatever stands in them.
#[derive(Debug, Default)]
pub(crate) struct Kind {
    pub(crate) rows: u64,
    /// The first of them.
    pub(crate) named: Vec<BadRow>,
}

impl BadRows {
    /// None yet. Many go to a temporary file in `folder`.
    pub(crate) fn new(folder: &Path) -> BadRows {
        BadRows {
            spill: SpillFile::new(1, MEMORY, folder),
            scratch: Vec::new(),
            kinds: Kinds::default(),
        }
    }

    pub(crate) fn add(&mut self, row: &BadRow) -> Result<(), SpillError> {
        self.kinds.add(row);
        self.scratch.clear();
        self.scratch.extend(row.line.to_le_bytes());
        self.scratch.extend((row.reason.len() as u64).to_le_bytes());
        self.scratch.extend(row.reason.as_bytes());
        self.spill.add(0, &self.scratch)
    }

    pub(crate) fn count(&self) -> u64 {
        self.kinds.0.values().map(|kind| kind.rows).sum()
    }

    pub(crate) fn into_kinds(self) -> Kinds {
        self.kinds
    }

    /// Hands `take` one after the other.
    pub(crate) fn for_each<E: From<SpillError>>(
        &mut self,
        mut take: impl FnMut(&BadRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.spill.read(0, |mut piece| {
            while let Some((head, rest)) = piece.split_first_chunk::<HEAD>() {
                let number = |at: usize| {
                    let bytes = head[at..at + 8].try_into();
                    u64::from_le_bytes(bytes.expect("eight bytes are eight bytes"))
                };
                let length = usize::try_from(number(8)).unwrap_or(usize::MAX);
                let (reason, rest) = rest.split_at(length.min(rest.len()));
                take(&BadRow {
                    line: number(0),
                    reason: String::from_utf8_lossy(reason).into_owned(),
                })?;
                piece = rest;
            }
            Ok(())
        })
    }
}

impl Kinds {
    fn add(&mut self, row: &BadRow) {
        let mut kind = kind(&row.reason);
        if self.0.len() >= KINDS && !self.0.contains_key(&kind) {
            kind.clear();
        }
        let kind = self.0.entry(kind).or_default();
        kind.rows += 1;
        if kind.rows <= NAMED {
            kind.named.push(row.clone());
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Kind> {
        self.0.values()
    }

    /// The rows that are named.
    pub(crate) fn examples<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().flat_map(|kind| &kind.named))
    }

    /// How many rows there are of each kind, with the first one's reason.
    pub(crate) fn counts<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Count<'a> {
            reason: &'a str,
            rows: u64,
        }
        serializer.collect_seq(self.0.iter().map(|(key, kind)| Count {
            reason: match key.as_str() {
                "" => "other reasons",
                _ => &kind.named[0].reason,
            },
            rows: kind.rows,
        }))
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

    #[test]
    fn all_come_back_in_the_order_of_the_file_however_many_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let row = |line: u64| BadRow {
            line,
            reason: format!("tag: {} is wrong", "x".repeat(line as usize % 300)),
        };
        for count in [0, 3, 20_000] {
            let mut rows = BadRows::new(folder.path());
            for line in 0..count {
                rows.add(&row(line)).unwrap();
            }
            assert!(rows.spill.held() <= MEMORY);
            assert_eq!(rows.count(), count);
            let mut next = 0;
            rows.for_each(|read| {
                assert_eq!(*read, row(next));
                next += 1;
                Ok::<_, SpillError>(())
            })
            .unwrap();
            assert_eq!(next, count);
            assert!(rows.kinds.0.len() <= KINDS + 1);
        }
    }

    #[test]
    fn reasons_are_one_kind_whatever_they_quote_and_count() {
        let mut rows = BadRows::new(Path::new("/nowhere"));
        for line in 2..502 {
            let reason = format!("op: \"a\\\"{line}\" is none of add, remove, clear");
            rows.add(&BadRow { line, reason }).unwrap();
            let reason = format!("tag: {} bytes, at most 50", 50 + line);
            rows.add(&BadRow { line, reason }).unwrap();
            let field =
                ["Tga", "a`b", "T\"g", "标签", "x y"][line as usize % 5].repeat(line as usize);
            let reason = format!("column 23: unknown field `{field}`, expected `Tags`");
            rows.add(&BadRow { line, reason }).unwrap();
            let value = ["true", "1.5", "-7"][line as usize % 3];
            let reason = format!("column 9: invalid value: `{value}`, expected a text");
            rows.add(&BadRow { line, reason }).unwrap();
        }
        let kinds = rows.into_kinds();
        let rows: Vec<_> = kinds.iter().map(|kind| kind.rows).collect();
        assert_eq!(rows, [500, 500, 500, 500]);
        let named = kinds.iter().map(|kind| kind.named.len());
        assert_eq!(named.collect::<Vec<_>>(), [10, 10, 10, 10]);
    }
}
