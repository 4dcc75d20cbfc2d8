//! What the plan takes, a change of one user's tags or a get of them, from its push to its outcome: what is known of it on
//! its way, the result of its request that comes in, and the outcome that goes out.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::arena::{AccountId, ProducerId};
use super::flush::Epoch;
use crate::answer::AccountTags;
use crate::catalogue::{Effect, Scope};
use crate::change::{Change, Tags};
use crate::limits::Rules;
use crate::operation::Operation;
use crate::request::Form;
use crate::text::Account;
use crate::violation::Invalid;

/// A change of one user's tags, or a get of them. A clone shares the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// To add, remove, clear or replace.
    Change(Change),
    /// To read.
    Get(Query),
}

/// To read the tags of one user, whose account keeps to the rules.
///
/// ```
/// use imtag_core::{Rules, plan::Query};
///
/// assert_eq!(Query::new("xiaojun012", &Rules::default())?.account(), "xiaojun012");
///
/// let invalid = Query::new("", &Rules::default()).unwrap_err();
/// assert_eq!(invalid.violations()[0].to_string(), "account: empty, at least 1 byte");
/// # Ok::<(), imtag_core::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query(Arc<str>);

impl Query {
    /// Makes a query of an account that keeps to `rules`.
    ///
    /// # Errors
    /// With what is wrong with the account.
    pub fn new(account: &str, rules: &Rules) -> Result<Query, Invalid> {
        Account::new(account, rules).map(|account| Query(account.as_str().into()))
    }

    /// The user.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.0
    }

    /// The user's text, which is shared.
    #[must_use]
    pub fn into_account(self) -> Arc<str> {
        self.0
    }
}

impl Item {
    /// The operation.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Item::Change(change) => change.operation().into(),
            Item::Get(_) => Operation::Get,
        }
    }

    /// The form of request that it goes in.
    pub(super) fn form(&self) -> Form {
        match self {
            Item::Change(change) => change.operation().into(),
            Item::Get(_) => Form::Get,
        }
    }

    /// The user.
    #[must_use]
    pub fn account(&self) -> &str {
        match self {
            Item::Change(change) => change.account(),
            Item::Get(query) => query.account(),
        }
    }

    /// The tags of a change, each once; none of a clear and of a get.
    #[must_use]
    pub fn tags(&self) -> Tags<'_> {
        match self {
            Item::Change(change) => change.tags(),
            Item::Get(_) => Tags::default(),
        }
    }
}

impl From<Change> for Item {
    fn from(change: Change) -> Item {
        Item::Change(change)
    }
}

impl From<Query> for Item {
    fn from(query: Query) -> Item {
        Item::Get(query)
    }
}

/// A change without an outcome.
#[derive(Debug)]
pub(super) struct Entry<R, E> {
    pub(super) producer: ProducerId,
    pub(super) account: AccountId,
    pub(super) reply: R,
    pub(super) item: Item,
    /// Slots that are in no request yet.
    pub(super) left: usize,
    /// Slots in requests.
    pub(super) under_way: usize,
    /// A slot of it has been in a request that had its turn in the quota, or is over.
    pub(super) sent: bool,
    /// It was recalled from a request that waits for its turn: it is over once that has it.
    pub(super) recalled: bool,
    pub(super) deadline: Duration,
    pub(super) came: Duration,
    /// None once its producer counts it no more.
    pub(super) epoch: Option<Epoch>,
    /// It takes part in the producer's capacity while it is unsent.
    pub(super) counts: bool,
    pub(super) failure: Option<E>,
    /// The tags that it is of; none of a clear and a get.
    pub(super) undone: Vec<usize>,
    /// What a get has read, with those that share its slot.
    pub(super) read: Option<Arc<Vec<String>>>,
}

impl<R, E: ChangeFailure> Entry<R, E> {
    /// True if the two may share a slot, as their order makes no difference. That of two replaces does.
    pub(super) fn commutes_with(&self, other: &Self) -> bool {
        let form = self.item.form();
        self.producer == other.producer && form == other.item.form() && form != Form::Replace
    }

    /// How many of its tags share a slot, where a slot takes this many.
    pub(super) fn tags_per_slot(&self, tags_per_slot: usize) -> usize {
        slot_size(&self.item, tags_per_slot)
    }

    /// True if no slot of it has been in a request.
    pub(super) fn is_untouched(&self, tags_per_slot: usize) -> bool {
        self.left == slots(&self.item, tags_per_slot)
    }

    /// The tags that are in no request yet.
    pub(super) fn rest(&self, tags_per_slot: usize) -> Range<usize> {
        let taken = slots(&self.item, tags_per_slot) - self.left;
        let tags = self.item.tags().len();
        (taken * self.tags_per_slot(tags_per_slot)).min(tags)..tags
    }

    /// Notes that some of its tags are not done.
    pub(super) fn note_failure(&mut self, failure: &E, effect: Effect, tags: Range<usize>) {
        self.undone.extend(tags);
        let effect = effect.for_operation(self.item.operation());
        match &mut self.failure {
            Some(first) => first.set_effect(first.effect().max(effect)),
            none => none.insert(failure.clone()).set_effect(effect),
        }
    }
}

/// The slots that a change takes.
pub(super) fn slots(item: &Item, tags_per_slot: usize) -> usize {
    let tags_per_slot = slot_size(item, tags_per_slot);
    item.tags().len().div_ceil(tags_per_slot).max(1)
}

/// How many tags of a change share a slot. A replace goes whole, as one of a second slot would remove the tags of the first.
fn slot_size(item: &Item, tags_per_slot: usize) -> usize {
    if item.form() == Form::Replace {
        usize::MAX
    } else {
        tags_per_slot
    }
}

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

/// For a producer that needs to know the effect alone.
impl ChangeFailure for Effect {
    fn effect(&self) -> Effect {
        *self
    }

    fn set_effect(&mut self, effect: Effect) {
        *self = effect;
    }

    fn scope(&self) -> Scope {
        Scope::Service
    }

    fn expired() -> Effect {
        Effect::NotApplied
    }

    fn rejected_before(&self) -> Effect {
        Effect::NotApplied
    }
}

/// What of its account a change is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// A change that is in a request, or is to be sent again.
    Unsettled,
    /// An attempt that had no answer and that it would undo, or be undone by. It may arrive until then.
    LateAttempt(Duration),
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
