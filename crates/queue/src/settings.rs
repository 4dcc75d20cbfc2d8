//! The limits of a queue.

use std::time::Duration;

use imtag_core::plan::BatchPolicy;

/// The limits of a queue; each has a default.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// How many changes may wait, with the failures that are kept; 10 million.
    pub changes: u64,
    /// How many bytes these may take, with their rows, posts and keys; 4 GiB. A change that fails takes more than one that
    /// waits, and is kept all the same: the limit is for posts.
    pub bytes: u64,
    /// How many bytes of the disk stay free; 64 MiB. With 0 posts are refused only once the disk refuses them. Failures are
    /// kept beyond it, too.
    pub min_free: u64,
    /// How many bytes of memory the changes may take that are being sent, about; 24 MiB. All others are on the disk alone. It
    /// holds some 45,000 short changes: more than four seconds of the full quota. A change that needs more goes alone.
    pub memory: u64,
    /// How long after it was abandoned a request may still arrive at the service; 10 s. An account's next change of another kind
    /// waits until then, after an unclean end too.
    pub late_window: Duration,
    /// How many posts are remembered after their end; 100,000.
    pub kept_posts: u64,
    /// And for how long; an hour.
    pub kept_for: Duration,
    /// How many posts with a key are remembered after their end; a million.
    pub kept_keys: u64,
    /// And for how long; a day. Only time counts in which the queue is open, so that no step of the clock and no night
    /// that the daemon was off makes a key be forgotten early.
    pub keys_kept_for: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            changes: 10_000_000,
            bytes: 4 << 30,
            min_free: 64 << 20,
            memory: 24 << 20,
            late_window: BatchPolicy::LATE_WINDOW,
            kept_posts: 100_000,
            kept_for: Duration::from_secs(3_600),
            kept_keys: 1_000_000,
            keys_kept_for: Duration::from_secs(24 * 3_600),
        }
    }
}
