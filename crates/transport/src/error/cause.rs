//! Why a call or a change is not done, as data: one type of cause for both, whatever the way that it takes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use imtag_core::retry::Stopped;
use imtag_core::{Code, Effect, Invalid, NotUnderstood, Operation, Refusal};

use crate::outcome::Outcome;

/// A call that did not do all that was asked. A clone shares the cause.
///
/// ```no_run
/// # fn call(client: &imtag_transport::Client, request: &imtag_transport::AddTags) {
/// use imtag_transport::Effect;
///
/// if let Err(error) = client.add_tag(request) {
///     for (account, refusal) in error.failures() {
///         eprintln!("{account}: {refusal}"); // all others are tagged
///     }
///     if error.effect() == Effect::PossiblyApplied && error.retryable() {
///         // send it again: the tags of a user are a set
///     }
///     eprintln!("{error}"); // what happened, to what, and what to do
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Error {
    pub(crate) operation: Operation,
    pub(crate) cause: Arc<Cause>,
    pub(crate) effect: Effect,
    pub(crate) attempts: u32,
    pub(crate) sent: u32,
    pub(crate) stopped: Option<Stopped>,
    /// The client's, without user and password.
    pub(crate) proxy: Option<Arc<str>>,
}

/// Why a call or a change is not done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The request or the change breaks limits; nothing was sent.
    Invalid(Invalid),
    /// There is no UserSig. Earlier attempts, with one that expired, may have been sent.
    Credentials(Box<dyn std::error::Error + Send + Sync>),
    /// The service refused the whole request. If an account or a tag was at fault, it is this change's.
    Service {
        /// Code and text.
        refusal: Refusal,
        /// The service's number for the request.
        request_id: Option<String>,
        /// A possible reason why it refused the UserSig, such as this machine's clock.
        hint: Option<String>,
        /// What to do: the catalogue's remedy, or one that fits where the UserSig comes from.
        remedy: &'static str,
    },
    /// The service did the request for some of the accounts only.
    Partial {
        /// What was done, and read, for the other accounts.
        outcome: Box<Outcome>,
        /// The accounts that it was not done for, each with the reason. Never empty.
        failures: Vec<(String, Refusal)>,
    },
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
    /// The proxy made no way to the service; nothing was sent. A time that is up meanwhile is a `Timeout`.
    Proxy {
        /// What it did.
        failure: ProxyFailure,
        /// What the network or TLS said, or what the proxy answered.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server's certificate was not accepted, or TLS failed otherwise.
    Tls(Box<dyn std::error::Error + Send + Sync>),
    /// An answer that is not one of the service's.
    NotUnderstood(NotUnderstood),

    // of changes, and of a batcher's gets, only
    /// The service left the account out of a request that it did for others.
    LeftOut {
        /// Code and text.
        refusal: Refusal,
        /// The service's number for the request.
        request_id: Option<String>,
    },
    /// The account was refused before in this run, for this; it was not sent again.
    RefusedBefore(Refusal),
    /// Its time was up before it was sent; of a get, also before it was sent again.
    Expired,
    /// Its time was up while an earlier change of its account was not settled; nothing of it was sent.
    Behind {
        /// How long an attempt of that one, which had no answer, may still arrive; `None` where it is under way.
        late_for: Option<Duration>,
    },
    /// It was cancelled by its caller.
    Abandoned,
    /// Its caller's time was up before it was answered.
    NotAnswered,
    /// The bulk run ended before it was sent, for this.
    Ended(RunError),
    /// The batcher is full, and set not to wait.
    Full,
    /// The bulk run or batcher is closed.
    Closed,
    /// The bulk run or batcher belongs to the process that this one was forked from.
    Forked,
    /// The system gives no thread to send with.
    NoThread(io::Error),
    /// A defect of the library ended its request, which may have been sent.
    Defect,
}

/// How a proxy failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyFailure {
    /// It cannot be reached: the look-up, the connection, or TLS with it failed.
    Unreachable,
    /// It did not reach the service, or broke off: 408, 429, a status from 500 on, or what SOCKS5 has for it.
    NoTunnel,
    /// It asks for a user and a password, or for others: 407, or what SOCKS5 has for it.
    Credentials,
    /// It does not let this machine call the service, or is no proxy of this kind.
    Refused,
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
    /// Looking up the proxy, connecting to it, or in the TLS handshake with it.
    Proxy,
    /// Waiting for the proxy to connect to the service.
    Tunnel,
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

