//! What becomes of a request and of its changes: the result that comes in, and the outcomes that go out.

use std::sync::Arc;
use std::time::Duration;

use super::item::Item;
use crate::answer::AccountTags;
use crate::catalogue::{Effect, Scope};

/// A change or a get that has its outcome.
#[derive(Debug)]
pub struct Settled<R, E> {
    /// What the producer gave with the change.
    pub reply: R,
    /// The change, or the get.
    pub item: Item,
    /// What went wrong, if anything did, with the effect on `undone`.
    pub failure: Option<E>,
    /// The tags that are not known to be done, by their positions in the change, in ascending order; none for
    /// a clear and a get.
    pub undone: Vec<usize>,
    /// The tags that a get has read, with those that shared its slot; `None` where the answer does not name the account, and
    /// for a change.
    pub read: Option<Arc<Vec<String>>>,
}

/// Why changes are not done, as their producer says it: the plan hands it on, and asks for what it must know. If several
/// things went wrong with a change, the first of them stays.
pub trait ChangeFailure: Clone {
    /// What is known of the effect on what is not done.
    fn effect(&self) -> Effect;

    /// Sets the effect of all that was tried.
    fn set_effect(&mut self, effect: Effect);

    /// What would be rejected again: every change of a faulty [account](Scope::Account), the same operation until another
    /// one has changed the account, or a [tag](Scope::Tag).
    fn scope(&self) -> Scope;

    /// That of a change whose time was up before it was sent.
    fn expired() -> Self;

    /// That of a change whose account was rejected before, for this; nothing was sent.
    #[must_use]
    fn rejected_before(&self) -> Self;
}

/// The result of a request.
#[derive(Debug)]
pub enum BatchResult<E> {
    /// It was done, with these accounts left out.
    Done {
        /// Each with what is wrong, and when to try it again, if at all.
        left_out: Vec<(String, E, Option<Duration>)>,
        /// What was read, where the request is a get.
        read: Vec<AccountTags>,
    },
    /// It failed, and the fault is of some account or tag in it: it is split, until that is alone.
    Ambiguous(E),
    /// It failed as a whole.
    Failed(E),
    /// It failed, and is sent again as it is; where the producer is [paused](super::Plan::pause), after the pause. The
    /// caller bounds [how often](super::Plan::postponed).
    Postponed {
        /// What is known of its effect.
        effect: Effect,
        /// Not before then.
        again_at: Duration,
    },
}
