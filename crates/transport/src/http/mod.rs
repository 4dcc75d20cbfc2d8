//! One HTTP exchange over ureq, with a resolver and a connector of our own behind its `unversioned` traits.
//!
//! ```text
//! Http ── ureq's Agent: pool, keep-alive, HTTP/1.1
//!           ├─ Addresses   the host's addresses, looked up once and renewed beside the calls
//!           └─ Connect ── RustlsConnector ── Sign
//!              Socket      TLS              puts the UserSig into the request, which ureq never sees
//! ```
//!
//! A call runs on its caller's thread from start to end, so what the parts need to know of it (deadline, cancel,
//! UserSig), and what they learn (how far it came, why it failed), stands in a value of that thread: `attempt`.

mod addresses;
mod attempt;
mod body;
mod connect;
mod epoch;
mod gathered;
mod head;
mod rehearsal;
mod sign;
mod slots;
mod socket;

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use imtag_core::{Answer, AnswerReader, NotUnderstood, Request, UserSig, start_of};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::{Connector, RustlsConnector};

use crate::Phase;
use crate::cause::Cause;
use crate::endpoint::Endpoint;
use crate::wait::{WaitScope, deadline_after};

use addresses::Addresses;
use attempt::{Attempt, Trouble};
use connect::Connect;
use epoch::Epoch;
use head::Told;
use sign::Sign;
use slots::{Refused, Slots};

pub(crate) use slots::{has_no_address, is_refusal_of_this_machine};

/// Bytes of an answer at most.
const ANSWER_BYTES: usize = 1 << 20;

/// How long the body of an answer that is not 200 is waited for.
const ERROR_PAGE: Duration = Duration::from_millis(100);

/// Connections that may wait for their next call. A client at full quota and half a second away needs fifty, and with
/// ten times the quota ten times as many.
const IDLE_CONNECTIONS: usize = 512;

/// How long a connection may wait for its next call.
const IDLE_FOR: Duration = Duration::from_secs(50);

/// Small, as requests and answers are: a connection holds one of each.
const BUFFER_BYTES: usize = 16 * 1024;

/// The certificates that a server's must lead to.
pub(crate) type Roots = Arc<Vec<Certificate<'static>>>;

/// The connections of a client.
pub(crate) struct Http {
    agent: Agent,
    url: String,
    epoch: Epoch,
    slots: Slots,
}

/// What one exchange needs.
pub(crate) struct Exchange<'e> {
    /// Path and query without a leading slash; the value of `usersig` is left empty.
    pub(crate) path_and_query: &'e str,
    pub(crate) usersig: UserSig,
    pub(crate) body: &'e [u8],
    /// Of the call: for what is waited for before the exchange begins.
    pub(crate) wait_scope: WaitScope,
    /// From when it begins.
    pub(crate) timeout: Option<Duration>,
    pub(crate) connect_timeout: Duration,
    /// Whether no connection of the pool will do; all that are idle are closed.
    pub(crate) over_new_connection: bool,
    /// Whether the time that it waits for a connection of its own client, where this machine gives no more, is not the
    /// call's: a run has more requests than connections then, and each has its time all the same.
    pub(crate) waits_for_connection: bool,
}

/// What became of an exchange.
pub(crate) struct Exchanged {
    result: Result<AnswerReader, Cause>,
    told: Told,
    /// Whether any byte of the request may have left this machine.
    pub(crate) sent: bool,
    /// Whether an answer came, be it good or bad.
    pub(crate) answered: bool,
    /// A connection from the pool proved useless.
    pub(crate) stale: Option<Stale>,
    /// How long it waited for a connection in time that is not its call's.
    pub(crate) waited: Duration,
}

/// How a connection from the pool proved useless, before a byte of the answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stale {
    /// It is dead.
    Dead,
    /// The time was up: maybe it is dead, and nobody said so.
    Silent,
}

impl Exchanged {
    /// The answer to `request`. One that cannot be read, and says that it is coded, is named as that.
    pub(crate) fn read<R: Request>(self, request: &R) -> Result<Answer, Cause> {
        let result = self.result;
        let result = result.and_then(|answer| answer.finish(request).map_err(Cause::NotUnderstood));
        result.map_err(|cause| cause.coded(self.told.coding.as_deref()))
    }

