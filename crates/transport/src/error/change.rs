//! A change of a bulk run or a batcher that is not done: the error of its request, its account, and the tags that are not
//! known to be added or removed.

use std::ops::Deref;

use imtag_core::plan::{ChangeFailure, FailureCause};
use imtag_core::{Change, ChangeRequest, Effect, InvalidChange};

use super::cause::{Cause, Error};

/// A change that is not done, or not in full: an [`Error`] with an account.
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

    /// Why.
    #[must_use]
    // by itself, as the trait's deprecated `cause` is found before a dereference
    pub fn cause(&self) -> &Cause {
        self.error.cause()
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The tags that are not known to be added or removed; what the change had besides is done. Empty for a clear.
    #[must_use]
    pub fn undone(&self) -> &[String] {
        &self.undone
    }
}

/// What it says of the change: its operation, the cause, the effect on the [`undone`](ChangeError::undone) tags, the
/// attempts of its last request, and what follows.
impl Deref for ChangeError {
    type Target = Error;

    fn deref(&self) -> &Error {
        &self.error
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
