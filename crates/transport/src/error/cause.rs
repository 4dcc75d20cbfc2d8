//! Why a call failed, as data. It decides whether the call may be made again, and what is known of its effect.

use std::io;

use imtag_core::{Effect, Invalid, NotUnderstood, Refusal, RetryClass, UserSig, shortened};
use rustix::io::Errno;

use crate::call::Outcome;
use crate::redact::redact;
use crate::wait::WaitEnd;

/// Why a call did not do all that was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The request breaks limits; nothing was sent.
    Invalid(Invalid),
    /// There is no UserSig. Earlier attempts, with one that expired, may have been sent.
    Credentials(Box<dyn std::error::Error + Send + Sync>),
    /// The service refused the whole request.
    Service {
        /// Code and text.
        refusal: Refusal,
        /// The service's number for the request.
        request_id: Option<String>,
    },
    /// The service did the request for some of the accounts only.
    Partial(Box<Partial>),
    /// An answer with another HTTP status than 200: the service itself always answers 200.
    HttpStatus {
        /// The status.
        status: u16,
        /// The first bytes of the body.
        start: String,
    },
    /// A compressed answer (`gzip`), though the request asks for none: a proxy on the way compresses. It cannot be read.
    Encoded {
        /// The HTTP status.
        status: u16,
        /// The encoding, as the answer names it.
        encoding: String,
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
    /// The server's certificate was not accepted, or TLS failed otherwise.
    Tls(Box<dyn std::error::Error + Send + Sync>),
    /// An answer that is not one of the service's.
    NotUnderstood(NotUnderstood),
}

/// A request that was done for some of its accounts only.
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

impl Failure {
    /// Whether the same call may succeed later for this account.
    #[must_use]
    pub fn retryable(&self) -> bool {
        self.refusal.code.retry() != RetryClass::Never
    }
}

/// What a call is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing yet: it ended before it began.
    Start,
    /// Waiting for a UserSig that another thread makes.
    Credentials,
    /// Waiting for its turn in the quota.
    Quota,
    /// Looking up the host's addresses.
    Resolve,
    /// Waiting for a connection of its client to come free, as this machine refuses more.
    FreeConnection,
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

/// True if this machine refuses a socket or a thread: no file, port or memory is free.
pub(crate) fn is_local_failure(error: &io::Error) -> bool {
    let refusals = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::AGAIN,
        Errno::NOMEM,
        Errno::NOBUFS,
        Errno::ADDRNOTAVAIL,
    ];
    let code = error.raw_os_error();
    refusals.iter().any(|it| code == Some(it.raw_os_error()))
}

/// True if this machine has no address to call from, or no free port.
pub(crate) fn has_no_address(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ADDRNOTAVAIL.raw_os_error())
}

/// True for the status of a gateway that cannot reach the service, or of an overload.
pub(crate) fn is_gateway_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..)
}

impl Cause {
    /// Whether an attempt that failed like this may be made again.
    pub(crate) fn retry_class(&self) -> RetryClass {
        match self {
            // a partial success is not repeated: most of it is done, and the rest is known by name
            Cause::Partial(_)
            | Cause::Invalid(_)
            | Cause::Credentials(_)
            | Cause::Cancelled { .. }
            | Cause::Tls(_) => RetryClass::Never,
            Cause::Service { refusal, .. } => refusal.code.retry(),
            Cause::HttpStatus { status, .. } | Cause::Encoded { status, .. } => match status {
                200 => RetryClass::Backoff,
                status if is_gateway_status(*status) => RetryClass::Backoff,
                _ => RetryClass::Never,
            },
            Cause::Timeout { .. } | Cause::Network { .. } | Cause::NotUnderstood(_) => {
                RetryClass::Backoff
            }
        }
    }

    /// True if nobody answered, or only a gateway.
    pub(crate) fn is_unanswered(&self) -> bool {
        match self {
            Cause::Network { .. } => true,
            Cause::Timeout { phase } => matches!(
                phase,
                Phase::Resolve | Phase::Connect | Phase::Handshake | Phase::Write | Phase::Read
            ),
            Cause::HttpStatus { status, .. } | Cause::Encoded { status, .. } => {
                is_gateway_status(*status)
            }
            _ => false,
        }
    }

    /// True if the endpoint looks like another service: by status, page or certificate. A gateway may answer like that
    /// while the service is away. JSON counts as an answer of the service, even if it is not understood.
    pub(crate) fn looks_like_a_wrong_endpoint(&self) -> bool {
        match self {
            Cause::HttpStatus { .. } | Cause::Encoded { .. } | Cause::Tls(_) => true,
            Cause::NotUnderstood(error) => !error.start.trim_start().starts_with('{'),
            _ => false,
        }
    }

