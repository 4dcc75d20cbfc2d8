//! What can go wrong with a call, as data: the cause, what is known of the effect, how many attempts were made.
//! The sentence is made from it last, in one place. No part of it ever holds the query string, the UserSig or the
//! key.

use std::fmt;
use std::io;

use imtag_core::retry::Stopped;
use imtag_core::{Code, Effect, Invalid, NotUnderstood, Operation, Refusal, RetryClass};

use crate::Outcome;

/// A call that did not do all that was asked.
#[derive(Debug)]
pub struct Error {
    pub(crate) operation: Operation,
    pub(crate) cause: Cause,
    pub(crate) effect: Effect,
    pub(crate) attempts: u32,
    pub(crate) stopped: Option<Stopped>,
}

/// Why a call did not do all that was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The request breaks limits; nothing was sent.
    Invalid(Invalid),
    /// No UserSig could be had; nothing was sent.
    Credentials(Box<dyn std::error::Error + Send + Sync>),
    /// The service refused the whole request.
    Service {
        /// Code and text.
        refusal: Refusal,
        /// The service's number for the request.
        request_id: Option<String>,
    },
    /// The service did the request, but for some accounts.
    Partial(Partial),
    /// An answer whose HTTP status is not 200: it is not the service's own.
    HttpStatus {
        /// The status.
        status: u16,
        /// The first bytes of the body.
        start: String,
    },
    /// The time was up.
    Timeout {
        /// While the call was busy with this.
        phase: Phase,
    },
    /// The call was cancelled.
    Cancelled {
        /// While the call was busy with this.
        phase: Phase,
    },
    /// The network failed.
    Network {
        /// While the call was busy with this.
        phase: Phase,
        /// How.
        source: io::Error,
    },
    /// The server could not prove that it is the one that was called, or TLS failed otherwise.
    Tls(Box<dyn std::error::Error + Send + Sync>),
    /// An answer that is not one of the service's.
    NotUnderstood(NotUnderstood),
}

/// A request that was done, but for some accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partial {
    /// What was done, and read, for the other accounts.
    pub outcome: Outcome,
    /// The accounts that it was not done for. Never empty.
    pub failures: Vec<Failure>,
}

/// An account that a request was not done for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The account.
    pub account: String,
    /// Why.
    pub refusal: Refusal,
    /// What is known of the effect on it.
    pub effect: Effect,
}

/// What a call is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for a UserSig that another thread makes.
    Credentials,
    /// Waiting for its turn in the quota.
    Quota,
    /// Looking up the host's addresses.
    Resolve,
    /// Connecting.
    Connect,
    /// The TLS handshake.
    Handshake,
    /// Writing the request.
    Write,
    /// Waiting for the answer, and reading it.
    Read,
    /// Waiting to try again.
    Backoff,
}

impl Phase {
    /// What the phase is called in a sentence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Phase::Credentials => "waiting for a UserSig",
            Phase::Quota => "waiting for the quota",
            Phase::Resolve => "looking up the host",
            Phase::Connect => "connecting",
            Phase::Handshake => "in the TLS handshake",
            Phase::Write => "writing the request",
            Phase::Read => "waiting for the answer",
            Phase::Backoff => "waiting to try again",
        }
    }
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

    /// What is known of the effect on the accounts that failed, over all attempts.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// How many attempts were made; 0 where nothing was sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
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

    /// Whether the same call may succeed later as it is. Of a partial success: for any of the accounts left out.
    #[must_use]
    pub fn retryable(&self) -> bool {
        let may_pass = |failure: &Failure| failure.refusal.code.retry() != RetryClass::Never;
        self.cause.retry_class() != RetryClass::Never || self.failures().iter().any(may_pass)
    }

    /// What the caller can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match &self.cause {
            Cause::Invalid(invalid) => invalid.violations()[0].problem.remedy(),
            Cause::Credentials(_) => "mend what supplies the UserSig",
            Cause::Service { refusal, .. } => refusal.code.remedy(),
            Cause::Partial(partial) => partial.failures[0].refusal.code.remedy(),
            Cause::HttpStatus { status, .. } if *status < 500 => {
                "check the endpoint: this is not the service"
            }
            Cause::HttpStatus { .. } => "try again; the service itself always answers 200",
            Cause::Timeout {
                phase: Phase::Quota,
            } => "allow more time, or use more of the app's calls per second",
            Cause::Timeout { .. } => "try again, or allow more time",
            Cause::Cancelled { .. } => "call again if it is still wanted",
            Cause::Network {
                phase: Phase::Resolve,
                ..
            } => "check the endpoint's name and the DNS",
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

impl Cause {
    /// Whether an attempt that failed so may be made again.
    pub(crate) fn retry_class(&self) -> RetryClass {
        match self {
            // a partial success is not repeated: most of it is done, and who was left out is known
            Cause::Partial(_)
            | Cause::Invalid(_)
            | Cause::Credentials(_)
            | Cause::Cancelled { .. }
            | Cause::Tls(_) => RetryClass::Never,
            Cause::Service { refusal, .. } => refusal.code.retry(),
            Cause::HttpStatus { status, .. } => match status {
                408 | 429 | 500.. => RetryClass::Backoff,
                _ => RetryClass::Never,
            },
            Cause::Timeout { .. } | Cause::Network { .. } | Cause::NotUnderstood(_) => {
                RetryClass::Backoff
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Cause::Invalid(invalid) = &self.cause {
            return invalid.fmt(f);
        }
        let operation = self.operation;
        match &self.cause {
            Cause::Invalid(_) => Ok(()),
            Cause::Credentials(error) => write!(f, "{operation}: no UserSig: {error}"),
            Cause::Service { refusal, .. } => write!(
                f,
                "{operation}: the service refused the request: {} {:?}",
                refusal.code, refusal.text
            ),
            Cause::Partial(partial) => partial.write(operation, f),
            Cause::HttpStatus { status, start } => {
                write!(f, "{operation}: HTTP status {status} instead of 200")?;
                match start.is_empty() {
                    true => Ok(()),
                    false => write!(f, ", with {start:?}"),
                }
            }
            Cause::Timeout { phase } => write!(f, "{operation}: time is up while {}", phase.name()),
            Cause::Cancelled { phase } => {
                write!(f, "{operation}: cancelled while {}", phase.name())
            }
            Cause::Network { phase, source } => {
                write!(
                    f,
                    "{operation}: the network failed while {}: {source}",
                    phase.name()
                )
            }
            Cause::Tls(error) => write!(f, "{operation}: TLS failed: {error}"),
            Cause::NotUnderstood(error) => write!(f, "{operation}: {error}"),
        }?;
        write!(f, " ({}; {}", self.effect, self.remedy())?;
        match self.attempts {
            0 | 1 => f.write_str(")"),
            attempts => write!(f, "; {attempts} attempts)"),
        }
    }
}

impl Partial {
    fn write(&self, operation: Operation, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = &self.failures[0];
        write!(
            f,
            "{operation}: {} of {} accounts failed, the first is {:?}: {} {:?}",
            self.failures.len(),
            self.failures.len() + self.outcome.accounts,
            first.account,
            first.refusal.code,
            first.refusal.text
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
