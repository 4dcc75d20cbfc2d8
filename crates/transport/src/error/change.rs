//! A change of a bulk run or a batcher that is not done: the error of its request, its account, and the tags that are not
//! known to be added or removed. A batcher's get that has read nothing has such an error too, without tags.

use imtag_core::plan::{ChangeFailure, Item};
use imtag_core::{ChangeRequest, Code, Effect, InvalidChange, Operation, Refusal, Scope};

use super::cause::{Cause, Error};

/// A change that is not done, or not in full, or a batcher's get that has read nothing: an [`Error`] with an account. It is
/// no [`Error`] itself, as that would be printed without the account.
///
/// ```compile_fail,E0308
/// # use imtag_transport::{ChangeError, Error};
/// fn log(error: &Error) {}
/// fn failed(error: &ChangeError) {
///     log(error); // log(error.error()) says that it has no account
/// }
/// ```
#[derive(Debug, Clone)]
pub struct ChangeError(Box<Failed>);

/// Beside the outcomes, as most of these hold none.
#[derive(Debug, Clone)]
struct Failed {
    /// With the operation of the change, and the effect on its `undone`.
    error: Error,
    account: String,
    undone: Vec<String>,
}

/// Some changes or gets had no outcome when a wait for them ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unfinished {
    /// How many, changes and gets together.
    pub changes: usize,
    /// Whether the wait was cancelled; else its time was up.
    pub cancelled: bool,
}

impl ChangeError {
    /// The error of a change that was not sent. A caller that waits for capacity by itself makes it too.
    #[must_use]
    pub fn not_sent(change: &ChangeRequest, cause: Cause) -> ChangeError {
        let (operation, error) = (change.operation().into(), Error::not_sent(cause));
        ChangeError::new(operation, change.account(), error, change.tags())
    }

    /// The error of a change or a get whose caller waits no longer, or that is not taken.
    pub(crate) fn of_item(item: &Item, cause: Cause, effect: Effect) -> ChangeError {
        let error = Error {
            effect,
            ..Error::not_sent(cause)
        };
        ChangeError::new(item.operation(), item.account(), error, item.tags())
    }

    /// Gives an error its operation and account, and the effect that it has with this operation.
    pub(crate) fn new<'t>(
        operation: Operation,
        account: &str,
        error: Error,
        undone: impl IntoIterator<Item = &'t str>,
    ) -> ChangeError {
        ChangeError(Box::new(Failed {
            error: Error {
                operation,
                effect: error.effect.for_operation(operation),
                ..error
            },
            account: account.to_owned(),
            undone: undone.into_iter().map(str::to_owned).collect(),
        }))
    }

    /// The same error without the account. It has the attempts and the request id of the request that failed; if none
    /// did, as the change was not sent or not sent again, it has none.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.0.error
    }

    /// Why.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        self.0.error.cause()
    }

    /// What was to be done.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.0.error.operation()
    }

    /// What is known of the effect on the [`undone`](ChangeError::undone) tags; of a get, that it is *not read*.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.0.error.effect()
    }

    /// What the service said, where that is the cause; of a change that was not sent as its run ended, of the request
    /// that ended it.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        self.0.error.refusal()
    }

    /// The service's code, where it is what went wrong.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.0.error.code()
    }

    /// What is at fault: other changes may still succeed, unless it is the [app](Scope::App) or the
    /// [service](Scope::Service).
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.0.error.scope()
    }

    /// Whether the same change may succeed later as it is.
    #[must_use]
    pub fn retryable(&self) -> bool {
        self.0.error.retryable()
    }

    /// Why, in words, without operation, account, effect and remedy.
    #[must_use]
    pub fn reason(&self) -> String {
        self.0.error.reason()
    }

    /// What the caller can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        self.0.error.remedy()
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.0.account
    }

    /// The tags that are not known to be added or removed; what the change had besides is done. Empty for a clear
    /// and a get.
    #[must_use]
    pub fn undone(&self) -> &[String] {
        &self.0.undone
    }

    /// Its error, account and [`undone`](ChangeError::undone) tags.
    #[must_use]
    pub fn into_parts(self) -> (Error, String, Vec<String>) {
        let failed = *self.0;
        (failed.error, failed.account, failed.undone)
    }
}

/// The plan hands errors on.
impl ChangeFailure for Error {
    fn effect(&self) -> Effect {
        self.effect
    }

    fn set_effect(&mut self, effect: Effect) {
        self.effect = effect;
    }

    fn scope(&self) -> Scope {
        match self.cause() {
            // by the code alone: what is of the app or the service keeps no other operation from the account
            Cause::LeftOut { refusal, .. } => refusal.code.scope(),
            _ => Error::scope(self),
        }
    }

    fn expired() -> Error {
        Error::not_sent(Cause::Expired)
    }

    fn rejected_before(&self) -> Error {
        match self.refusal() {
            Some(refusal) => Error::not_sent(Cause::RefusedBefore(refusal.clone())),
            None => self.clone(),
        }
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
        self.0.error.source()
    }
}
