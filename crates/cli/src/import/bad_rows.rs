//! The rows that were left out, each with its line and reason: all of them, in the order of the file, however many
//! they are. In memory they take a bounded part, and the rest of the temporary file.

use std::cell::RefCell;
use std::path::Path;

use serde::ser::{Error, SerializeSeq};
use serde::{Serialize, Serializer};

use super::read::BadRow;
use super::spool::{Spool, SpoolError};

/// What they take of the memory.
const MEMORY: usize = 1024 * 1024;

/// Bytes of the line and of the length before a reason.
const HEAD: usize = 16;

/// Rows that were left out.
pub(crate) struct BadRows {
    count: u64,
    spool: RefCell<Spool>,
    scratch: Vec<u8>,
}

impl BadRows {
    /// None yet. Many go to a temporary file in `folder`.
    pub(crate) fn new(folder: &Path) -> BadRows {
        BadRows {
            count: 0,
            spool: RefCell::new(Spool::new(1, MEMORY, folder)),
            scratch: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, row: &BadRow) -> Result<(), SpoolError> {
        self.count += 1;
        self.scratch.clear();
        self.scratch.extend(row.line.to_le_bytes());
        self.scratch.extend((row.reason.len() as u64).to_le_bytes());
        self.scratch.extend(row.reason.as_bytes());
        self.spool.get_mut().add(0, &self.scratch)
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Hands `take` one after the other.
    pub(crate) fn for_each<E: From<SpoolError>>(
        &self,
        mut take: impl FnMut(&BadRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.spool.borrow_mut().read(0, |mut piece| {
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

impl Serialize for BadRows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// A serializer's error cannot be made of any other, but for its text.
        struct Failed<E>(E);
        impl<E: Error> From<SpoolError> for Failed<E> {
            fn from(error: SpoolError) -> Failed<E> {
                Failed(E::custom(error))
            }
        }
        let mut list = serializer.serialize_seq(None)?;
        self.for_each(|row| list.serialize_element(row).map_err(Failed))
            .map_err(|failed| failed.0)?;
        list.end()
    }
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
            assert!(rows.spool.borrow().held() <= MEMORY);
            assert_eq!(rows.count(), count);
            let mut next = 0;
            rows.for_each(|read| {
                assert_eq!(*read, row(next));
                next += 1;
                Ok::<_, SpoolError>(())
            })
            .unwrap();
            assert_eq!(next, count);
        }
    }

    #[test]
    fn as_json_they_are_a_list_of_lines_and_reasons() {
        let mut rows = BadRows::new(Path::new("/nowhere"));
        rows.add(&BadRow {
            line: 3,
            reason: "\"no\"".to_owned(),
        })
        .unwrap();
        let json = serde_json::to_string(&rows).unwrap();
        assert_eq!(json, r#"[{"line":3,"reason":"\"no\""}]"#);
    }
}
