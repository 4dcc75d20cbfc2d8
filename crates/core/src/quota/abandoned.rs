//! Abandoned calls: sent, and no answer is waited for. Whether and when they arrive is not known.
//!
//! A request that stalled in a socket's buffer or a middlebox can arrive long after its caller timed
//! out. So an abandoned call counts as if it arrived two seconds after it was sent, or when it was
//! abandoned if that is later, and is held for one window after that: a second, unless the rate is less than one call a second.
//!
//! Example: sent at 2.0 s, abandoned at 2.3 s, arrives at 4.0 s at the latest, released at 5.0 s.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// How long after it was sent an abandoned call may arrive.
const LATEST_ARRIVAL: Duration = Duration::from_secs(2);

/// When each is released, the earliest first. A heap, as the one abandoned last is not always released last.
#[derive(Debug)]
pub(super) struct Abandoned {
    window: Duration,
    releases: BinaryHeap<Reverse<Duration>>,
}

impl Abandoned {
    pub(super) fn new(window: Duration) -> Abandoned {
        Abandoned {
            window,
            releases: BinaryHeap::new(),
        }
    }

    pub(super) fn hold(&mut self, sent: Duration, now: Duration) {
        let arrival = now.max(sent.saturating_add(LATEST_ARRIVAL));
        self.releases
            .push(Reverse(arrival.saturating_add(self.window)));
    }

    pub(super) fn release(&mut self, now: Duration) {
        while self.next().is_some_and(|release| release <= now) {
            self.releases.pop();
        }
    }

    pub(super) fn count(&self) -> usize {
        self.releases.len()
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.releases.peek().map(|&Reverse(release)| release)
    }
}
