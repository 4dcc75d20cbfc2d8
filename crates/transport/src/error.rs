//! A call that failed: the cause, what is known of the effect, how many attempts were made. The sentence is made
//! from these last, in one place. No part ever holds the query string, the UserSig or the key.

use std::fmt;

use imtag_core::retry::Stopped;
use imtag_core::{Code, Effect, Operation, Refusal, RetryClass, shortened};

use crate::blame::Blame;
use crate::cause::{Cause, Failure, Partial, Phase, is_of_a_gateway};
use crate::http::{has_no_address, is_refusal_of_this_machine};
use crate::refused_usersig::RefusedUserSig;

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

    /// The same, to keep.
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

    /// How many attempts were made, those with it that reached nobody; 0 where the call ended before the first.
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

    /// Why, in words, without operation, effect and remedy.
    #[must_use]
    pub fn why(&self) -> String {
        /// The error, but only its cause.
        struct Why<'e>(&'e Error);
        impl fmt::Display for Why<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.write_cause(f)
            }
        }
        Why(self).to_string()
    }

    /// What is known here of why the service refused the UserSig: this machine's clock, say. It is part of the message.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.refused.hint.as_deref()
    }

    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        Blame::of(self)
    }

    /// Whether this machine had no file, port, memory or thread for a connection. It says nothing of the service.
    #[must_use]
    pub fn is_refusal_of_this_machine(&self) -> bool {
        self.cause.is_refusal_of_this_machine()
    }

    /// Whether the service was there before, so that what looks like a wrong endpoint was an outage.
    fn is_of_an_outage(&self) -> bool {
        let waited = [Stopped::OutageTooLong, Stopped::DeadlineTooNear];
        self.cause.looks_like_a_wrong_endpoint()
            && self
                .stopped
                .is_some_and(|stopped| waited.contains(&stopped))
    }

    /// What the caller can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match &self.cause {
            Cause::Invalid(invalid) => invalid.violations()[0].problem.remedy(),
            Cause::Credentials(_) => "mend what supplies the UserSig",
            Cause::Service { refusal, .. } => self.refused.remedy.unwrap_or(refusal.code.remedy()),
            Cause::Partial(partial) => partial.failures[0].refusal.code.remedy(),
            Cause::HttpStatus { status, .. } if is_of_a_gateway(*status) => {
                "try again; the service itself always answers 200"
            }
            Cause::HttpStatus { .. } | Cause::NotUnderstood(_) if self.is_of_an_outage() => {
                "try again; a gateway answers in the service's place"
            }
            Cause::HttpStatus { .. } => "check the endpoint: this is not the service",
            Cause::Coded { .. } => {
                "turn compression off in the proxy or gateway on the way: the request asks for none (Accept-Encoding: identity)"
            }
            Cause::Timeout {
                phase: Phase::Quota,
            } => "allow more time, or use more of the app's calls per second",
            Cause::Timeout { .. } => "try again, or allow more time",
            Cause::Cancelled { .. } => "call again if it is still wanted",
            Cause::Network {
                phase: Phase::Resolve,
                source,
            } if !is_refusal_of_this_machine(source) => "check the endpoint's name and the DNS",
            Cause::Network { source, .. } if has_no_address(source) => {
                "check that this machine has an address of the endpoint's kind (IPv4 or IPv6) and a free port, and try again"
            }
            Cause::Network { source, .. } if is_refusal_of_this_machine(source) => {
                "raise this machine's limit of open files, threads or memory, and try again"
            }
            Cause::Network { .. } => "check the endpoint and the network, and try again",
            Cause::Tls(_) => "check the endpoint's name, the CA file and the clock",
            Cause::NotUnderstood(_) => "check the endpoint: this may not be the service",
        }
    }

    fn refusal(&self) -> Option<&Refusal> {
        match &self.cause {
            Cause::Service { refusal, .. } => Some(refusal),
            Cause::Partial(partial) => partial.failures.first().map(|failure| &failure.refusal),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Cause::Invalid(invalid) = &self.cause {
            return invalid.fmt(f);
        }
        write!(f, "{}: ", self.operation)?;
        self.write_cause(f)?;
        write!(f, " ({}; {}", self.effect, self.remedy())?;
        match self.attempts {
            0 | 1 => f.write_str(")"),
            attempts => write!(f, "; {attempts} attempts)"),
        }
    }
}

impl Error {
    /// What happened, without operation, effect and remedy.
    pub(crate) fn write_cause(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Invalid(invalid) => write!(f, "{invalid}"),
            Cause::Credentials(error) => write!(f, "no UserSig: {error}"),
            Cause::Service { refusal, .. } => {
                let (code, text) = (refusal.code, shortened(&refusal.text));
                write!(f, "the service refused the request: {code} {text:?}")?;
                let hint = self.refused.hint.iter();
                hint.into_iter().try_for_each(|hint| write!(f, "; {hint}"))
            }
            Cause::Partial(partial) => partial.write(f),
            Cause::HttpStatus { status, start } => {
                write!(f, "HTTP status {status} instead of 200")?;
                match start.is_empty() {
                    true => Ok(()),
                    false => write!(f, ", with {start:?}"),
                }
            }
            Cause::Coded { status, coding } => {
                if *status != 200 {
                    write!(f, "HTTP status {status} instead of 200, and ")?;
                }
                write!(f, "the answer is coded as {coding:?}, against the request")
            }
            Cause::Timeout { phase } => write!(f, "time is up {}", phase.when()),
            Cause::Cancelled { phase } => {
                write!(f, "cancelled {}", phase.when())
            }
            Cause::Network { phase, source } if is_refusal_of_this_machine(source) => {
                write!(
                    f,
                    "this machine gave no connection {}: {source}",
                    phase.when()
                )
            }
            Cause::Network { phase, source } => {
                write!(f, "the network failed {}: {source}", phase.when())
            }
            Cause::Tls(error) => write!(f, "TLS failed: {error}"),
            Cause::NotUnderstood(error) => write!(f, "{error}"),
        }
    }
}

impl Partial {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = &self.failures[0];
        write!(
            f,
            "{} of {} accounts failed, the first is {:?}: {} {:?}",
            self.failures.len(),
            self.failures.len() + self.outcome.accounts + self.outcome.unanswered.len(),
            first.account,
            first.refusal.code,
            shortened(&first.refusal.text)
        )
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
mod tests {
    use super::*;
    use crate::{Failure, Outcome};

    #[test]
    fn a_partial_message_counts_the_accounts_that_were_not_answered_too() {
        let outcome = Outcome {
            accounts: 1,
            unanswered: vec!["w".to_owned()],
            ..Outcome::default()
        };
        let failure = Failure {
            account: "u".to_owned(),
            refusal: Refusal {
                code: Code(70107),
                text: "who".to_owned(),
            },
            effect: Effect::NotRead,
        };
        let error = Error {
            operation: Operation::Get,
            cause: Cause::Partial(Box::new(Partial {
                outcome,
                failures: vec![failure],
            })),
            effect: Effect::NotRead,
            attempts: 1,
            sent: 1,
            stopped: None,
            refused: RefusedUserSig::default(),
        };
        assert_eq!(
            error.to_string(),
            "get: 1 of 3 accounts failed, the first is \"u\": 70107 \"who\" \
             (not read; import the account first, or let its user log in once)"
        );
    }
}