impl Phase {
    /// True of what is waited for within this program: its turn in the quota, or a connection where the machine gives no more.
    /// A time that is up there says nothing of the service.
    #[must_use]
    pub fn is_own_wait(self) -> bool {
        matches!(self, Phase::Start | Phase::Quota | Phase::FreeConnection)
    }
}

/// Why a bulk run ended before all was sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RunError {
    /// The service rejected the app, or the endpoint is not the service, with what was said. All further requests would
    /// end in the same way.
    Refused(Error),
    /// The service or the network became unavailable, with the last failure.
    Unavailable(Error),
    /// It was cancelled, or its caller abandoned it.
    Cancelled,
    /// It belongs to the process that this one was forked from. Nothing is known of it here, and nothing was sent.
    Forked,
}

impl Error {
    /// The error of changes that are in no request. [`ChangeError::new`](super::ChangeError) gives each its operation.
    pub(crate) fn not_sent(cause: Cause) -> Error {
        Error {
            operation: Operation::Add,
            cause: Arc::new(cause),
            effect: Effect::NotApplied,
            attempts: 0,
            sent: 0,
            stopped: None,
            proxy: None,
        }
    }

    /// The same, of the same request, for another cause.
    pub(crate) fn with_cause(&self, cause: Cause) -> Error {
        Error {
            cause: Arc::new(cause),
            ..self.clone()
        }
    }

    /// Why.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
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

    /// Why there was no further attempt, where an attempt of this call failed, or one of another call whose outage this one
    /// waited out. Else `None`: it ended before any attempt, such as for want of a UserSig, or in another wait.
    #[must_use]
    pub fn stopped(&self) -> Option<Stopped> {
        self.stopped
    }

    /// The proxy that the client has, with scheme, host and port. It is at fault only if [`cause`](Error::cause) says so.
    #[must_use]
    pub fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }

    /// The service's code, where it is what went wrong. Of a partial success: the first account's.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.refusal().map(|refusal| refusal.code)
    }

    /// What the service said, where that is the cause; of a partial success, of the first account that it left out; of a
    /// change that was not sent as its run ended, of the request that ended it.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        self.cause.refusal()
    }

    /// The accounts that a partial success left out, each with the reason; empty for any other cause, which concerns all
    /// accounts.
    #[must_use]
    pub fn failures(&self) -> &[(String, Refusal)] {
        match self.cause() {
            Cause::Partial { failures, .. } => failures,
            _ => &[],
        }
    }

    /// The service's number for the request, where it gave one.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.cause.request_id()
    }

    /// A possible reason why the service refused the UserSig, such as this machine's clock. It is part of the message.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self.cause() {
            Cause::Service { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }
}

