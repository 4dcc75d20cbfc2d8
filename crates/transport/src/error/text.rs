//! The sentences of failed calls, changes and runs, made here and nowhere else: what happened, to what, what is known of
//! the effect, and what to do. Those of invalid input are core's (`violation.rs`), those of a wrong use of C are ffi's.
//! The command line, C and the other languages print them as they are, and add only what they alone know: a file, a
//! row, a flag.
//!
//! ```text
//! add: time is up while waiting for the answer (possibly applied; try again, or allow more time; 2 attempts)
//! ──┬  ───────────────────┬─────────────────── ────────┬───────── ───────────────┬──────────────  ────┬─────
//! operation              why                         effect                   remedy               attempts
//! add "u": not sent: its time was up (not applied; allow more time, or try again)
//!     ─┬─
//!   account, of a change
//! ```

use std::fmt;
use std::time::Duration;

use imtag_core::Effect;

use super::cause::{Cause, Error, Phase, ProxyFailure, RunError};
use super::change::{ChangeError, Unfinished};
use super::judge::{has_no_address, is_gateway_status, is_local_failure};

impl Error {
    /// Why, in words, without operation, effect and remedy.
    #[must_use]
    pub fn reason(&self) -> String {
        match self.cause() {
            Cause::Invalid(invalid) => invalid.to_string(),
            Cause::Credentials(error) => format!("no UserSig: {error}"),
            Cause::Service { refusal, hint, .. } => {
                let hint = hint.iter().map(|hint| format!("; {hint}"));
                let refused = format!(
                    "the service refused the request: {}",
                    refusal.code_and_text()
                );
                refused + &hint.collect::<String>()
            }
            Cause::Partial { outcome, failures } => {
                let (account, refusal) = &failures[0];
                format!(
                    "{} of {} accounts failed, the first is {account:?}: {}",
                    failures.len(),
                    failures.len() + outcome.accounts + outcome.unanswered.len(),
                    refusal.code_and_text()
                )
            }
            Cause::HttpStatus { status, start } if start.is_empty() => other_status(*status),
            Cause::HttpStatus { status, start } => {
                format!("{}, with {start:?}", other_status(*status))
            }
            Cause::Encoded { status, encoding } => {
                let status = match status {
                    200 => String::new(),
                    status => other_status(*status) + ", and ",
                };
                format!(
                    "{status}the answer is encoded as {encoding:?}, though the request asks for none"
                )
            }
            Cause::Timeout { phase } => format!("time is up {}", self.when(*phase)),
            Cause::Cancelled { phase } => format!("cancelled {}", self.when(*phase)),
            Cause::Network { phase, source } if is_local_failure(source) => {
                format!(
                    "this machine refused a connection {}: {source}",
                    self.when(*phase)
                )
            }
            Cause::Network { phase, source } => {
                format!("the network failed {}: {source}", self.when(*phase))
            }
            Cause::Proxy { failure, source } => {
                let proxy = self.proxy().unwrap_or_default();
                format!("the proxy {proxy} {failure}: {source}")
            }
            Cause::Tls(error) => format!("TLS failed: {error}"),
            Cause::NotUnderstood(error) => error.to_string(),
            Cause::LeftOut { refusal, .. } => {
                format!("the service left it out: {}", refusal.code_and_text())
            }
            Cause::Abandoned => "cancelled by its caller".to_owned(),
            Cause::NotAnswered => "its time was up before it was answered".to_owned(),
            Cause::Defect => "a defect of the library ended its request".to_owned(),
            Cause::RefusedBefore(refusal) => format!(
                "{}, as the service refused the account before: {}",
                self.not_sent_words(),
                refusal.code_and_text()
            ),
            Cause::Expired => self.not_sent_as("its time was up"),
            Cause::Behind { late_for: None } => {
                self.not_sent_as("its time was up, and an earlier change of the account has no answer yet")
            }
            Cause::Behind {
                late_for: Some(time),
            } => self.not_sent_as(format_args!(
                "its time was up, and an earlier change of the account, which had no answer, may still arrive for {} s",
                whole_seconds(*time)
            )),
            Cause::Ended(ended) => self.not_sent_as(ended),
            Cause::Full => self.not_sent_as("the batcher is full"),
            Cause::Closed => self.not_sent_as("it is closed"),
            Cause::Forked => self.not_sent_as(FORKED),
            Cause::NoThread(error) => {
                self.not_sent_as(format_args!("no thread could be started: {error}"))
            }
        }
    }

