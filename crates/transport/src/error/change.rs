//! A change of a bulk run or a batcher that is not done: the error of its request, its account, and the tags that are not
//! known to be added or removed.

use imtag_core::plan::{ChangeFailure, FailureCause};
use imtag_core::{Change, ChangeRequest, Code, Effect, InvalidChange, Operation, Refusal, Scope};

use super::cause::{Cause, Error};

/// A change that is not done, or not in full.
#[derive(Debug, Clone)]
pub struct ChangeError {
    /// With the operation of the change, and the effect on its `undone`.
    error: Error,
    account: String,
    undone: Vec<String>,
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
    pub fn not_sent(change: &ChangeRequest, cause: Cause) -> ChangeError {
        ChangeError::new(change, Error::not_sent(cause), change.tags().to_vec())
    }

    fn new(change: &ChangeRequest, error: Error, undone: Vec<String>) -> ChangeError {
        ChangeError {
            error: Error {
                operation: change.operation().into(),
                ..error
            },
            account: change.account().to_owned(),
            undone,
        }
    }

    pub(crate) fn from_failure(change: &Change, failure: ChangeFailure<Error>) -> ChangeError {
        let error = match failure.cause {
            FailureCause::Request(error) => error,
            FailureCause::PreviouslyRejected(error) => match error.refusal() {
                Some(refusal) => Error::not_sent(Cause::RefusedBefore(refusal.clone())),
                None => error,
            },
            FailureCause::Expired => Error::not_sent(Cause::Expired),
        };
        let error = Error {
            effect: failure.effect,
            ..error
        };
        let undone = failure.undone.iter().map(|tag| change.tags()[*tag].clone());
        ChangeError::new(change, error, undone.collect())
    }

    pub(crate) fn possibly_applied(mut self) -> ChangeError {
        self.error.effect = Effect::PossiblyApplied;
        self
    }

    /// What went wrong, as an error of a call: with the attempts of the change's last request, if it was in one.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// Why.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        self.error.cause()
    }

    /// What was to be done.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.error.operation
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// What is known of the effect of [`undone`](ChangeError::undone).
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.error.effect
    }

    /// The tags that are not known to be added or removed; what the change had besides is done. Empty for a clear.
    #[must_use]
    pub fn undone(&self) -> &[String] {
        &self.undone
    }

    /// The service's code, where it is what went wrong.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.error.code()
    }

    /// What the service said, where it is what went wrong: with this change, or with the request that ended the run.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        self.error.refusal()
    }

    /// What is at fault. Other changes may still be done, unless it is the [app](Scope::App) or the
    /// [service](Scope::Service).
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.error.scope()
    }

    /// Whether the same change may succeed later as it is.
    #[must_use]
    pub fn retryable(&self) -> bool {
        self.error.retryable()
    }

    /// Why, in words, without operation, account, effect and remedy.
    #[must_use]
    pub fn reason(&self) -> String {
        self.error.reason()
    }

    /// What the caller can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        self.error.remedy()
    }
}

/// Nothing was sent.
impl From<InvalidChange> for ChangeError {
    fn from(invalid: InvalidChange) -> ChangeError {
        let (change, invalid) = invalid.into_parts();
        ChangeError::not_sent(&change, Cause::Invalid(invalid))
    }
}

impl std::error::Error for ChangeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}
