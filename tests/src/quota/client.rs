//! The client's side: one that always has work, and sends whenever its pace allows.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use imtag_core::CallRate;
use imtag_core::quota::{Admission, Quota, Sent, Turn};

/// How a client decides when to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// By the quota rule.
    Rule,
    /// One call every 1/rate seconds, whatever the answers: what a client without the rule does.
    Even(NonZeroU32),
}

/// One process, from its start until it is killed.
pub(super) enum Client {
    Rule {
        quota: Box<Quota>,
        under_way: HashMap<usize, Sent>,
    },
    Even {
        every: Duration,
        next: Duration,
    },
}

impl Client {
    pub(super) fn start(pace: Pace, calls_per_second: CallRate, now: Duration) -> Client {
        match pace {
            Pace::Rule => Client::Rule {
                quota: Box::new(Quota::new(calls_per_second, now)),
                under_way: HashMap::new(),
            },
            Pace::Even(rate) => Client::Even {
                every: Duration::from_secs(1) / rate.get(),
                next: now,
            },
        }
    }

    pub(super) fn turn(&mut self, now: Duration) -> Turn {
        match self {
            Client::Rule { quota, .. } => quota.turn(now),
            Client::Even { next, .. } if *next <= now => Turn::Ready,
            Client::Even { next, .. } => Turn::WaitUntil(*next),
        }
    }

    pub(super) fn send(&mut self, call: usize, now: Duration) {
        match self {
            Client::Rule { quota, under_way } => {
                under_way.insert(call, quota.send(now));
            }
            Client::Even { every, next } => *next += *every,
        }
    }

    /// An answer to a call that was abandoned, or was sent before the process was killed, is dropped.
    pub(super) fn answered(&mut self, call: usize, now: Duration, too_frequent: bool) {
        if let Client::Rule { quota, under_way } = self {
            if let Some(sent) = under_way.remove(&call) {
                let admission = if too_frequent {
                    Admission::TooFrequent
                } else {
                    Admission::Admitted
                };
                quota.answered(sent, now, admission);
            }
        }
    }

    /// A call that was answered in time is not abandoned.
    pub(super) fn abandon(&mut self, call: usize, now: Duration) {
        if let Client::Rule { quota, under_way } = self {
            if let Some(sent) = under_way.remove(&call) {
                quota.abandoned(sent, now);
            }
        }
    }
}
