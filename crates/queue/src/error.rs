//! Why a queue cannot be opened, and why it refuses what it is asked.

use std::path::PathBuf;
use std::time::Duration;

use imtag_local_server::KeptFilesError;

/// Of the tables, and of what is in them: raised when either changes.
pub(crate) const FORMAT: i32 = 1;

/// Why a queue cannot be opened. The files are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Its file cannot be kept in the folder.
    #[error(transparent)]
    Files(#[from] KeptFilesError),
    /// Another process has it open.
    #[error("another process uses {}: stop it, or use another folder", .0.display())]
    InUse(PathBuf),
    /// A later version wrote it.
    #[error(
        "{} is a queue of format {format}, and this imtag knows format {}: use the imtag that wrote it",
        path.display(),
        FORMAT
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: i32,
    },
    /// It is of another program.
    #[error("{} is no queue of imtag's, and stays as it is: move it away, or use another folder", .0.display())]
    Foreign(PathBuf),
    /// Its content does not go together.
    #[error("{} is damaged: bring back a copy of the folder, or move it away to begin with an empty queue", .0.display())]
    Damaged(PathBuf),
    /// There is none.
    #[error("{} is not there: no daemon has kept a queue in this folder", .0.display())]
    Missing(PathBuf),
    /// The system refuses it.
    #[error("{} cannot be read: {reason}: check the disk and who may read it", path.display())]
    Denied {
        /// The file.
        path: PathBuf,
        /// What SQLite or the system says.
        reason: String,
    },
}

impl OpenError {
    /// True where this machine denies it, or another process is in the way; false where the wrong folder was given.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        match self {
            OpenError::Files(error) => error.is_denied(),
            OpenError::InUse(_) | OpenError::Denied { .. } => true,
            _ => false,
        }
    }
}

/// Which limit a queue is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Of changes that wait and failures that are kept, together.
    Changes(u64),
    /// Of their bytes.
    Bytes(u64),
    /// Of what stays free on the disk.
    MinFree(u64),
}

/// Why a queue does not do what it is asked. Nothing of it is done, where nothing else is said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is at a limit: a post may be taken later.
    #[error("{}", full(limit))]
    Full {
        /// Which.
        limit: Limit,
    },
    /// It is more than the limit even alone: it is never taken.
    #[error("{}", never(limit))]
    NeverFits {
        /// Which.
        limit: Limit,
    },
    /// The key stands for a post with another body.
    #[error(
        "Idempotency-Key: another body was posted with this key before: send the same body, or use a new key"
    )]
    KeyReused,
    /// The disk refuses it: it may work later.
    #[error(
        "the disk refuses it, and nothing of it is done: {reason}: make room or check the disk, and try again"
    )]
    Disk {
        /// What SQLite says.
        reason: String,
    },
    /// The disk has not done what was asked before, and no more of it is kept in memory.
    #[error(
        "the disk is slow: {mebibytes} MiB of what was asked wait for it, and nothing of this is done: try again in a moment"
    )]
    Behind {
        /// How much of them is kept.
        mebibytes: u64,
    },
    /// The disk failed at the end of a commit: it is not known whether it is done.
    #[error(
        "the disk failed, and it is not known whether it is done: {reason}: check the disk, and send it again"
    )]
    InDoubt {
        /// What SQLite says.
        reason: String,
    },
    /// The file cannot be read. A purge may be done in part.
    #[error("the queue's file cannot be read: {reason}: check the disk, and try again")]
    Unreadable {
        /// What SQLite says.
        reason: String,
    },
    /// One purge is at work.
    #[error("another deletion of changes is at work: send this one again when it has ended")]
    Purging,
    /// The queue has ended in the middle of a deletion.
    #[error("the queue is ending, and a part of it may be done: send it again in a moment")]
    Stopped,
    /// The queue has ended.
    #[error("the queue is ending, and nothing of it is done: try again in a moment")]
    Closed,
}

impl Refused {
    /// After how long it is worth trying again; `None` if that does not help.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Refused::Full { .. } => Some(Duration::from_secs(10)),
            Refused::Disk { .. } | Refused::InDoubt { .. } | Refused::Unreadable { .. } => {
                Some(Duration::from_secs(5))
            }
            Refused::Purging => Some(Duration::from_secs(10)),
            Refused::Behind { .. } | Refused::Stopped | Refused::Closed => {
                Some(Duration::from_secs(1))
            }
            Refused::KeyReused | Refused::NeverFits { .. } => None,
        }
    }
}

fn full(limit: &Limit) -> String {
    match limit {
        Limit::Changes(most) => format!(
            "the queue is full: with this post it would hold more than {most} changes and failures (--queue-changes): post \
             it again later, or delete the failures that are taken care of"
        ),
        Limit::Bytes(most) => format!(
            "the queue is full: with this post it would hold more than {most} bytes (--queue-bytes): post it again later, or \
             delete the failures that are taken care of"
        ),
        Limit::MinFree(least) => format!(
            "the disk is nearly full: the queue leaves {least} bytes free on it (--queue-min-free): make room, and post it again"
        ),
    }
}

fn never(limit: &Limit) -> String {
    let (most, flag) = match limit {
        Limit::Changes(most) => (format!("{most} changes"), "--queue-changes"),
        Limit::Bytes(most) => (format!("{most} bytes"), "--queue-bytes"),
        Limit::MinFree(least) => (
            format!("a disk with {least} bytes free"),
            "--queue-min-free",
        ),
    };
    format!(
        "the post alone is more than the queue may hold, {most} ({flag}): send several, or start the daemon with more"
    )
}
