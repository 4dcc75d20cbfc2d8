//! The answers of the last window: each stands for a call that may have arrived as late as its
//! answer.
//!
//! An answer counts for a window and a margin, less the credit: longer than the window, where the
//! round trip is shorter than the margin. As a faster answer lowers the credit at once, each is
//! judged at every look, not given an expiry when it comes in, and is dropped only when no credit
//! could bring it back.

use std::collections::VecDeque;
use std::time::Duration;

/// What part of the window the margin is: 2 ms of a second.
///
/// For what the measured round trip and the two clocks may be off. Without it a server clock
/// 100 ppm slow, whose second is longer than ours, rejects half of all calls; and one of 500 ppm
/// needs it even where there is no credit yet, or no round trip to speak of.
const MARGIN: u32 = 500;

/// When answers came in, oldest first.
#[derive(Debug)]
pub(super) struct Recent {
    /// How long an answer counts without credit.
    longest: Duration,
    answers: VecDeque<Duration>,
}

/// What counts at one moment.
pub(super) struct Look {
    pub(super) count: usize,
    /// When the oldest of them ceases to count.
    pub(super) next: Option<Duration>,
}

impl Recent {
    pub(super) fn new(window: Duration) -> Recent {
        Recent {
            longest: window + window / MARGIN,
            answers: VecDeque::new(),
        }
    }

    /// `now` is not before any answer pushed earlier.
    pub(super) fn push(&mut self, now: Duration) {
        self.answers.push_back(now);
    }

    /// The answers that count, each for so much less as the credit is.
    pub(super) fn look(&mut self, now: Duration, credit: Duration) -> Look {
        let longest = self.longest;
        let window = longest.saturating_sub(credit);
        while self
            .answers
            .front()
            .is_some_and(|&at| at.saturating_add(longest) <= now)
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