    /// When that is, with the proxy where that is what was waited for.
    fn when(&self, phase: Phase) -> String {
        match self.proxy() {
            Some(proxy) if matches!(phase, Phase::Proxy | Phase::Tunnel) => phase
                .when()
                .replace("the proxy", &format!("the proxy {proxy}")),
            _ => phase.when().to_owned(),
        }
    }

    fn not_sent_as(&self, why: impl fmt::Display) -> String {
        // nothing is known of whether a get was in a request before, and nothing depends on it
        if self.effect == Effect::NotRead {
            return why.to_string();
        }
        format!("{}: {why}", self.not_sent_words())
    }

    /// A change may have been in a request before, which did not settle it.
    fn not_sent_words(&self) -> &'static str {
        match self.effect {
            Effect::NotApplied | Effect::NotRead => "not sent",
            Effect::PossiblyApplied | Effect::Applied => "not sent again",
        }
    }

    /// What the caller can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self.cause() {
            Cause::Invalid(invalid) => invalid.violations()[0].problem.remedy(),
            Cause::Credentials(_) => "fix what supplies the UserSig",
            Cause::Service { remedy, .. } => remedy,
            Cause::Partial { failures, .. } => failures[0].1.code.remedy(),
            Cause::LeftOut { refusal, .. } | Cause::RefusedBefore(refusal) => refusal.code.remedy(),
            Cause::HttpStatus { status, .. } if is_gateway_status(*status) => {
                "try again; the service itself always answers 200"
            }
            Cause::HttpStatus { .. } | Cause::NotUnderstood(_)
                if self.failure().is_of_a_gateway(self.stopped) =>
            {
                "try again; a gateway answers in the service's place"
            }
            Cause::HttpStatus { .. } => "check the endpoint: this is not the service",
            Cause::Encoded { .. } => {
                "turn compression off in the proxy or gateway on the way: the request asks for none (Accept-Encoding: identity)"
            }
            Cause::Timeout {
                phase: Phase::Quota,
            } => "allow more time, or use more of the app's calls per second",
            Cause::Timeout {
                phase: Phase::Proxy | Phase::Tunnel,
            } => "check the proxy, and try again, or allow more time",
            Cause::Timeout { .. } => "try again, or allow more time",
            Cause::Cancelled { .. } => "call again if it is still wanted",
            Cause::Network {
                phase: Phase::Resolve,
                source,
            } if !is_local_failure(source) => "check the endpoint's name and the DNS",
            Cause::Network { source, .. } if has_no_address(source) => {
                "check that this machine has an address of the endpoint's kind (IPv4 or IPv6) and a free port, and try again"
            }
            Cause::Network { source, .. } if is_local_failure(source) => {
                "raise this machine's limit of open files, threads or memory, and try again"
            }
            Cause::Network { .. } => "check the endpoint and the network, and try again",
            Cause::Proxy { failure, .. } => match failure {
                ProxyFailure::Unreachable => {
                    "check that the proxy runs, and the setting `proxy`, or HTTPS_PROXY and ALL_PROXY"
                }
                ProxyFailure::NoTunnel => "check that the proxy reaches the service, and try again",
                ProxyFailure::Credentials => {
                    "give the proxy's user and password in the setting `proxy`, as user:password@ before the host"
                }
                ProxyFailure::Refused => {
                    "let the proxy allow the service's host, or set another proxy"
                }
            },
            Cause::Tls(_) if self.proxy.is_some() => {
                "check the endpoint's name, the roots and the clock; a proxy that opens TLS needs its CA in the CA file or the platform's roots"
            }
            Cause::Tls(_) => "check the endpoint's name, the CA file and the clock",
            Cause::NotUnderstood(_) => "check the endpoint: this may not be the service",
            Cause::Behind { late_for: Some(_) } => "try again after that time",
            Cause::Expired | Cause::Behind { .. } | Cause::NotAnswered => {
                "allow more time, or try again"
            }
            Cause::Abandoned | Cause::Ended(RunError::Cancelled) => {
                "send it again if it is still wanted"
            }
            Cause::Ended(RunError::Refused(_)) => "fix the settings, and send it again",
            Cause::Ended(RunError::Unavailable(_)) => "send it again when the service is back",
            Cause::Full => "slow down, or let the batcher wait when it is full",
            Cause::Closed => "use it before it is closed, or make another",
            Cause::Forked | Cause::Ended(RunError::Forked) => "make one in this process",
            Cause::Defect => "please report it, and send it again",
            Cause::NoThread(_) => "raise the system's limit of threads or memory",
        }
    }
}

