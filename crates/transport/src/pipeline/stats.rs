//! The figures of a bulk run or a batcher.

use std::time::Duration;

use super::outcome::Progress;
use crate::stats::{Figure, counter, gauge};

/// The figures of a bulk run or a batcher, since it was made. The counts only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStats {
    /// The counts. Gets of a batcher count as changes do.
    pub progress: Progress,
    /// Changes that are in no request yet.
    pub queued: u64,
    /// How long ago the oldest change came that has no outcome.
    pub oldest: Option<Duration>,
    /// What it is: `bulk` or `batcher`.
    pub(crate) name: &'static str,
}

impl SessionStats {
    /// All figures, for a monitoring system. The names stay; new ones may come.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let progress = &self.progress;
        let count =
            |name, help, count| counter(format!("imtag_{}_{name}_total", self.name), help, count);
        let now = |name, help, value| gauge(format!("imtag_{}_{name}", self.name), help, value);
        let oldest = self.oldest.unwrap_or_default();
        vec![
            count("changes_taken", "Changes that were taken.", progress.taken),
            count("changes_done", "Changes that are done.", progress.done),
            count("changes_failed", "Changes that failed.", progress.failed),
            count(
                "requests",
                "Requests that were made; retries are not counted.",
                progress.requests,
            ),
            count(
                "request_users",
                "Users of these requests, together.",
                progress.users,
            ),
            count(
                "attempts",
                "Requests with their retries.",
                progress.attempts,
            ),
            count(
                "attempts_sent",
                "Attempts of which any byte left this machine.",
                progress.sent,
            ),
            count(
                "splits",
                "Requests that were split to find what is at fault.",
                progress.splits,
            ),
            count(
                "searches",
                "Requests that looked for what is at fault.",
                progress.searches,
            ),
            now(
                "queued",
                "Changes that are in no request yet.",
                self.queued as f64,
            ),
            now(
                "unsettled",
                "Changes without an outcome.",
                progress.unsettled() as f64,
            ),
            now(
                "oldest_seconds",
                "Age of the oldest change without an outcome.",
                oldest.as_secs_f64(),
            ),
        ]
    }
}
