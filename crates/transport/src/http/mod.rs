//! One HTTP exchange over ureq, with our own resolver and connector behind its `unversioned` traits.
//!
//! ```text
//! Http ── ureq's Agent: pool, keep-alive, HTTP/1.1
//!           ├─ Addresses   the host's addresses, looked up once and renewed beside the calls
//!           └─ Connect ── RustlsConnector ── UserSigInjector
//!              Socket      TLS              puts the UserSig into the request, which ureq never sees
//! ```
//!
//! A connection lives like this; in brackets the [`Phase`] of a call that waits there. The pool's epoch is in `socket`.
//!
//! ```text
//! look-up [Resolve] ──► connect [Connect] ──► TLS [Handshake] ──► write [Write] ──► answer [Read]
//!                                                                   ▲                  │ read in full
//!                                                  the next request └──── idle ◄───────┘
//!                                                                           └─► closed: 50 s idle, dead, or distrusted
//! ```
//!
//! A call runs on its caller's thread from start to end. So what the parts need (deadline, cancel, UserSig) and what
//! they find out (how far it is, why it failed) is in a thread-local [`ExchangeContext`](context::ExchangeContext).

mod body;
mod connect;
mod context;
mod head;
mod refused_socket;
mod resolve;
mod socket;
mod usersig;
mod warm_up;

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use imtag_core::{Answer, AnswerReader, NotUnderstood, Request, UserSig, start_of};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::{Connector, RustlsConnector};

use crate::endpoint::Endpoint;
use crate::error::{Cause, Phase};
use crate::wait::{WaitScope, deadline_after};

use connect::Connect;
use context::{ExchangeContext, TransportError};
use head::HeadInfo;
use refused_socket::{Exchanges, Refused};
use resolve::Addresses;
use socket::Epoch;
use usersig::UserSigInjector;

pub(crate) use usersig::path_and_query;

/// The longest answer that is read.
const ANSWER_BYTES: usize = 1 << 20;

/// How long to wait for the body of an answer that is not 200.
const ERROR_PAGE: Duration = Duration::from_millis(100);

/// How many connections may be idle. At 100 calls per second and a round trip of 0.5 s a client uses 50; ten times the
/// quota needs ten times as many.
const IDLE_CONNECTIONS: usize = 512;

/// How long a connection may be idle.
const IDLE_FOR: Duration = Duration::from_secs(50);

/// A connection has one buffer for requests and one for answers. Both are short.
const BUFFER_BYTES: usize = 16 * 1024;

/// The root certificates that are trusted.
pub(crate) type Roots = Arc<Vec<Certificate<'static>>>;

/// The connections of a client.
pub(crate) struct Http {
    agent: Agent,
    url: String,
    epoch: Epoch,
    exchanges: Exchanges,
}

/// What one exchange needs.
pub(crate) struct Exchange<'e> {
    /// Path and query without a leading slash; the value of `usersig` is left empty.
    pub(crate) path_and_query: &'e str,
    pub(crate) usersig: UserSig,
    pub(crate) body: &'e [u8],
    /// The call's: it bounds the waits before the exchange begins.
    pub(crate) wait_scope: WaitScope,
    /// The time for the exchange itself, from when it begins.
    pub(crate) timeout: Option<Duration>,
    pub(crate) connect_timeout: Duration,
    /// Takes no connection of the pool: all idle ones are closed.
    pub(crate) over_new_connection: bool,
    /// Does not count the wait for a free connection as the call's time. Where this machine refuses more sockets, a bulk
    /// run has more requests than connections, and each request still gets its full time.
    pub(crate) waits_for_connection: bool,
}

/// The result of an exchange.
pub(crate) struct Exchanged {
    result: Result<AnswerReader, Cause>,
    info: HeadInfo,
    /// A byte of the request may have left this machine.
    pub(crate) sent: bool,
    /// A byte of an answer came, good or bad.
    pub(crate) answered: bool,
    /// A connection from the pool proved useless.
    pub(crate) stale: Option<Stale>,
    /// How long it waited for a free connection, where that does not count as the call's time.
    pub(crate) waited: Duration,
}

/// How a connection from the pool proved useless, before a byte of the answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stale {
    /// It was closed.
    Dead,
    /// No answer came in time: the connection may be dead.
    Silent,
}

impl Exchanged {
    /// Reads the answer to `request`. One that cannot be read and says that it is compressed is `Cause::Encoded`.
    pub(crate) fn read<R: Request>(self, request: &R) -> Result<Answer, Cause> {
        let result = self.result;
        let result = result.and_then(|answer| answer.finish(request).map_err(Cause::NotUnderstood));
        result.map_err(|cause| cause.encoded(self.info.encoding.as_deref()))
    }

    /// The answer's `Date`.
    pub(crate) fn date(&self) -> Option<&str> {
        self.info.date.as_deref()
    }
}

