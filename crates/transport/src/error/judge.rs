//! What follows from a cause: whether the call may be made again, what is known of its effect, and what is at fault.

use std::io;

use imtag_core::retry::Stopped;
use imtag_core::{Effect, RetryClass, Scope, UserSig, shortened};
use rustix::io::Errno;

use super::cause::{Cause, Error, Phase, RunError};
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
pub(super) fn is_gateway_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..)
}

impl Cause {
    /// Whether an attempt that failed like this may be made again; of what was not sent, whether to send it later.
    pub(crate) fn retry_class(&self) -> RetryClass {
        match self {
            // a partial success is not repeated: most of it is done, and the rest is known by name
            Cause::Partial { .. }
            | Cause::Invalid(_)
            | Cause::Credentials(_)
            | Cause::Cancelled { .. }
            | Cause::Tls(_)
            | Cause::Closed
            | Cause::Forked
            | Cause::Ended(RunError::Forked) => RetryClass::Never,
            Cause::Service { refusal, .. }
            | Cause::LeftOut(refusal)
            | Cause::RefusedBefore(refusal) => refusal.code.retry(),
            Cause::HttpStatus { status, .. } | Cause::Encoded { status, .. } => match status {
                200 => RetryClass::Backoff,
                status if is_gateway_status(*status) => RetryClass::Backoff,
                _ => RetryClass::Never,
            },
            Cause::Timeout { .. }
            | Cause::Network { .. }
            | Cause::NotUnderstood(_)
            | Cause::Expired
            | Cause::Abandoned
            | Cause::NotAnswered
            | Cause::Ended(_)
            | Cause::Full
            | Cause::NoThread(_)
            | Cause::Defect => RetryClass::Backoff,
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

    /// What is known of the effect of an attempt that was sent and failed like this.
    pub(crate) fn effect(&self) -> Effect {
        match self {
            Cause::Service { refusal, .. } => refusal.code.effect(),
            // the service says of each account left out that it did not change
            Cause::Partial { .. } => Effect::NotApplied,
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
            Cause::Partial { .. } => true,
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
    /// Whether the same call or change may succeed later as it is. Of a partial success: for any of the accounts left out.
    /// Not after an expired UserSig: what could be had of a new one has been tried.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self.cause() {
            Cause::Credentials(_) | Cause::Cancelled { .. } => true,
            Cause::Service { refusal, .. } if refusal.code.retry() == RetryClass::NewUserSig => {
                false
            }
            Cause::Partial { failures, .. } => {
                failures.iter().any(|(_, refusal)| refusal.retryable())
            }
            Cause::Ended(RunError::Refused(error) | RunError::Unavailable(error)) => {
                error.retryable()
            }
            _ if self.is_of_an_outage() => true,
            cause => cause.retry_class() != RetryClass::Never,
        }
    }

    /// What is at fault. Other calls and changes may still succeed, unless it is the [app](Scope::App) or the
    /// [service](Scope::Service).
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self.cause() {
            Cause::Invalid(_) => Scope::Request,
            Cause::Partial { .. } => Scope::Account,
            Cause::Service { refusal, .. } => refusal.code.scope(),
            // others in the request were done, so it is neither the app nor the service
            Cause::LeftOut(refusal) | Cause::RefusedBefore(refusal) => match refusal.code.scope() {
                Scope::App | Scope::Service => Scope::Account,
                scope => scope,
            },
            // also if they may come back: until the service has answered, all further calls would end in the same way
            Cause::Credentials(_) | Cause::Ended(RunError::Refused(_)) => Scope::App,
            Cause::Ended(_) | Cause::Closed | Cause::Forked => Scope::Service,
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
    pub(super) fn is_of_an_outage(&self) -> bool {
        let waited = [Stopped::OutageTooLong, Stopped::DeadlineTooNear];
        self.cause.looks_like_a_wrong_endpoint()
            && self
                .stopped
                .is_some_and(|stopped| waited.contains(&stopped))
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
