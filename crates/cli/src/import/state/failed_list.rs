//! The list of who failed, `FILE.failed.ndjson`: a line for each change that is not done, see `failed_change`. The store
//! has the lines; the list is written from it, whole.
//!
//! - It holds accounts and tags, and so is for its owner's eyes: mode 0600.
//! - No other file is ever written over: see `ownership`.

use std::io::Write;
use std::path::Path;

use super::failed_change::is_list;
use super::store::Store;
use crate::ownership::{FileKind, PRIVATE, UnusableFile};

/// The list, as imtag may write it.
pub(crate) const LIST: FileKind = FileKind {
    name: "a list of failed users",
    flag: "--failed",
    mode: PRIVATE,
    was_made_by_imtag: is_list,
};

/// Writes the list of all users who failed.
pub(crate) fn write_list(path: &Path, store: &Store) -> Result<(), UnusableFile> {
    LIST.write(path, store.list_was_empty(), &mut |file| {
        store.for_lines(&mut |lines| file.write_all(lines))
    })
}
