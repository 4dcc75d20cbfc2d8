//! Who can read a file with a secret. Only a warning: containers mount secrets readable, and must still work.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::output::note;

/// The bits by which the group or everybody can read.
const OTHERS_READ: u32 = 0o044;

pub(crate) fn warn_if_others_can_read(path: &Path) {
    if fs::metadata(path).is_ok_and(|file| file.permissions().mode() & OTHERS_READ != 0) {
        note(format_args!(
            "warning: others can read {}, which holds a secret: chmod 600 it",
            path.display()
        ));
    }
}
