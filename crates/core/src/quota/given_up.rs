//! Calls given up: nobody knows whether they arrived, or when they will.
//!
//! A request that stalled in a socket's buffer or a middlebox can arrive long after its caller has
//! lost patience, so each counts as if it arrived two seconds after its sending or when it was
//! given up, whichever is later, and then for its second.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::SECOND;

/// How long after its sending a call may arrive that nobody waits for any more.
const LATEST_ARRIVAL: Duration = Duration::from_secs(2);

/// When each is released, the earliest first: those given up late are not always released late.
#[derive(Debug, Default)]
pub(super) struct GivenUp {
    releases: BinaryHeap<Reverse<Duration>>,
}

impl GivenUp {
    pub(super) fn hold(&mut self, sent: Duration, now: Duration) {
        let arrival = now.max(sent.saturating_add(LATEST_ARRIVAL));
        self.releases.push(Reverse(arrival.saturating_add(SECOND)));
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
