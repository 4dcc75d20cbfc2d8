//! A change of a user that is not done, and why: what a line of the failed list is made of.

use imtag_transport::{ChangeCause, ChangeError, ChangeRequest, Effect, Operation, Scope};

use crate::import::failed::Failure;
use crate::import::input::change::Op;
use crate::output::Reason;

/// A change of a user that was not applied, or may not have been.
pub(crate) struct PendingChange {
    pub(crate) account: String,
    pub(crate) op: Op,
    pub(crate) tags: Vec<String>,
    /// `None` if it was not sent, as the run ended.
    pub(crate) reason: Option<Reason>,
    pub(crate) effect: Effect,
    /// True if it is the user's own fault, so that it would fail again.
    pub(super) final_: bool,
    /// True if the app or its settings were refused, and nothing was applied before that.
    pub(super) is_refusal: bool,
}

impl PendingChange {
    pub(super) fn from_error(error: &ChangeError, earlier: Effect) -> PendingChange {
        PendingChange {
            account: error.account().to_owned(),
            op: op_of(error.operation()),
            tags: error.undone().to_vec(),
            reason: (!was_not_sent(error)).then(|| Reason::of_change(error)),
            effect: error.effect().max(earlier),
            final_: !matches!(error.scope(), Scope::App | Scope::Service),
            is_refusal: error.scope() == Scope::App && error.effect() == Effect::NotApplied,
        }
    }

    /// As a line of the list. `tags` are its own; `not_sent` is why what was not sent was not.
    pub(crate) fn failure<'u>(&'u self, tags: &'u [&'u str], not_sent: &'u Reason) -> Failure<'u> {
        Failure {
            account: &self.account,
            op: self.op,
            tags,
            reason: self.reason.as_ref().unwrap_or(not_sent),
            effect: self.effect,
        }
    }

    /// Adds the tags that are applied already once more, as a failed clear must come before them.
    pub(super) fn add_again(
        added: &ChangeRequest,
        pending: &[PendingChange],
    ) -> Option<PendingChange> {
        let is_done = |tag: &&String| {
            let mut adds = pending.iter().filter(|it| it.op == Op::Add);
            !adds.any(|it| it.tags.contains(tag))
        };
        let tags: Vec<String> = added.tags().iter().filter(is_done).cloned().collect();
        (!tags.is_empty()).then(|| PendingChange {
            account: added.account().to_owned(),
            op: Op::Add,
            tags,
            reason: Some(Reason::ours(
                "added, but what was to be cleared first is not".to_owned(),
                "import these lines again: they clear, and then add",
            )),
            effect: Effect::Applied,
            final_: true,
            is_refusal: false,
        })
    }
}

pub(super) fn was_not_sent(error: &ChangeError) -> bool {
    let of_the_run = matches!(
        error.cause(),
        ChangeCause::Ended(_) | ChangeCause::NoThread(_)
    );
    of_the_run && error.effect() == Effect::NotApplied
}

pub(super) fn op_of(operation: Operation) -> Op {
    match operation {
        Operation::Remove => Op::Remove,
        Operation::Clear => Op::Clear,
        Operation::Add | Operation::Get => Op::Add,
    }
}
