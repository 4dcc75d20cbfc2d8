//! Whether others can read a file with a secret, and how that is ended.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The bits by which the group can read, and everybody.
const GROUP_READS: u32 = 0o040;
const ALL_READ: u32 = 0o004;

/// What is to be said of a file with a secret that others can read. Only a warning: containers mount secrets readable, and must
/// still work.
#[must_use]
pub fn readable_secret(path: &Path) -> Option<String> {
    let remedy = remedy(path)?;
    let path = path.display();
    Some(format!(
        "others can read {path}, which holds a secret: {remedy} it"
    ))
}

/// How a file is closed to others that they can read; `None` for a pipe, which is left as it is.
fn remedy(path: &Path) -> Option<&'static str> {
    let file = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let me = rustix::process::geteuid().as_raw();
    remedy_of(file.mode(), file.uid(), me)
}

/// The same for its mode, its owner, and the user that reads it. What another user owns is there for a group, that of a service
/// or of a pod (`fsGroup`): by another mode it could not be read.
fn remedy_of(mode: u32, owner: u32, me: u32) -> Option<&'static str> {
    let is_for_group = owner != me && me != 0;
    let (others, remedy) = if is_for_group {
        (ALL_READ, "chmod o-r")
    } else {
        (ALL_READ | GROUP_READS, "chmod 600")
    };
    (mode & others != 0).then_some(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_user_may_be_for_a_group_and_is_not_for_all() {
        const ROOT: u32 = 0;
        const ME: u32 = 65_532;
        for (mode, owner, me, expected) in [
            // a secret of Kubernetes with an fsGroup, and settings in /etc for a service
            (0o440, ROOT, ME, None),
            (0o640, ROOT, ME, None),
            (0o644, ROOT, ME, Some("chmod o-r")),
            (0o444, ROOT, ME, Some("chmod o-r")),
            (0o440, ME, ME, Some("chmod 600")),
            (0o400, ME, ME, None),
            (0o640, ROOT, ROOT, Some("chmod 600")),
            (0o640, ME, ROOT, Some("chmod 600")),
        ] {
            assert_eq!(
                remedy_of(mode, owner, me),
                expected,
                "{mode:o} {owner} {me}"
            );
        }
    }
}
