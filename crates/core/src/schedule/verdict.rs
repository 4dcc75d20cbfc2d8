//! What the schedule is told of a request, and what it tells of a change.

use std::sync::Arc;
use std::time::Duration;

use crate::{Change, Effect};

/// A change that has its outcome.
#[derive(Debug)]
pub struct Settled<R, E> {
    /// What the source gave with the change.
    pub reply: R,
    /// The change.
    pub change: Arc<Change>,
    /// What went wrong, if anything did.
    pub failed: Option<Failed<E>>,
}

/// What became of a change that is not done, or not in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed<E> {
    /// Why; where several things went wrong, the first of them.
    pub why: Why<E>,
    /// What is known of the effect of the tags that are not done.
    pub effect: Effect,
    /// The tags that are not known to be done, by their positions in the change, in ascending order; none for a clear.
    pub undone: Vec<usize>,
}

/// Why a change is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why<E> {
    /// Its request failed, or left its account out.
    Request(E),
    /// The account was at fault before, with this; nothing was sent.
    KnownBad(E),
    /// Its time was up before it was sent.
    Expired,
    /// Its source ended before it was sent.
    NotSent,
}

/// What became of a request.
#[derive(Debug)]
pub enum Verdict<E> {
    /// It was done, but for these accounts.
    Done {
        /// Each with what is wrong.
        left_out: Vec<LeftOut<E>>,
    },
    /// It failed, and somebody in it may be at fault: it is split, until the one stands alone.
    SomebodysFault(Fault<E>),
    /// It failed for all alike, with what is known of its effect.
    Failed(E, Effect),
}

/// An account that a request was not done for.
#[derive(Debug)]
pub struct LeftOut<E> {
    /// The account.
    pub account: String,
    /// What is wrong.
    pub fault: Fault<E>,
    /// When to try it again, if at all.
    pub again_at: Option<Duration>,
}

/// What is wrong with an account.
#[derive(Debug, Clone)]
pub struct Fault<E> {
    /// Why.
    pub why: E,
    /// What is known of the effect.
    pub effect: Effect,
    /// What would fail again for it.
    pub concerns: Concerns,
}

/// What would fail again for an account at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concerns {
    /// Any change at all.
    Account,
    /// The same operation, until another one has changed the account.
    Operation,
    /// These tags at most.
    Tags,
}
