//! How a queue is: for an operator, and for metrics.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::change::{Failure, Purged};

/// How a queue is, a moment ago at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Changes that have no outcome yet, those under way too.
    pub changes: u64,
    /// Of these, those in the client's pipeline.
    pub under_way: u64,
    /// The bytes of changes without an outcome and of failures, with those of their rows.
    pub bytes: u64,
    /// Failures that are kept, as none has deleted them.
    pub failures: u64,
    /// How long the oldest change has waited; a step of the machine's clock while the queue is open does not count.
    pub oldest: Option<Duration>,
    /// The bytes of its files.
    pub file_bytes: u64,
    /// What a purge that is at work has done until now.
    pub purging: Option<Purged>,
    /// Why nothing is sent, where that is so: the operator's pause stands first.
    pub pauses: Vec<Pause>,
    /// What was done since it was opened.
    pub counters: Counters,
}

/// What was done since a queue was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Commits, each with a sync of the disk.
    pub commits: u64,
    /// Posts that were accepted, without those that were repeated.
    pub posts: u64,
    /// Posts that were repeated by their keys.
    pub repeated: u64,
    /// Changes that were accepted.
    pub accepted: u64,
    /// Changes that the service has made.
    pub done: u64,
    /// Changes that failed, by the service's code; without one there is none.
    pub failed: BTreeMap<Option<i32>, u64>,
    /// Changes that were deleted before they were sent.
    pub deleted: u64,
}

/// Why nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// The kind.
    pub reason: PauseReason,
    /// In words: what the service said, and what helps.
    pub text: String,
    /// Since when, by the clock of the machine.
    pub since: SystemTime,
}

/// The kinds of reasons for which nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PauseReason {
    /// It was asked for, and lasts until a resume, over restarts too.
    Operator,
    /// The app, its key or its plan is refused. It is tried again each minute, and at once with new settings.
    App,
    /// The service or the network is not there. It is tried again by itself.
    Service,
    /// The disk takes no outcomes or cannot be read, so that no more changes are sent than it must. It is tried again by
    /// itself.
    Disk,
    /// The file does not go together, or a change cannot be read: what is not lost is sent by no one but the operator.
    Damaged,
}

impl PauseReason {
    /// As metrics have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PauseReason::Operator => "operator",
            PauseReason::App => "app",
            PauseReason::Service => "service",
            PauseReason::Disk => "disk",
            PauseReason::Damaged => "damaged",
        }
    }

    /// All of them.
    pub const ALL: [PauseReason; 5] = [
        PauseReason::Operator,
        PauseReason::App,
        PauseReason::Service,
        PauseReason::Disk,
        PauseReason::Damaged,
    ];
}

impl Counters {
    pub(crate) fn count_failure(&mut self, failure: &Failure) {
        *self.failed.entry(failure.line.code).or_default() += 1;
    }
}