    /// True if this machine had no file, port, memory or thread for a connection. It says nothing about the service.
    pub(crate) fn is_local_failure(&self) -> bool {
        match self {
            Cause::Network { source, .. } => is_local_failure(source),
            _ => false,
        }
    }

    /// A copy of a cause for which the service did not answer.
    pub(crate) fn copied(&self) -> Option<Cause> {
        Some(match self {
            Cause::Network { phase, source } => Cause::Network {
                phase: *phase,
                source: match source.raw_os_error() {
                    Some(code) => io::Error::from_raw_os_error(code),
                    None => io::Error::new(source.kind(), source.to_string()),
                },
            },
            Cause::Timeout { phase } => Cause::Timeout { phase: *phase },
            Cause::HttpStatus { status, start } => Cause::HttpStatus {
                status: *status,
                start: start.clone(),
            },
            Cause::Encoded { status, encoding } => Cause::Encoded {
                status: *status,
                encoding: encoding.clone(),
            },
            Cause::NotUnderstood(error) => Cause::NotUnderstood(error.clone()),
            Cause::Tls(error) => Cause::Tls(error.to_string().into()),
            _ => return None,
        })
    }

    /// What is known of the effect of an attempt that was sent and failed like this.
    pub(crate) fn effect(&self) -> Effect {
        match self {
            Cause::Service { refusal, .. } => refusal.code.effect(),
            // the service says of each account left out that it did not change
            Cause::Partial(_) => Effect::NotApplied,
            _ => Effect::PossiblyApplied,
        }
    }

    /// True if the service has finished with an attempt that failed like this: it has no effect later.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            // what was refused for now may still be running at the service
            Cause::Service { refusal, .. } => {
                refusal.code.retry() == RetryClass::Never
                    || refusal.code.effect() == Effect::NotApplied
            }
            Cause::Partial(_) => true,
            _ => false,
        }
    }

    /// The cause for an answer that says that it is encoded. It stays as it is if the answer can be read: servers name
    /// `utf-8` as an encoding too.
    pub(crate) fn encoded(self, encoding: Option<&str>) -> Cause {
        let Some(encoding) = encoding else {
            return self;
        };
        let binary = |c: char| c == '\u{fffd}' || (c.is_control() && !c.is_whitespace());
        let status = match &self {
            Cause::NotUnderstood(_) => 200,
            Cause::HttpStatus { status, start } if start.contains(binary) => *status,
            _ => return self,
        };
        Cause::Encoded {
            status,
            encoding: shortened(encoding).to_owned(),
        }
    }

    /// Covers a UserSig that an answer repeats.
    pub(crate) fn redact(&mut self, usersig: &UserSig) {
        match self {
            Cause::Service {
                refusal,
                request_id,
            } => {
                redact(&mut refusal.text, usersig);
                request_id.iter_mut().for_each(|id| redact(id, usersig));
            }
            Cause::Partial(partial) => {
                partial.outcome.redact(usersig);
                for failure in &mut partial.failures {
                    redact(&mut failure.refusal.text, usersig);
                }
            }
            Cause::HttpStatus { start, .. } => redact(start, usersig),
            Cause::Encoded { encoding, .. } => redact(encoding, usersig),
            Cause::NotUnderstood(error) => {
                redact(&mut error.reason, usersig);
                redact(&mut error.start, usersig);
            }
            Cause::Invalid(_)
            | Cause::Credentials(_)
            | Cause::Timeout { .. }
            | Cause::Cancelled { .. }
            | Cause::Network { .. }
            | Cause::Tls(_) => {}
        }
    }

    /// The cause of a call whose wait ended.
    pub(crate) fn from_wait_end(stop: WaitEnd, phase: Phase) -> Cause {
        match stop {
            WaitEnd::TimedOut => Cause::Timeout { phase },
            WaitEnd::Cancelled => Cause::Cancelled { phase },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_shortage_of_this_machine_is_a_local_failure() {
        let is = |error: Errno| is_local_failure(&error.into());
        assert!(is(Errno::MFILE) && is(Errno::ADDRNOTAVAIL) && is(Errno::AGAIN));
        assert!(!is(Errno::CONNREFUSED) && !is(Errno::NETUNREACH) && !is(Errno::TIMEDOUT));
        assert!(!is_local_failure(&io::Error::other("no address")));
        assert!(
            has_no_address(&Errno::ADDRNOTAVAIL.into()) && !has_no_address(&Errno::MFILE.into())
        );
    }
}
