//! What the journal says that is found at the path.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::block::{self, Blocks};
use super::error::JournalError;
use super::header::Identity;
use super::header::{self, Found, Stays};
use super::settled::InDoubt;
use crate::import::state::disk::DiskError;
use crate::import::state::lock::{MODE, StateFileError};
use crate::ownership::FileKind;

/// The journal, as imtag may write it.
pub(crate) const JOURNAL: FileKind = FileKind {
    name: "a journal of an import",
    flag: "--journal",
    mode: MODE,
    was_made_by_imtag: |file| Ok(!matches!(header::find(&start_of(file)?), Found::NoJournal)),
};

/// What a journal says.
pub(super) struct Known {
    pub(super) identity: Identity,
    pub(super) stays: Stays,
    pub(super) blocks: Blocks,
    pub(super) torn: u64,
}

impl Known {
    pub(super) fn has_settled_users(&self) -> bool {
        self.blocks.settled.count() > 0
    }

    /// The torn bytes may have been the block of a later run.
    pub(super) fn in_doubt_for(&self, identity: &Identity) -> InDoubt {
        match self.torn {
            0 if self.identity == *identity => self.blocks.in_doubt.clone(),
            _ => InDoubt::AnyUser,
        }
    }
}

/// Reads enough of a file to find a header.
pub(super) fn start_of(file: &mut File) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(header::AT_MOST as u64).read_to_end(&mut start)?;
    Ok(start)
}

pub(super) fn known(file: &mut File, path: &Path) -> Result<Option<Known>, JournalError> {
    let start = start_of(file).map_err(DiskError::denied(path, "read"))?;
    let path = path.to_owned();
    let (identity, stays, header) = match header::find(&start) {
        Found::Header(identity, stays, length) => (identity, stays, length as u64),
        Found::Nothing => return Ok(None),
        Found::OtherVersion(version) => return Err(JournalError::Version { path, version }),
        Found::Damaged => return Err(JournalError::Damaged { path }),
        Found::NoJournal => return Err(StateFileError::from(JOURNAL.foreign_content(&path)).into()),
    };
    let mut read = || {
        file.seek(SeekFrom::Start(header))?;
        let blocks = block::read(&*file, header, identity.users)?;
        Ok((blocks, file.metadata()?.len()))
    };
    let (blocks, length) = read().map_err(DiskError::denied(&path, "read"))?;
    Ok(Some(Known {
        identity,
        stays,
        torn: length - blocks.end,
        blocks,
    }))
}

/// A journal as it was found, and the users whose changes may have been applied.
pub(super) struct Before {
    pub(super) bytes: Vec<u8>,
    pub(super) in_doubt: InDoubt,
}

impl Before {
    /// One torn byte is enough to show that there were some.
    pub(super) fn read(file: &File, known: &Known, identity: &Identity) -> io::Result<Before> {
        let length = known.blocks.end + known.torn.min(1);
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(Before {
            bytes,
            in_doubt: known.in_doubt_for(identity),
        })
    }
}
