//! What becomes of a request and of its changes: the result that comes in, and the outcomes that go out.

use std::time::Duration;

use crate::catalogue::{Effect, Scope};
use crate::change::Change;

/// A change that has its outcome.
#[derive(Debug)]
pub struct Settled<R, E> {
    /// What the producer gave with the change.
    pub reply: R,
    /// The change.
    pub change: Change,
    /// What went wrong, if anything did.
    pub failure: Option<ChangeFailure<E>>,
}

/// Why a change is not done, or not in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeFailure<E> {
    /// Why; if several things went wrong, the first of them.
    pub cause: FailureCause<E>,
    /// What is known of the effect of the tags that are not done.
    pub effect: Effect,
    /// The tags that are not known to be done, by their positions in the change, in ascending order; none for a clear.
    pub undone: Vec<usize>,
}

/// Why a change is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureCause<E> {
    /// Its request failed or left its account out, or its producer [ended](super::Plan::end) before it was sent.
    Request(E),
    /// The account was rejected before, for this; nothing was sent.
    PreviouslyRejected(E),
    /// Its time was up before it was sent.
    Expired,
}

/// The result of a request.
#[derive(Debug)]
pub enum BatchResult<E> {
    /// It was done, with these accounts left out.
    Done {
        /// Each with what is wrong.
        left_out: Vec<LeftOut<E>>,
    },
    /// It failed, and the fault is of some account or tag in it: it is split, until that is alone.
    Ambiguous(Fault<E>),
    /// It failed as a whole, with what is known of its effect.
    Failed(E, Effect),
    /// It failed, with what is known of its effect, and is sent again as it is. Meant for a producer that is
    /// [paused](super::Plan::pause) in an outage: else it goes at once.
    Postponed(Effect),
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
    pub cause: E,
    /// What is known of the effect.
    pub effect: Effect,
    /// What would be rejected again: every change of a faulty [account](Scope::Account), the same operation until another
    /// one has changed the account, or a [tag](Scope::Tag).
    pub scope: Scope,
}
