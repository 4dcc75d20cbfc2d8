//! Files that are kept open while requests are sent, and closed after it: connections may take all files that this
//! process may have open, and the report needs some at the end.

use std::fs::File;

/// The list and its folder, and what the system opens beside them.
const FILES: usize = 4;

/// What connections need at least, before anything is spared.
const CONNECTIONS: usize = 2;

pub(super) struct SpareFiles(#[allow(dead_code)] Vec<File>); // they are only closed

impl SpareFiles {
    /// As many as there are to be had.
    pub(super) fn open() -> SpareFiles {
        let all = 0..FILES + CONNECTIONS;
        let files = all.map_while(|_| File::open("/dev/null").ok());
        let mut files: Vec<File> = files.collect();
        files.truncate(files.len().saturating_sub(CONNECTIONS));
        SpareFiles(files)
    }
}
