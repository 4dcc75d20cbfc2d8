//! The lease of a process: when it calls the store, and until when it may use what it holds.
//!
//! ```text
//!            due                    answered: ends 5 s after the message was *sent*
//!   idle ───────────► under way ───────────────────────────────────────────────────► idle
//!    ▲                    │
//!    └──── 250 ms ────────┘ unanswered for 200 ms: a late answer is thrown away whole
//! ```

use std::time::Duration;

use super::message::{Answer, Elapsed, Message, Request, Terms, millis, whole_millis};
use crate::limits::CallRate;
use crate::operation::Operation;

/// How long a process may use its slots without an answer of the store.
pub const LEASE: Duration = Duration::from_secs(5);

/// How long an answer of the store is waited for.
pub const ANSWERED_WITHIN: Duration = Duration::from_millis(200);

/// How long after a message without an answer comes the next one.
const AFTER_A_FAILURE: Duration = Duration::from_millis(250);

/// How far apart two messages are at least.
const APART: Duration = Duration::from_millis(5);

/// How soon the store is to be called for an operation, from the most urgent to the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// It wants more than it said, or has something to give back, or was rejected.
    AtOnce,
    /// It wants slots, and holds none.
    Starving,
    /// It wants more than it holds.
    Hungry,
    /// It holds what it wants: it keeps the lease, and hears what others want.
    Content,
}

impl Need {
    /// How long after the last message.
    fn every(self) -> Duration {
        Duration::from_millis(match self {
            Need::AtOnce => 0,
            Need::Starving => 100,
            Need::Hungry => 250,
            Need::Content => 1_000,
        })
    }
}

/// A process' lease, of the slots of all operations.
#[derive(Debug)]
pub struct Lease {
    holder: String,
    terms: Terms,
    seq: u64,
    /// Its number, and when it was sent.
    under_way: Option<(u64, Duration)>,
    answered: Option<Answered>,
    not_before: Duration,
    last_sent: Duration,
    others_terms: Option<Terms>,
}

/// The last message that was answered.
#[derive(Debug)]
struct Answered {
    seq: u64,
    sent: Duration,
    at: Duration,
    /// The store's clock in the answer.
    clock: u64,
}

/// What an answer of the store means for each operation: to be taken in by
/// [`SharedQuota::take`](super::SharedQuota::take).
#[derive(Debug, Clone, Copy)]
pub struct Renewal {
    /// The message that was answered.
    pub(super) seq: u64,
    /// False if all that was held is void.
    pub(super) known: bool,
    pub(super) lease_end: Duration,
}

impl Lease {
    /// Of a process that holds nothing yet. No other one has the same name.
    #[must_use]
    pub fn new(holder: String, calls_per_second: CallRate) -> Lease {
        Lease {
            holder,
            terms: Terms::new(calls_per_second),
            seq: 0,
            under_way: None,
            answered: None,
            not_before: Duration::ZERO,
            last_sent: Duration::ZERO,
            others_terms: None,
        }
    }

    /// When the store is to be called, by the most urgent need of all operations; never while a message is under way.
    #[must_use]
    pub fn due(&self, need: Option<Need>) -> Option<Duration> {
        if self.under_way.is_some() {
            return None;
        }
        let every = match need? {
            // to ask again at once would change nothing
            _ if self.others_terms.is_some() => Need::Content.every(),
            need => need.every(),
        };
        let due = if self.seq == 0 {
            Duration::ZERO
        } else {
            self.last_sent + every
        };
        Some(due.max(self.not_before))
    }

    /// Makes the message that is sent at `now`: `request` is [`SharedQuota::request`](super::SharedQuota::request) of an
    /// operation, with the message's number.
    pub fn message(
        &mut self,
        now: Duration,
        mut request: impl FnMut(Operation, u64) -> Request,
    ) -> Message {
        self.seq += 1;
        let seq = self.seq;
        self.under_way = Some((seq, now));
        self.last_sent = now;
        self.not_before = now + APART;
        Message {
            holder: self.holder.clone(),
            terms: self.terms,
            seq,
            acknowledged: self.answered.as_ref().map_or(0, |it| it.seq),
            holds_lease: now < self.end(),
            elapsed: self.answered.as_ref().map(|it| Elapsed {
                clock: it.clock,
                at_least: whole_millis(now.saturating_sub(it.at)),
                at_most: millis(now.saturating_sub(it.sent)),
            }),
            operations: Operation::ALL.map(|operation| request(operation, seq)),
        }
    }

    /// The answer to the message under way. None if that was abandoned: the answer came late, and is thrown away whole.
    pub fn answered(&mut self, seq: u64, answer: &Answer, now: Duration) -> Option<Renewal> {
        let (under_way, sent) = self.under_way?;
        if under_way != seq {
            return None;
        }
        self.under_way = None;
        self.answered = Some(Answered {
            seq,
            sent,
            at: now,
            clock: answer.clock,
        });
        self.others_terms = Some(answer.terms).filter(|terms| *terms != self.terms);
        Some(Renewal {
            seq,
            known: answer.known,
            lease_end: self.end(),
        })
    }

    /// True while that message is under way.
    #[must_use]
    pub fn awaits(&self, seq: u64) -> bool {
        self.under_way
            .is_some_and(|(under_way, _)| under_way == seq)
    }

    /// No answer came within [`ANSWERED_WITHIN`], or the connection failed.
    pub fn unanswered(&mut self, now: Duration) {
        self.under_way = None;
        self.not_before = now + AFTER_A_FAILURE;
    }

    /// When the lease ends: a while after the last message that was answered was sent, which is before the store counts.
    #[must_use]
    pub fn end(&self) -> Duration {
        self.answered
            .as_ref()
            .map_or(Duration::ZERO, |it| it.sent + LEASE)
    }

    /// What other processes take the app's quota to be, where that is something else: this one gets no slots then.
    #[must_use]
    pub fn others_terms(&self) -> Option<Terms> {
        self.others_terms
    }
}
