//! Failures of calls, changes and runs: the cause, what is known of the effect, and how many attempts were made. [`text`]
//! makes all sentences. No part holds the query string, the UserSig or the key.

mod cause;
mod change;
mod refused_usersig;
mod text;

use imtag_core::retry::Stopped;
use imtag_core::{Code, Effect, Operation, Refusal, RetryClass, Scope};

pub(crate) use cause::is_local_failure;
pub use cause::{Cause, Failure, Partial, Phase};
pub use change::{ChangeCause, ChangeError, RunError, Unfinished};
pub(crate) use refused_usersig::RefusedUserSig;

/// A call that did not do all that was asked.
///
/// ```no_run
/// # fn call(client: &imtag_transport::Client, request: &imtag_transport::AddTags) {
/// use imtag_transport::Effect;
///
/// if let Err(error) = client.add_tag(request) {
///     for failure in error.failures() {
///         eprintln!("{}: {}", failure.account, failure.refusal); // all others are tagged
///     }
///     if error.effect() == Effect::PossiblyApplied && error.retryable() {
///         // send it again: the tags of a user are a set
///     }
///     eprintln!("{error}"); // what happened, to what, and what to do
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Error {
    pub(crate) operation: Operation,
    pub(crate) cause: Cause,
    /// Of a refusal: what is known here of a UserSig that does not verify.
    pub(crate) refused: RefusedUserSig,
    pub(crate) effect: Effect,
    pub(crate) attempts: u32,
    pub(crate) sent: u32,
    pub(crate) stopped: Option<Stopped>,
}

impl Error {
    /// Why.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// The cause, to keep.
    #[must_use]
    pub fn into_cause(self) -> Cause {
        self.cause
    }

    /// What was called.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// What is known of the effect on the accounts that failed, over all attempts; of a get, which has none, that they
    /// were [not read](Effect::NotRead).
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// How many attempts were made, also those that did not reach the service; 0 if the call ended before the first.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Attempts of which any byte left this machine: what the app's quota may have been charged.
    #[must_use]
    pub fn sent(&self) -> u32 {
        self.sent
    }

    /// Why there was no further attempt, where an attempt failed; `None` where the call ended while it waited, or
    /// before anything was sent.
    #[must_use]
    pub fn stopped(&self) -> Option<Stopped> {
        self.stopped
    }

    /// The service's code, where it is what went wrong. Of a partial success: the first account's.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.refusal().map(|refusal| refusal.code)
    }

    /// The accounts that a partial success left out; empty for any other cause, which concerns all accounts.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        match &self.cause {
            Cause::Partial(partial) => &partial.failures,
            _ => &[],
        }
    }

    /// The service's number for the request, where it gave one.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        match &self.cause {
            Cause::Service { request_id, .. } => request_id.as_deref(),
            Cause::Partial(partial) => partial.outcome.request_id.as_deref(),
            _ => None,
        }
    }

    /// Whether the same call may succeed later as it is. Of a partial success: for any of the accounts left out. Not
    /// after an expired UserSig: what could be had of a new one has been tried.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match &self.cause {
            Cause::Credentials(_) | Cause::Cancelled { .. } => true,
            Cause::Service { refusal, .. } if refusal.code.retry() == RetryClass::NewUserSig => {
                false
            }
            Cause::Partial(partial) => partial.failures.iter().any(Failure::retryable),
            _ if self.is_of_an_outage() => true,
            cause => cause.retry_class() != RetryClass::Never,
        }
    }

    /// A possible reason why the service refused the UserSig, such as this machine's clock. It is part of the message.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.refused.hint.as_deref()
    }

    /// What is at fault. Other calls may still succeed, unless it is the [app](Scope::App) or the
    /// [service](Scope::Service).
    #[must_use]
    pub fn scope(&self) -> Scope {
        match &self.cause {
            Cause::Invalid(_) => Scope::Request,
            Cause::Partial(_) => Scope::Account,
            Cause::Service { refusal, .. } => refusal.code.scope(),
            // also if they may come back: until the service has answered, all further calls would end in the same way
            Cause::Credentials(_) => Scope::App,
            _ if self.retryable() => Scope::Service,
            // a certificate that does not fit, a redirect: the endpoint is wrong
            _ => Scope::App,
        }
    }

    /// Whether this machine had no file, port, memory or thread for a connection. It says nothing of the service.
    #[must_use]
    pub fn is_local_failure(&self) -> bool {
        self.cause.is_local_failure()
    }

    /// True if the service had answered before, so what looks like a wrong endpoint was an outage.
    fn is_of_an_outage(&self) -> bool {
        let waited = [Stopped::OutageTooLong, Stopped::DeadlineTooNear];
        self.cause.looks_like_a_wrong_endpoint()
            && self
                .stopped
                .is_some_and(|stopped| waited.contains(&stopped))
    }

    /// What the service said, where that is the cause; of a partial success, of the first account that it left out.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.cause {
            Cause::Service { refusal, .. } => Some(refusal),
            Cause::Partial(partial) => partial.failures.first().map(|failure| &failure.refusal),
            _ => None,
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Invalid(error) => Some(error),
            Cause::Credentials(error) | Cause::Tls(error) => Some(error.as_ref()),
            Cause::Network { source, .. } => Some(source),
            Cause::NotUnderstood(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
impl Error {
    /// The failure of a call of one attempt, which was sent and not applied.
    pub(crate) fn of_one_attempt(operation: Operation, cause: Cause) -> Error {
        Error {
            operation,
            cause,
            refused: RefusedUserSig::default(),
            effect: Effect::NotApplied.for_operation(operation),
            attempts: 1,
            sent: 1,
            stopped: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Outcome;

    #[test]
    fn a_partial_message_counts_the_accounts_that_were_not_answered_too() {
        let failure = Failure {
            account: "u".to_owned(),
            refusal: Refusal {
                code: Code(70107),
                text: "who".to_owned(),
            },
            effect: Effect::NotRead,
        };
        let outcome = Outcome {
            accounts: 1,
            unanswered: vec!["w".to_owned()],
            ..Outcome::default()
        };
        let partial = Cause::Partial(Box::new(Partial {
            outcome,
            failures: vec![failure],
        }));
        assert_eq!(
            Error::of_one_attempt(Operation::Get, partial).to_string(),
            "get: 1 of 3 accounts failed, the first is \"u\": 70107 \"who\" \
             (not read; import the account first, or let its user log in once)"
        );
    }
}