impl Http {
    pub(crate) fn new(endpoint: &Endpoint, roots: Option<&Roots>) -> Http {
        let roots = match roots {
            Some(certificates) => RootCerts::Specific(Arc::clone(certificates)),
            None => RootCerts::WebPki,
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None) // ignores HTTPS_PROXY: a proxy would be a setting of the client
            .accept_encoding("identity")
            .user_agent(concat!("libimtag/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .max_idle_connections(IDLE_CONNECTIONS)
            .max_idle_connections_per_host(IDLE_CONNECTIONS)
            .max_idle_age(IDLE_FOR)
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .build();
        warm_up::warm_up();
        let addresses = Addresses::new(endpoint);
        let epoch = Epoch::default();
        let connector = Connect {
            loopback_only: !endpoint.is_tls(),
            addresses: addresses.clone(),
            epoch: epoch.clone(),
        };
        let chain = connector
            .chain(RustlsConnector::default())
            .chain(UserSigInjector);
        Http {
            agent: Agent::with_parts(config, chain, addresses),
            url: endpoint.url(),
            epoch,
            exchanges: Exchanges::default(),
        }
    }

    /// Makes an exchange. If this machine refuses a socket it waits for a free one: see `refused_socket`.
    pub(crate) fn exchange(&self, exchange: &Exchange<'_>) -> Exchanged {
        let began = Instant::now();
        let mut wait_scope = exchange.wait_scope.clone();
        if exchange.waits_for_connection {
            wait_scope.deadline = deadline_after(Duration::MAX);
        }
        let mut under_way = self.exchanges.enter();
        let mut waited = Duration::ZERO;
        loop {
            let (exchanged, refused) = self.exchange_once(exchange, waited);
            if !refused {
                return exchanged;
            }
            match under_way.refused(&wait_scope) {
                Ok(Refused::TryAgain) => {}
                Ok(Refused::Final) => return exchanged,
                Err(stop) => {
                    return Exchanged {
                        result: Err(Cause::from_wait_end(stop, Phase::FreeConnection)),
                        waited: Duration::ZERO,
                        ..exchanged
                    };
                }
            }
            if exchange.waits_for_connection {
                waited = began.elapsed();
            }
        }
    }

    /// Returns also whether this machine refused the socket.
    fn exchange_once(&self, exchange: &Exchange<'_>, waited: Duration) -> (Exchanged, bool) {
        let url = format!("{}/{}", self.url, exchange.path_and_query);
        let mut wait_scope = exchange.wait_scope.without_drain();
        wait_scope.deadline += waited;
        if let Some(timeout) = exchange.timeout {
            wait_scope = wait_scope.at_most(deadline_after(timeout));
        }
        let connect_deadline = deadline_after(exchange.connect_timeout);
        let mut context =
            ExchangeContext::new(wait_scope, connect_deadline, exchange.usersig.clone());
        context.over_new_connection = exchange.over_new_connection;
        let (mut result, context) = context.run(|| self.post(url, exchange.body));
        let answered = !context.answer_start.is_empty();
        let idle_in = context.pooled_in.filter(|_| !answered);
        let stale = idle_in.and_then(|idle_in| self.stale(&mut result, &context, idle_in));
        let exchanged = Exchanged {
            stale,
            sent: context.sent,
            answered,
            result,
            info: context.info,
            waited,
        };
        (exchanged, context.refused)
    }

    /// Whether an exchange failed without an answer as its connection, idle since epoch `idle_in`, was dead.
    fn stale(
        &self,
        result: &mut Result<AnswerReader, Cause>,
        context: &ExchangeContext,
        idle_in: u64,
    ) -> Option<Stale> {
        let Err(cause) = result else {
            return None;
        };
        let stale = match cause {
            Cause::Network { .. } => Stale::Dead,
            Cause::Timeout { .. } if context.sent => Stale::Silent,
            // its certificate was accepted and it has carried an answer, so this is a closed connection, no TLS fault
            Cause::Tls(error) => {
                *cause = Cause::Network {
                    phase: context.phase,
                    source: io::Error::other(error.to_string()),
                };
                Stale::Dead
            }
            _ => return None,
        };
        self.epoch.end(idle_in);
        Some(stale)
    }

    fn post(&self, url: String, body: &[u8]) -> Result<AnswerReader, Cause> {
        let request = self.agent.post(url).content_type("application/json");
        let response = request.send(body).map_err(cause_of)?;
        let status = response.status().as_u16();
        let mut body = response.into_body().into_reader();
        if status != 200 {
            // the status says enough: show what there is of the body soon
            ExchangeContext::with(|context| context.limit_to(ERROR_PAGE));
            let mut covered = Vec::new();
            let shown = NotUnderstood::SHOWN as u64;
            drop(body.take(shown).read_to_end(&mut covered));
            let start = start_of(&ExchangeContext::with(|context| {
                context.take_content(covered.len())
            }));
            return Err(Cause::HttpStatus { status, start });
        }
        let mut answer = AnswerReader::new(ANSWER_BYTES);
        let mut piece = [0; 4096];
        loop {
            let read = body.read(&mut piece);
            let read = read.map_err(|error| cause_of(error.into()))?;
            if read == 0 {
                return Ok(answer);
            }
            let content = ExchangeContext::with(|context| context.take_content(read));
            answer.feed(&content).map_err(Cause::NotUnderstood)?;
        }
    }
}

/// Translates an error of ureq's. What our own parts found goes first. ureq's text is used only where it cannot hold a
/// URL.
fn cause_of(error: ureq::Error) -> Cause {
    let (phase, found) = ExchangeContext::with(|context| (context.phase, context.error.take()));
    match found {
        Some(TransportError::Stopped(stop)) => return Cause::from_wait_end(stop, phase),
        Some(TransportError::Network(source) | TransportError::Refused(source)) => {
            return Cause::Network { phase, source };
        }
        Some(TransportError::NotUnderstood(reason)) => return not_understood(reason),
        None => {}
    }
    match error {
        ureq::Error::Io(source) if source.kind() == io::ErrorKind::InvalidData => {
            Cause::Tls(source.into())
        }
        ureq::Error::Io(source) => Cause::Network { phase, source },
        ureq::Error::Rustls(error) => Cause::Tls(error.into()),
        ureq::Error::Tls(reason) => Cause::Tls(reason.into()),
        _ => not_understood("not an HTTP answer"),
    }
}

fn not_understood(reason: &str) -> Cause {
    Cause::NotUnderstood(NotUnderstood {
        reason: reason.to_owned(),
        start: ExchangeContext::with(|context| start_of(&context.answer_start)),
    })
}
