//! Why a change of a bulk run or a batcher is not done: the cause, what is known of the effect, and the tags that are not
//! known to be added or removed.

use std::sync::Arc;

use imtag_core::plan::{ChangeFailure, FailureCause};
use imtag_core::{
    Change, ChangeRequest, Code, Effect, Invalid, InvalidChange, Operation, Refusal, RetryClass,
    Scope,
};

use super::{Cause, Error};

/// A change that is not done, or not in full.
#[derive(Debug, Clone)]
pub struct ChangeError {
    operation: Operation,
    account: String,
    cause: ChangeCause,
    effect: Effect,
    undone: Vec<String>,
}

/// Why a change is not done.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ChangeCause {
    /// It breaks limits; nothing was sent.
    Invalid(Invalid),
    /// The service left the account out of a request that it did for others.
    LeftOut(Refusal),
    /// Its request failed. If an account or a tag was at fault, it is this change's.
    Request(Arc<Error>),
    /// The account was refused before in this run, for this; it was not sent again.
    RefusedBefore(Refusal),
    /// Its time was up before it was sent.
    Expired,
    /// It was cancelled by its caller.
    Abandoned,
    /// Its caller's time was up before it was answered.
    NotAnswered,
    /// The bulk run ended before it was sent, for this.
    Ended(RunError),
    /// The batcher is full, and set not to wait.
    Full,
    /// The bulk run or batcher is closed.
    Closed,
    /// The bulk run or batcher belongs to the process that this one was forked from.
    Forked,
    /// The system gives no thread to send with.
    NoThread(Arc<std::io::Error>),
    /// A defect of the library ended its request, which may have been sent.
    Defect,
}

/// Why a bulk run ended before all was sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RunError {
    /// The service rejected the app, or the endpoint is not the service, with what was said. All further requests would
    /// end in the same way.
    Refused(Arc<Error>),
    /// The service or the network became unavailable, with the last failure.
    Unavailable(Arc<Error>),
    /// It was cancelled, or its caller abandoned it.
    Cancelled,
    /// It belongs to the process that this one was forked from. Nothing is known of it here, and nothing was sent.
    Forked,
}

/// Some changes had no outcome when a wait for them ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unfinished {
    /// How many.
    pub changes: usize,
    /// Whether the wait was cancelled; else its time was up.
    pub cancelled: bool,
}

impl ChangeError {
    /// The error of a change that was not sent. A caller that waits for capacity by itself makes it too.
    #[must_use]
    pub fn not_sent(change: &ChangeRequest, cause: ChangeCause) -> ChangeError {
        ChangeError {
            operation: change.operation().into(),
            account: change.account().to_owned(),
            cause,
            effect: Effect::NotApplied,
            undone: change.tags().to_vec(),
        }
    }

    pub(crate) fn from_failure(
        change: &Change,
        failure: ChangeFailure<ChangeCause>,
    ) -> ChangeError {
        let tags = failure.undone.iter().map(|tag| change.tags()[*tag].clone());
        ChangeError {
            operation: change.operation().into(),
            account: change.account().to_owned(),
            cause: match failure.cause {
                FailureCause::Request(cause) => cause,
                FailureCause::PreviouslyRejected(cause) => match cause.refusal() {
                    Some(refusal) => ChangeCause::RefusedBefore(refusal.clone()),
                    None => cause,
                },
                FailureCause::Expired => ChangeCause::Expired,
            },
            effect: failure.effect,
            undone: tags.collect(),
        }
    }

    pub(crate) fn possibly_applied(mut self) -> ChangeError {
        self.effect = Effect::PossiblyApplied;
        self
    }

    /// Why.
    #[must_use]
    pub fn cause(&self) -> &ChangeCause {
        &self.cause
    }

    /// What was to be done.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// What is known of the effect of [`undone`](ChangeError::undone).
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// The tags that are not known to be added or removed; what the change had besides is done. Empty for a clear.
    #[must_use]
    pub fn undone(&self) -> &[String] {
        &self.undone
    }

    /// The service's code, where it is what went wrong.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.refusal().map(|refusal| refusal.code)
    }

    /// What the service said, where it is what went wrong: with this change, or with the request that ended the run.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.cause {
            ChangeCause::Ended(RunError::Refused(error) | RunError::Unavailable(error)) => {
                refusal_of(error)
            }
            cause => cause.refusal(),
        }
    }

    /// What is at fault. Other changes may still be done, unless it is the [app](Scope::App) or the
    /// [service](Scope::Service).
    #[must_use]
    pub fn scope(&self) -> Scope {
        match &self.cause {
            ChangeCause::Invalid(_) => Scope::Request,
            ChangeCause::LeftOut(refusal) | ChangeCause::RefusedBefore(refusal) => {
                // others in the request were done, so it is neither the app nor the service
                match refusal.code.scope() {
                    Scope::App | Scope::Service => Scope::Account,
                    scope => scope,
                }
            }
            ChangeCause::Request(error) => error.scope(),
            ChangeCause::Ended(RunError::Refused(_)) => Scope::App,
            _ => Scope::Service,
        }
    }

    /// Whether the same change may succeed later as it is.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match &self.cause {
            ChangeCause::Invalid(_)
            | ChangeCause::Forked
            | ChangeCause::Ended(RunError::Forked)
            | ChangeCause::Closed => false,
            ChangeCause::LeftOut(refusal) | ChangeCause::RefusedBefore(refusal) => {
                refusal.code.retry() != RetryClass::Never
            }
            ChangeCause::Request(error) => error.retryable(),
            ChangeCause::Ended(RunError::Refused(error) | RunError::Unavailable(error)) => {
                error.retryable()
            }
            ChangeCause::Ended(RunError::Cancelled)
            | ChangeCause::Expired
            | ChangeCause::Abandoned
            | ChangeCause::NotAnswered
            | ChangeCause::Full
            | ChangeCause::NoThread(_)
            | ChangeCause::Defect => true,
        }
    }
}

impl ChangeCause {
    fn refusal(&self) -> Option<&Refusal> {
        match self {
            ChangeCause::LeftOut(refusal) | ChangeCause::RefusedBefore(refusal) => Some(refusal),
            ChangeCause::Request(error) => refusal_of(error),
            _ => None,
        }
    }
}

fn refusal_of(error: &Error) -> Option<&Refusal> {
    match error.cause() {
        Cause::Service { refusal, .. } => Some(refusal),
        _ => None,
    }
}

/// Nothing was sent.
impl From<InvalidChange> for ChangeError {
    fn from(invalid: InvalidChange) -> ChangeError {
        let (change, invalid) = invalid.into_parts();
        ChangeError::not_sent(&change, ChangeCause::Invalid(invalid))
    }
}

impl std::error::Error for ChangeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            ChangeCause::Invalid(error) => Some(error),
            ChangeCause::Request(error) => Some(error.as_ref()),
            ChangeCause::NoThread(error) => Some(error.as_ref()),
            _ => None,
        }
    }
}
