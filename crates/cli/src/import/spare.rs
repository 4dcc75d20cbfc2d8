//! Files that are kept open while requests are sent, and closed after it: connections may take all files that this
//! process may have open, and the report needs some at the end.

use std::fs::File;

/// The list and its folder, and what the system opens beside them.
const FILES: usize = 4;

/// What connections need, before more than one file is spared: without that one the end cannot be written down.
const CONNECTIONS: usize = 2;

pub(super) struct SpareFiles(#[allow(dead_code)] Vec<File>); // they are only closed

impl SpareFiles {
    /// As many as there are to be had.
    pub(super) fn open() -> SpareFiles {
        let all = 0..FILES + CONNECTIONS;
        let files = all.map_while(|_| File::open("/dev/null").ok());
        let mut files: Vec<File> = files.collect();
        let spared = match files.len() {
            // for one connection, which is enough to send
            0 | 1 => 0,
            some => some.saturating_sub(CONNECTIONS).max(1),
        };
        files.truncate(spared);
        SpareFiles(files)
    }
}