/// At least 1, as who waits for these is not to come too early.
fn whole_seconds(time: Duration) -> u64 {
    time.as_millis()
        .div_ceil(1_000)
        .max(1)
        .try_into()
        .unwrap_or(u64::MAX)
}

const FORKED: &str = "it belongs to the process that this one was forked from";

fn other_status(status: u16) -> String {
    format!("HTTP status {status} instead of 200")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Cause::Invalid(invalid) = self.cause() {
            return invalid.fmt(f);
        }
        let (reason, remedy) = (self.reason(), self.remedy());
        write!(f, "{}: {reason} ({}; {remedy}", self.operation, self.effect)?;
        match self.attempts {
            0 | 1 => f.write_str(")"),
            attempts => write!(f, "; {attempts} attempts)"),
        }
    }
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Cause::Invalid(invalid) = self.cause() {
            return invalid.fmt(f);
        }
        let (operation, account, effect) = (self.operation(), self.account(), self.effect());
        let (reason, remedy) = (self.reason(), self.remedy());
        write!(f, "{operation} {account:?}: {reason} ({effect}; {remedy})")
    }
}

impl Phase {
    /// When that is, in a sentence: `while connecting`.
    #[must_use]
    pub fn when(self) -> &'static str {
        match self {
            Phase::Start => "before it began",
            Phase::Credentials => "while waiting for a UserSig",
            Phase::Quota => "while waiting for the quota",
            Phase::Proxy => "while connecting to the proxy",
            Phase::Tunnel => "while the proxy connects to the service",
            Phase::Resolve => "while looking up the host",
            Phase::FreeConnection => "while waiting for a free connection",
            Phase::Connect => "while connecting",
            Phase::Handshake => "while in the TLS handshake",
            Phase::Write => "while writing the request",
            Phase::Read => "while waiting for the answer",
            Phase::Backoff => "while waiting to try again",
        }
    }
}

impl fmt::Display for ProxyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProxyFailure::Unreachable => "cannot be reached",
            ProxyFailure::NoTunnel => "did not reach the service",
            ProxyFailure::Credentials => "asks for a user and a password that it accepts",
            ProxyFailure::Refused => "refused to connect to the service",
        })
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Refused(error) | RunError::Unavailable(error) => error.fmt(f),
            RunError::Cancelled => f.write_str("cancelled"),
            RunError::Forked => f.write_str(FORKED),
        }
    }
}

impl Unfinished {
    /// What the caller can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        if self.cancelled {
            "flush or close again"
        } else {
            "allow more time, and flush or close again"
        }
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} no outcome yet: {}",
            counted(self.changes as u64, "change has", "changes have"),
            self.remedy()
        )
    }
}

impl std::error::Error for Unfinished {}

/// `1 change`, `2 changes`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use imtag_core::{Code, Operation, Refusal};

    use super::*;
    use crate::outcome::Outcome;

    #[test]
    fn a_partial_message_counts_the_accounts_that_were_not_answered_too() {
        let refusal = Refusal {
            code: Code(70107),
            text: "who".to_owned(),
        };
        let outcome = Outcome {
            accounts: 1,
            unanswered: vec!["w".to_owned()],
            ..Outcome::default()
        };
        let partial = Cause::Partial {
            outcome: Box::new(outcome),
            failures: vec![("u".to_owned(), refusal)],
        };
        let error = Error {
            operation: Operation::Get,
            effect: Effect::NotRead,
            ..Error::not_sent(partial)
        };
        assert_eq!(
            error.to_string(),
            "get: 1 of 3 accounts failed, the first is \"u\": 70107 \"who\" \
             (not read; import the account first, or let its user log in once)"
        );
    }
}
