//! The list of who failed, `FILE.failed.ndjson`: a line for each change that is not done, see `failed_change`. The store
//! has the lines; the list is written from it, whole.
//!
//! - It holds accounts and tags, and so is for its owner's eyes: mode 0600.
//! - Only a list is ever replaced, and no other file: see `ownership`. A new import may replace the list that it finds when it
//!   begins. From then on the journal notes which list is its own; one that another import or a person has put there since
//!   stays, and the import is refused.

use std::io::Write;
use std::path::PathBuf;

use super::failed_change::is_list;
use super::store::Store;
use crate::ownership::whole::{OwnFile, Stamp};
use crate::ownership::{FileKind, PRIVATE, UnusableFile};

/// The list, as imtag may write it.
pub(crate) const LIST: FileKind = FileKind {
    name: "a list of failed users",
    flag: "--failed",
    mode: PRIVATE,
    was_made_by_imtag: is_list,
};

/// Where the list is to be.
#[derive(Debug, Clone)]
pub(crate) struct ListPath {
    pub(crate) path: PathBuf,
    /// What stood there before the input was read.
    seen: Option<Stamp>,
}

impl ListPath {
    pub(crate) fn new(path: PathBuf) -> ListPath {
        let seen = Stamp::at(&path);
        ListPath { path, seen }
    }
}

/// Takes what is at the path for the list of this import, which no other one writes meanwhile. Refused is what neither
/// stood there when the import began nor is known to its journal.
pub(crate) fn hold(at: &ListPath, store: &mut Store) -> Result<OwnFile, UnusableFile> {
    let mut list = LIST.hold(&at.path)?;
    let stamp = list.known.stamp;
    let is_own = match store.list() {
        None => list.is_empty() || Some(stamp) == at.seen,
        Some(known) => {
            // a crash comes between the list and the journal: then it holds nothing else than the journal does
            let is_known =
                known.stamp == stamp || !list.is_empty() && lists_nothing_else(&list, store)?;
            if is_known {
                list.known.was_empty = known.was_empty;
            }
            is_known || list.is_empty()
        }
    };
    if !is_own {
        return Err(list.changed());
    }
    store.list_is(list.known);
    Ok(list)
}

fn lists_nothing_else(list: &OwnFile, store: &Store) -> Result<bool, UnusableFile> {
    let denied = UnusableFile::denied(&list.path, "read");
    let content = list.content();
    content
        .and_then(|it| store.lists_all_of(it))
        .map_err(denied)
}

/// Writes the list of all users who failed.
pub(crate) fn write(list: &mut OwnFile, store: &mut Store) -> Result<(), UnusableFile> {
    list.write(&mut |file| store.for_lines(&mut |lines| file.write_all(lines)))?;
    store.list_is(list.known);
    Ok(())
}