    /// The server's clock, as the answer has it.
    pub(crate) fn date(&self) -> Option<&str> {
        self.told.date.as_deref()
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
            .proxy(None) // not the environment's: a proxy is a setting of the client
            .accept_encoding("identity")
            .user_agent(concat!("libimtag/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .max_idle_connections(IDLE_CONNECTIONS)
            .max_idle_connections_per_host(IDLE_CONNECTIONS)
            .max_idle_age(IDLE_FOR)
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .build();
        rehearsal::rehearse();
        let addresses = Addresses::of(endpoint);
        let epoch = Epoch::default();
        let connector = Connect {
            loopback_only: !endpoint.is_tls(),
            addresses: addresses.clone(),
            epoch: epoch.clone(),
        };
        let chain = connector.chain(RustlsConnector::default()).chain(Sign);
        Http {
            agent: Agent::with_parts(config, chain, addresses),
            url: endpoint.url(),
            epoch,
            slots: Slots::default(),
        }
    }

    /// A socket that this machine refuses is waited for, as one of this client's may come free: see `slots`.
    pub(crate) fn exchange(&self, exchange: &Exchange<'_>) -> Exchanged {
        let stopped = |stop| Exchanged {
            result: Err(Cause::of(stop, Phase::FreeConnection)),
            sent: false,
            answered: false,
            stale: None,
            told: Told::default(),
            waited: Duration::ZERO,
        };
        let began = Instant::now();
        let mut wait_scope = exchange.wait_scope.clone();
        if exchange.waits_for_connection {
            wait_scope.deadline = deadline_after(Duration::MAX);
        }
        let mut slot = match self.slots.acquire(&wait_scope) {
            Ok(slot) => slot,
            Err(stop) => return stopped(stop),
        };
        loop {
            let waited = if exchange.waits_for_connection {
                began.elapsed()
            } else {
                Duration::ZERO
            };
            let (exchanged, refused) = self.exchange_once(exchange, waited);
            if !refused {
                return exchanged;
            }
            match slot.refused(&wait_scope) {
                Ok(Refused::TryAgain) => {}
                Ok(Refused::Final) => return exchanged,
                Err(stop) => return stopped(stop),
            }
        }
    }

    /// Says also whether this machine refused the socket.
    fn exchange_once(&self, exchange: &Exchange<'_>, waited: Duration) -> (Exchanged, bool) {
        let url = format!("{}/{}", self.url, exchange.path_and_query);
        let mut wait_scope = exchange.wait_scope.of_attempt();
        wait_scope.deadline += waited;
        if let Some(timeout) = exchange.timeout {
            wait_scope = wait_scope.at_most(deadline_after(timeout));
        }
        let connect_deadline = deadline_after(exchange.connect_timeout);
        let mut attempt = Attempt::new(wait_scope, connect_deadline, exchange.usersig.clone());
        attempt.over_new_connection = exchange.over_new_connection;
        let (result, mut attempt) = attempt.run(|| self.post(url, exchange.body));
        let answered = !attempt.answer_start.is_empty();
        let refused = matches!(attempt.trouble, Some(Trouble::Refused(_)));
        let mut result = result.map_err(|fault| match fault {
            Fault::Found(cause) => cause,
            Fault::Ureq(error) => cause_of(error, &mut attempt),
        });
        let idle_in = attempt.pooled_in.filter(|_| !answered);
        let stale = idle_in.and_then(|idle_in| self.stale(&mut result, &attempt, idle_in));
        let exchanged = Exchanged {
            stale,
            sent: attempt.sent,
            answered,
            result,
            told: attempt.told,
            waited,
        };
        (exchanged, refused)
    }

    /// Whether a failure without an answer, over a connection that went idle in `idle_in`, is the connection's.
    fn stale(
        &self,
        result: &mut Result<AnswerReader, Cause>,
        attempt: &Attempt,
        idle_in: u64,
    ) -> Option<Stale> {
        let Err(cause) = result else {
            return None;
        };
        let stale = match cause {
            Cause::Network { .. } => Stale::Dead,
            Cause::Timeout { .. } if attempt.sent => Stale::Silent,
            // the server has proved who it is, and the connection has carried an answer: it was ended in TLS's words
            Cause::Tls(error) => {
                *cause = Cause::Network {
                    phase: attempt.phase,
                    source: io::Error::other(error.to_string()),
                };
                Stale::Dead
            }
            _ => return None,
        };
        self.epoch.end(idle_in);
        Some(stale)
    }

    fn post(&self, url: String, body: &[u8]) -> Result<AnswerReader, Fault> {
        let request = self.agent.post(url).content_type("application/json");
        let response = request.send(body)?;
        let status = response.status().as_u16();
        let mut body = response.into_body().into_reader();
        if status != 200 {
            // the status says enough: what there is of the body is not waited for
            Attempt::with(|attempt| attempt.hurry(ERROR_PAGE));
            let mut covered = Vec::new();
            let shown = NotUnderstood::SHOWN as u64;
            drop(body.take(shown).read_to_end(&mut covered));
            let start = start_of(&Attempt::with(|attempt| {
                attempt.take_content(covered.len())
            }));
            return Err(Fault::Found(Cause::HttpStatus { status, start }));
        }
        let mut answer = AnswerReader::new(ANSWER_BYTES);
        let mut piece = [0; 4096];
        loop {
            match body.read(&mut piece).map_err(ureq::Error::from)? {
                0 => return Ok(answer),
                read => answer.feed(&Attempt::with(|attempt| attempt.take_content(read)))?,
            }
        }
    }
}

/// What ends an exchange: a cause, or an error of ureq's that has yet to become one.
enum Fault {
    Found(Cause),
    Ureq(ureq::Error),
}

impl From<ureq::Error> for Fault {
    fn from(error: ureq::Error) -> Self {
        Fault::Ureq(error)
    }
}

impl From<NotUnderstood> for Fault {
    fn from(error: NotUnderstood) -> Self {
        Fault::Found(Cause::NotUnderstood(error))
    }
}

/// What an error of ureq's means. What our own parts found goes first; of the rest, ureq's text is used only where
/// it can hold no URL.
fn cause_of(error: ureq::Error, attempt: &mut Attempt) -> Cause {
    let phase = attempt.phase;
    match attempt.trouble.take() {
        Some(Trouble::Stopped(stop)) => return Cause::of(stop, phase),
        Some(Trouble::Network(source) | Trouble::Refused(source)) => {
            return Cause::Network { phase, source };
        }
        Some(Trouble::NotUnderstood(reason)) => return not_understood(reason, attempt),
        None => {}
    }
    match error {
        ureq::Error::Io(source) if source.kind() == io::ErrorKind::InvalidData => {
            Cause::Tls(source.into())
        }
        ureq::Error::Io(source) => Cause::Network { phase, source },
        ureq::Error::Rustls(error) => Cause::Tls(error.into()),
        ureq::Error::Tls(reason) => Cause::Tls(reason.into()),
        _ => not_understood("not an HTTP answer", attempt),
    }
}

fn not_understood(reason: &str, attempt: &Attempt) -> Cause {
    Cause::NotUnderstood(NotUnderstood {
        reason: reason.to_owned(),
        start: start_of(&attempt.answer_start),
    })
}
