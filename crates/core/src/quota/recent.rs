//! The answers of the last second: each stands for a call that may have arrived as late as its
//! answer.
//!
//! How long an answer counts depends on the credit, which a faster answer lowers at once. So each
//! is judged at every look, not given an expiry when it comes in, and is dropped only when a second
//! has passed and no credit could bring it back.

use std::collections::VecDeque;
use std::time::Duration;

use super::SECOND;

/// When answers came in, oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    answers: VecDeque<Duration>,
}

/// What counts at one moment.
pub(super) struct Look {
    pub(super) count: usize,
    /// When the oldest of them ceases to count.
    pub(super) next: Option<Duration>,
}

impl Recent {
    /// `now` is not before any answer pushed earlier.
    pub(super) fn push(&mut self, now: Duration) {
        self.answers.push_back(now);
    }

    /// The answers that count when each does so for `window`, at most a second.
    pub(super) fn look(&mut self, now: Duration, window: Duration) -> Look {
        while self
            .answers
            .front()
            .is_some_and(|&at| at.saturating_add(SECOND) <= now)
        {
            self.answers.pop_front();
        }
        let expired = self
            .answers
            .partition_point(|&at| at.saturating_add(window) <= now);
        Look {
            count: self.answers.len() - expired,
            next: self
                .answers
                .get(expired)
                .map(|&at| at.saturating_add(window)),
        }
    }
}
