//! The sentences of failed calls, runs and changes, made here and nowhere else: what happened, to what, what is known of
//! the effect, and what to do. Those of invalid input are core's (`violation.rs`), those of a wrong use of C are ffi's.
//! The command line, C and the other languages print them as they are, and add only what they alone know: a file, a
//! row, a flag.
//!
//! ```text
//! add: time is up while waiting for the answer (possibly applied; try again, or allow more time; 2 attempts)
//! ──┬  ───────────────────┬─────────────────── ────────┬───────── ───────────────┬──────────────  ────┬─────
//! operation              why                         effect                   remedy               attempts
//! ```

use std::fmt;

use imtag_core::Effect;

use super::cause::{has_no_address, is_gateway_status, is_local_failure};
use super::{Cause, ChangeCause, ChangeError, Error, Partial, Phase, RunError, Unfinished};
use crate::pipeline::outcome::Summary;

impl Error {
    /// Why, in words, without operation, effect and remedy.
    #[must_use]
    pub fn reason(&self) -> String {
        /// The error, but only its cause.
        struct Why<'e>(&'e Error);
        impl fmt::Display for Why<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.write_cause(f)
            }
        }
        Why(self).to_string()
    }

    /// What the caller can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match &self.cause {
            Cause::Invalid(invalid) => invalid.violations()[0].problem.remedy(),
            Cause::Credentials(_) => "fix what supplies the UserSig",
            Cause::Service { refusal, .. } => self.refused.remedy.unwrap_or(refusal.code.remedy()),
            Cause::Partial(partial) => partial.failures[0].refusal.code.remedy(),
            Cause::HttpStatus { status, .. } if is_gateway_status(*status) => {
                "try again; the service itself always answers 200"
            }
            Cause::HttpStatus { .. } | Cause::NotUnderstood(_) if self.is_of_an_outage() => {
                "try again; a gateway answers in the service's place"
            }
            Cause::HttpStatus { .. } => "check the endpoint: this is not the service",
            Cause::Encoded { .. } => {
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
            } if !is_local_failure(source) => "check the endpoint's name and the DNS",
            Cause::Network { source, .. } if has_no_address(source) => {
                "check that this machine has an address of the endpoint's kind (IPv4 or IPv6) and a free port, and try again"
            }
            Cause::Network { source, .. } if is_local_failure(source) => {
                "raise this machine's limit of open files, threads or memory, and try again"
            }
            Cause::Network { .. } => "check the endpoint and the network, and try again",
            Cause::Tls(_) => "check the endpoint's name, the CA file and the clock",
            Cause::NotUnderstood(_) => "check the endpoint: this may not be the service",
        }
    }

    /// What happened, without operation, effect and remedy.
    pub(crate) fn write_cause(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Invalid(invalid) => write!(f, "{invalid}"),
            Cause::Credentials(error) => write!(f, "no UserSig: {error}"),
            Cause::Service { refusal, .. } => {
                write!(
                    f,
                    "the service refused the request: {}",
                    refusal.code_and_text()
                )?;
                let hint = self.refused.hint.iter();
                hint.into_iter().try_for_each(|hint| write!(f, "; {hint}"))
            }
            Cause::Partial(partial) => partial.write(f),
            Cause::HttpStatus { status, start } => {
                write!(f, "HTTP status {status} instead of 200")?;
                if start.is_empty() {
                    Ok(())
                } else {
                    write!(f, ", with {start:?}")
                }
            }
            Cause::Encoded { status, encoding } => {
                if *status != 200 {
                    write!(f, "HTTP status {status} instead of 200, and ")?;
                }
                write!(
                    f,
                    "the answer is encoded as {encoding:?}, though the request asks for none"
                )
            }
            Cause::Timeout { phase } => write!(f, "time is up {}", phase.when()),
            Cause::Cancelled { phase } => {
                write!(f, "cancelled {}", phase.when())
            }
            Cause::Network { phase, source } if is_local_failure(source) => {
                write!(
                    f,
                    "this machine refused a connection {}: {source}",
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

impl Phase {
    /// When that is, in a sentence: `while connecting`.
    #[must_use]
    pub fn when(self) -> &'static str {
        match self {
            Phase::Start => "before it began",
            Phase::Credentials => "while waiting for a UserSig",
            Phase::Quota => "while waiting for the quota",
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

impl Partial {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = &self.failures[0];
        write!(
            f,
            "{} of {} accounts failed, the first is {:?}: {}",
            self.failures.len(),
            self.failures.len() + self.outcome.accounts + self.outcome.unanswered.len(),
            first.account,
            first.refusal.code_and_text()
        )
    }
}

impl ChangeError {
    /// Why, in words, without operation, account, effect and remedy.
    #[must_use]
    pub fn reason(&self) -> String {
        let why = self.cause().to_string();
        match why.strip_prefix("not sent") {
            // it was in a request before that did not settle it
            Some(rest) if self.effect() != Effect::NotApplied => format!("not sent again{rest}"),
            _ => why,
        }
    }

    /// What the caller can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self.cause() {
            ChangeCause::Invalid(invalid) => invalid.violations()[0].problem.remedy(),
            ChangeCause::LeftOut(refusal) | ChangeCause::RefusedBefore(refusal) => {
                refusal.code.remedy()
            }
            ChangeCause::Request(error) => error.remedy(),
            ChangeCause::Expired | ChangeCause::NotAnswered => "allow more time, or try again",
            ChangeCause::Abandoned | ChangeCause::Ended(RunError::Cancelled) => {
                "send it again if it is still wanted"
            }
            ChangeCause::Ended(RunError::Refused(_)) => "fix the settings, and send it again",
            ChangeCause::Ended(RunError::Unavailable(_)) => {
                "send it again when the service is back"
            }
            ChangeCause::Full => "slow down, or let the batcher wait when it is full",
            ChangeCause::Closed => "use it before it is closed, or make another",
            ChangeCause::Forked | ChangeCause::Ended(RunError::Forked) => {
                "make one in this process"
            }
            ChangeCause::Defect => "please report it, and send it again",
            ChangeCause::NoThread(_) => "raise the system's limit of threads or memory",
        }
    }
}

/// Why, without account, effect and remedy.
impl fmt::Display for ChangeCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChangeCause::Invalid(invalid) => invalid.fmt(f),
            ChangeCause::LeftOut(refusal) => {
                write!(f, "the service left it out: {}", refusal.code_and_text())
            }
            ChangeCause::RefusedBefore(refusal) => write!(
                f,
                "not sent, as the service refused the account before: {}",
                refusal.code_and_text()
            ),
            ChangeCause::Request(error) => error.write_cause(f),
            ChangeCause::Expired => f.write_str("not sent: its time was up"),
            ChangeCause::Abandoned => f.write_str("cancelled by its caller"),
            ChangeCause::NotAnswered => f.write_str("its time was up before it was answered"),
            ChangeCause::Ended(ended) => write!(f, "not sent: {ended}"),
            ChangeCause::Full => f.write_str("not sent: the batcher is full"),
            ChangeCause::Closed => f.write_str("not sent: it is closed"),
            ChangeCause::Forked => {
                f.write_str("not sent: it belongs to the process that this one was forked from")
            }
            ChangeCause::Defect => f.write_str("a defect of the library ended its request"),
            ChangeCause::NoThread(error) => {
                write!(f, "not sent: no thread could be started: {error}")
            }
        }
    }
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let ChangeCause::Invalid(invalid) = self.cause() {
            return invalid.fmt(f);
        }
        write!(
            f,
            "{} {:?}: {}",
            self.operation(),
            self.account(),
            self.reason()
        )?;
        write!(f, " ({}; {})", self.effect(), self.remedy())
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Refused(error) | RunError::Unavailable(error) => error.fmt(f),
            RunError::Cancelled => f.write_str("cancelled"),
            RunError::Forked => {
                f.write_str("it belongs to the process that this one was forked from")
            }
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

impl Summary {
    /// What the caller can do, where not all is done.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match &self.ended {
            Some(RunError::Refused(error) | RunError::Unavailable(error)) => error.remedy(),
            Some(_) => "send again what is still wanted",
            None => "see the error of each change that failed",
        }
    }
}

/// A sentence: `2000 changes: 1990 done, 10 failed; 22 requests, 1 retry; …`.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let progress = &self.progress;
        write!(
            f,
            "{}: {} done, {} failed; {}, {}",
            counted(progress.taken, "change", "changes"),
            progress.done,
            progress.failed,
            counted(progress.requests, "request", "requests"),
            counted(progress.retries(), "retry", "retries")
        )?;
        if self.timpush_would_save() > 0 {
            write!(
                f,
                "; {} of the requests looked for accounts at fault, which the timpush paths name",
                self.timpush_would_save()
            )?;
        }
        match &self.ended {
            Some(ended) => write!(f, "; ended early: {ended}"),
            None => Ok(()),
        }
    }
}

/// `1 change`, `2 changes`.
fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