impl Cause {
    /// What kind of cause it is, in a word that stays: `service`, `timeout`, `network` … Logs and figures have it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Cause::Invalid(_) => "invalid",
            Cause::Credentials(_) => "credentials",
            Cause::Service { .. } | Cause::LeftOut { .. } | Cause::RefusedBefore(_) => "service",
            Cause::Partial { .. } => "partial",
            Cause::Encoded { status: 200, .. } | Cause::NotUnderstood(_) => "not_understood",
            Cause::HttpStatus { .. } | Cause::Encoded { .. } => "http_status",
            Cause::Timeout { .. } | Cause::Expired | Cause::Behind { .. } | Cause::NotAnswered => {
                "timeout"
            }
            Cause::Cancelled { .. } | Cause::Abandoned | Cause::Ended(RunError::Cancelled) => {
                "cancelled"
            }
            Cause::Network { .. } | Cause::Proxy { .. } => "network",
            Cause::Tls(_) => "tls",
            Cause::Ended(RunError::Refused(error) | RunError::Unavailable(error)) => {
                error.cause().name()
            }
            Cause::Full => "full",
            Cause::Closed => "closed",
            Cause::Forked | Cause::Ended(RunError::Forked) => "misuse",
            Cause::NoThread(_) => "no_thread",
            Cause::Defect => "defect",
        }
    }

    /// What a call was doing.
    pub(crate) fn when(&self) -> Option<&'static str> {
        match self {
            Cause::Timeout { phase }
            | Cause::Cancelled { phase }
            | Cause::Network { phase, .. } => Some(phase.when()),
            _ => None,
        }
    }

    /// What the system or TLS says, or the status; no text that an answer or a certificate holds.
    pub(crate) fn detail(&self) -> Option<String> {
        self.in_detail(without_names)
    }

    /// The same with the names that a certificate has, for people who ask what is wrong with a host.
    pub(crate) fn full_detail(&self) -> Option<String> {
        self.in_detail(ToString::to_string)
    }

    fn in_detail(&self, words: fn(&TlsError) -> String) -> Option<String> {
        match self {
            Cause::Network { source, .. } | Cause::NoThread(source) => Some(source.to_string()),
            Cause::Tls(error) => Some(words(error.as_ref())),
            Cause::Proxy { failure, source } if *failure == ProxyFailure::Unreachable => {
                let why = words(source.as_ref());
                Some(format!("the proxy {failure}: {why}"))
            }
            // what a proxy has answered is its own text
            Cause::Proxy { failure, .. } => Some(format!("the proxy {failure}")),
            Cause::HttpStatus { status, .. } | Cause::Encoded { status, .. } => {
                Some(format!("HTTP status {status}"))
            }
            _ => None,
        }
    }

    /// What the service said, where that is the cause.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Cause::Service { refusal, .. }
            | Cause::LeftOut { refusal, .. }
            | Cause::RefusedBefore(refusal) => Some(refusal),
            Cause::Partial { failures, .. } => failures.first().map(|(_, refusal)| refusal),
            Cause::Ended(ended) => ended.error()?.refusal(),
            _ => None,
        }
    }

    /// The service's number for the request.
    pub(crate) fn request_id(&self) -> Option<&str> {
        match self {
            Cause::Service { request_id, .. } | Cause::LeftOut { request_id, .. } => {
                request_id.as_deref()
            }
            Cause::Partial { outcome, .. } => outcome.request_id.as_deref(),
            _ => None,
        }
    }
}

/// What TLS says of a connection, or the system of one to a proxy.
type TlsError = dyn std::error::Error + Send + Sync;

/// Of a certificate it is the kind of fault: rustls' sentence has all its names, which are another's text of any length.
fn without_names(error: &TlsError) -> String {
    use rustls::CertificateError::{ExpiredContext, NotValidYetContext};
    let within = error.downcast_ref().and_then(io::Error::get_ref);
    match within.unwrap_or(error).downcast_ref() {
        // these have times only
        Some(rustls::Error::InvalidCertificate(
            ExpiredContext { .. } | NotValidYetContext { .. },
        )) => error.to_string(),
        Some(rustls::Error::InvalidCertificate(fault)) => {
            let fault = format!("{fault:?}");
            let mut parts = fault.split(|c: char| !c.is_ascii_alphanumeric());
            let kind = parts.next().unwrap_or_default();
            format!(
                "invalid peer certificate: {}",
                kind.trim_end_matches("Context")
            )
        }
        _ => error.to_string(),
    }
}

impl RunError {
    /// The failure of the request that ended the run, if one did.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        match self {
            RunError::Refused(error) | RunError::Unavailable(error) => Some(error),
            RunError::Cancelled | RunError::Forked => None,
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.cause() {
            Cause::Invalid(error) => Some(error),
            Cause::Credentials(error) | Cause::Tls(error) | Cause::Proxy { source: error, .. } => {
                Some(error.as_ref())
            }
            Cause::Network { source, .. } | Cause::NoThread(source) => Some(source),
            Cause::NotUnderstood(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;
    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn a_detail_has_the_kind_of_a_certificates_fault_and_no_name_that_it_has() {
        let fault = CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("example.com").unwrap(),
            presented: vec!["a text of its own".to_owned(); 1_000],
        };
        let within = |fault| io::Error::other(rustls::Error::InvalidCertificate(fault)).into();
        let (tls, source) = (Cause::Tls(within(fault.clone())), within(fault));
        let failure = ProxyFailure::Unreachable;
        let proxy = Cause::Proxy { failure, source };
        for (cause, begin) in [(tls, ""), (proxy, "the proxy cannot be reached: ")] {
            assert_eq!(
                cause.detail().unwrap(),
                format!("{begin}invalid peer certificate: NotValidForName")
            );
            assert!(cause.full_detail().unwrap().contains("a text of its own"));
        }
        let unknown = Cause::Tls(within(CertificateError::UnknownIssuer));
        assert_eq!(unknown.detail(), unknown.full_detail());
    }
}
