//! Which failure a cause is: core's `retry` decides what follows from it, such as another attempt, and what is at fault.

use std::io;

use imtag_core::retry::Failure;
use imtag_core::{Operation, Scope, UserSig, shortened};
use rustix::io::Errno;

use super::cause::{Cause, Error, Phase, ProxyFailure, RunError};
use crate::redact::redact;
use crate::wait::WaitEnd;

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
pub(super) fn has_no_address(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ADDRNOTAVAIL.raw_os_error())
}

/// True for the status of a gateway that cannot reach the service, or of an overload.
pub(crate) fn is_gateway_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..)
}

impl Cause {
    /// What happened to an operation, for core's rules of what follows from it.
    pub(crate) fn failure(&self, operation: Operation) -> Failure {
        match self {
            Cause::Service { refusal, .. } => Failure::Refused(refusal.code),
            Cause::Partial { failures, .. } => Failure::Partial {
                retryable: failures.iter().any(|(_, refusal)| refusal.retryable()),
            },
            Cause::Network { source, .. } if is_local_failure(source) => Failure::NoSocket,
            Cause::Network { .. }
            | Cause::Proxy {
                failure: ProxyFailure::Unreachable | ProxyFailure::NoTunnel,
                ..
            } => Failure::Unanswered,
            Cause::Timeout {
                phase:
                    Phase::Proxy
                    | Phase::Tunnel
                    | Phase::Resolve
                    | Phase::Connect
                    | Phase::Handshake
                    | Phase::Write
                    | Phase::Read,
            }
            | Cause::NotAnswered => Failure::Silent,
            Cause::Timeout { .. } => Failure::NotSent,
            Cause::HttpStatus { status, .. } | Cause::Encoded { status, .. }
                if is_gateway_status(*status) =>
            {
                Failure::Unanswered
            }
            Cause::Encoded { status: 200, .. } => Failure::Page,
            Cause::HttpStatus { .. }
            | Cause::Encoded { .. }
            | Cause::Tls(_)
            | Cause::Proxy {
                failure: ProxyFailure::Credentials | ProxyFailure::Refused,
                ..
            } => Failure::WrongEndpoint,
            // JSON counts as an answer of the service, even if it is not understood
            Cause::NotUnderstood(error) if error.start.trim_start().starts_with('{') => {
                match operation {
                    Operation::Get => Failure::Unreadable,
                    Operation::Add | Operation::Remove | Operation::Clear => Failure::NotUnderstood,
                }
            }
            Cause::NotUnderstood(_) => Failure::Page,
            Cause::Credentials(_) => Failure::NoUserSig,
            Cause::Cancelled { .. } | Cause::Abandoned | Cause::Ended(RunError::Cancelled) => {
                Failure::Cancelled
            }
            Cause::Invalid(_) => Failure::Invalid,
            Cause::LeftOut { refusal, .. } | Cause::RefusedBefore(refusal) => {
                Failure::LeftOut(refusal.code)
            }
            Cause::Ended(RunError::Refused(error)) => error.failure(),
            Cause::Ended(RunError::Unavailable(_))
            | Cause::Expired
            | Cause::Behind { .. }
            | Cause::Full
            | Cause::NoThread(_)
            | Cause::Defect => Failure::NotSent,
            Cause::Closed | Cause::Forked | Cause::Ended(RunError::Forked) => Failure::Closed,
        }
    }

    /// True if this machine had no file, port, memory or thread for a connection. It says nothing about the service.
    pub(crate) fn is_local_failure(&self) -> bool {
        match self {
            Cause::Network { source, .. } => is_local_failure(source),
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

    /// What the network and TLS say of a proxy is its failure. A shortage of this machine stays what it is.
    pub(crate) fn of_proxy(self, failure: ProxyFailure) -> Cause {
        let source = match self {
            Cause::Network { source, .. } if !is_local_failure(&source) => source.into(),
            Cause::Tls(error) => error,
            other => return other,
        };
        Cause::Proxy { failure, source }
    }

    /// Covers a UserSig that an answer repeats. Only an answer's texts can hold one.
    pub(crate) fn redact(&mut self, usersig: &UserSig) {
        match self {
            Cause::Service {
                refusal,
                request_id,
                ..
            } => {
                redact(&mut refusal.text, usersig);
                request_id.iter_mut().for_each(|id| redact(id, usersig));
            }
            Cause::Partial { outcome, failures } => {
                outcome.redact(usersig);
                for (_, refusal) in failures {
                    redact(&mut refusal.text, usersig);
                }
            }
            Cause::HttpStatus { start, .. } => redact(start, usersig),
            Cause::Encoded { encoding, .. } => redact(encoding, usersig),
            Cause::NotUnderstood(error) => {
                redact(&mut error.reason, usersig);
                redact(&mut error.start, usersig);
            }
            _ => {}
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

impl Error {
    /// What happened, for core's rules.
    pub(crate) fn failure(&self) -> Failure {
        self.cause.failure(self.operation)
    }

    /// Whether the same call or change may succeed later as it is. Of a partial success: for any of the accounts left out.
    /// Not after an expired UserSig: what could be had of a new one has been tried.
    #[must_use]
    pub fn retryable(&self) -> bool {
        self.failure().retryable(self.stopped)
    }

    /// What is at fault. Other calls and changes may still succeed, unless it is the [app](Scope::App) or the
    /// [service](Scope::Service).
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.failure().scope(self.stopped)
    }

    /// Whether this machine had no file, port, memory or thread for a connection. It says nothing of the service.
    #[must_use]
    pub fn is_local_failure(&self) -> bool {
        self.cause.is_local_failure()
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
