//! The hosts of the service, and which of them calls go to. A second one is there for when the first cannot be reached.
//!
//! ```text
//!            no connection to the first, but one to the spare
//!  first ──────────────────────────────────────────────────────► spare ◄─────┐
//!    ▲                                                            │   │      │ none: for 60 s more
//!    │             no connection to the spare, but one to the first   │      │
//!    ├────────────────────────────────────────────────────────────┘   │ after 60 s one call tries the first
//!    └───────────────────────────── one ◄─────────────────────────────┴──────┘
//! ```
//!
//! - Only a failed look-up, connection or handshake counts, also one that a proxy reports, and nothing that comes later.
//! - Once a byte of a call was written to a host, all its further attempts go to that host: the call is *bound* to it. It is
//!   no measure of where others go: it neither hands calls over nor back, and is not the one that tries the first again. It
//!   is left *behind* while others go to another host, or where no connection to its own could be made since the last one
//!   that was. A request that the plan forms anew (after a pause, of a half, of accounts that were left out) is a new call.
//! - A call that fails over does so in its own time: the host that is tried first has half of what is left for connecting.
//!   The time to reach a proxy is not shared, as it is on the way to both; and if the time of both was up while the proxy
//!   opened a tunnel, the next call leaves all of its time to the host that it tries first. If neither host can be reached, the failure is of
//!   the one that was tried first, and the next call begins where this one began. The call that tries the first again may
//!   lose as much time, and goes on at the spare.
//! - When calls go over, the idle connections to the host that they leave are closed, and its addresses forgotten.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use imtag_core::{Identifier, SdkAppId};

use crate::error::{Cause, Phase, ProxyFailure};
use crate::event::{event, millis};
use crate::stats::Count;
use crate::wait::Lock;

use super::connect::{Connector, Host, Tls};
use super::connection::Connection;
use super::context::Context;
use super::pool::Pool;
use super::request_head::RequestHead;
use super::resolve::Resolver;

/// How long calls go to the spare host before one of them tries the first again.
const SPARE_FOR: Duration = Duration::from_secs(60);

const FIRST: usize = 0;
const SPARE: usize = 1;

pub(super) struct Hosts {
    /// The first, and the spare if there is one.
    routes: Vec<Route>,
    /// `None`: calls go to the first. Else to the spare, and from then on one of them tries the first.
    first_due: Lock<Option<Instant>>,
    /// Half of the time was too short for a tunnel to either: the proxy may be slow.
    proxy_is_slow: AtomicBool,
    pub(super) pool: Pool,
    /// How many connections were opened.
    pub(super) opened: Count,
}

/// What is a host's own.
pub(super) struct Route {
    pub(super) head: RequestHead,
    connector: Connector,
    /// No connection to it could be made since the last one that was, or that carried an answer.
    is_away: AtomicBool,
}

impl Hosts {
    pub(super) fn new(
        hosts: &[Host],
        tls: Option<&Tls>,
        resolver: &Resolver,
        sdkappid: SdkAppId,
        identifier: &Identifier,
    ) -> Hosts {
        let tls = tls.map(Tls::config);
        let route = |host: &Host| Route {
            head: RequestHead::new(&host.endpoint, sdkappid, identifier),
            connector: Connector::new(host.clone(), tls.clone(), resolver),
            is_away: AtomicBool::new(false),
        };
        Hosts {
            routes: hosts.iter().map(route).collect(),
            first_due: Lock::default(),
            proxy_is_slow: AtomicBool::new(false),
            pool: Pool::default(),
            opened: Count::default(),
        }
    }

    /// The one that a connection leads to.
    pub(super) fn route(&self, connection: &Connection) -> &Route {
        &self.routes[connection.host]
    }

    /// A connection of the pool, with how often that was cleared, or a new one. `bound`: to this host alone.
    pub(super) fn connection(
        &self,
        bound: Option<usize>,
        takes_pooled: bool,
        now: Instant,
        context: &mut Context,
    ) -> Result<(Connection, Option<u64>), Cause> {
        let pooled = |context: &mut Context| {
            let pooled = takes_pooled.then(|| self.pool.take(bound, now));
            let (connection, clears) = pooled.flatten()?;
            context.host = connection.host;
            context.watch(&connection.stream);
            context.phase = Phase::Write;
            Some((connection, Some(clears)))
        };
        if let Some(host) = bound {
            return match pooled(context) {
                Some(pooled) => Ok(pooled),
                None => Ok((self.connect(host, context)?, None)),
            };
        }
        let (host, is_trial) = self.turn(now);
        if !is_trial {
            if let Some(pooled) = pooled(context) {
                return Ok(pooled);
            }
        }
        if self.routes.len() == 1 {
            return Ok((self.connect(host, context)?, None));
        }
        let all_of_the_time = self.proxy_is_slow.load(Ordering::Relaxed);
        let connected = if all_of_the_time {
            self.connect(host, context)
        } else {
            context.sharing_time(|context| self.connect(host, context))
        };
        let failure = match connected {
            Ok(connection) => {
                if is_trial && self.go_to(FIRST, now) {
                    let to = self.routes[FIRST].connector.name();
                    event!(info, to, "handed back");
                }
                return Ok((connection, None));
            }
            Err(cause) => cause,
        };
        if all_of_the_time {
            self.proxy_is_slow.store(false, Ordering::Relaxed);
        }
        if !is_of_host(&failure, context) || context.check().is_err() {
            return Err(failure);
        }
        let other = FIRST + SPARE - host;
        let pooled = is_trial.then(|| pooled(context)).flatten();
        let gone_over = match pooled {
            Some(pooled) => Ok(pooled),
            None => self.connect(other, context).map(|it| (it, None)),
        };
        match gone_over {
            Ok(connection) => {
                let [left, gone_to] = [host, other].map(|it| &self.routes[it].connector);
                left.forget_addresses();
                if self.go_to(other, now) {
                    event!(
                        warn,
                        from = left.name(),
                        to = gone_to.name(),
                        cause = failure.name(),
                        when = failure.when(),
                        detail = failure.detail(),
                        "handed over"
                    );
                }
                Ok(connection)
            }
            Err(cancelled @ Cause::Cancelled { .. }) => Err(cancelled),
            Err(other) => {
                let was_in_tunnel = |it: &Cause| it.when() == Some(Phase::Tunnel.when());
                if was_in_tunnel(&failure) && was_in_tunnel(&other) {
                    self.proxy_is_slow.store(true, Ordering::Relaxed);
                }
                context.host = host;
                Err(failure)
            }
        }
    }

    /// Whether a call that is bound to this host is left behind by the others.
    pub(super) fn leaves_behind(&self, host: usize) -> bool {
        self.has_spare()
            && (self.routes[host].is_away.load(Ordering::Relaxed) || self.current() != host)
    }

    pub(super) fn has_spare(&self) -> bool {
        self.routes.len() > 1
    }

    /// Where calls go.
    fn current(&self) -> usize {
        if self.first_due.lock().is_some() {
            SPARE
        } else {
            FIRST
        }
    }

    /// Keeps a connection that has just carried an answer, unless calls go to the other host by now.
    pub(super) fn put(&self, connection: Connection) {
        self.is_there(connection.host);
        if connection.host == self.current() {
            self.pool.put(connection);
        }
    }

    /// Only what changes is written, so that threads just read it.
    fn is_there(&self, host: usize) {
        let is_away = &self.routes[host].is_away;
        if is_away.load(Ordering::Relaxed) {
            is_away.store(false, Ordering::Relaxed);
        }
    }

    /// Where a call goes, and whether it is the one that tries the first host again.
    fn turn(&self, now: Instant) -> (usize, bool) {
        let mut first_due = self.first_due.lock();
        match *first_due {
            None => (FIRST, false),
            Some(due) if now < due => (SPARE, false),
            Some(_) => {
                *first_due = Some(now + SPARE_FOR);
                (FIRST, true)
            }
        }
    }

    /// Returns whether calls went to the other one before.
    fn go_to(&self, host: usize, now: Instant) -> bool {
        let due = (host == SPARE).then(|| now + SPARE_FOR);
        let before = std::mem::replace(&mut *self.first_due.lock(), due);
        let goes_over = before.is_some() != due.is_some();
        if goes_over {
            self.pool.clear(None);
        }
        goes_over
    }

    fn connect(&self, host: usize, context: &mut Context) -> Result<Connection, Cause> {
        let began = Instant::now();
        let Route {
            connector, is_away, ..
        } = &self.routes[host];
        context.host = host;
        let trace = context.trace.iter_mut();
        trace.for_each(|trace| trace.through(connector.proxy()));
        let connected = connector.connect(context);
        let mut connection = connected.inspect_err(|cause| {
            let trace = context.trace.iter_mut();
            trace.for_each(|trace| trace.failed(cause));
            if is_of_host(cause, context) {
                is_away.store(true, Ordering::Relaxed);
            }
        })?;
        self.is_there(host);
        connection.host = host;
        self.opened.add(1);
        event!(
            debug,
            host = connector.name(),
            through_proxy = connector.proxy().is_some(),
            duration_ms = millis(began.elapsed()),
            "connection opened"
        );
        Ok(connection)
    }
}

/// Whether a host may be at fault where there is no connection to it: not the proxy on the way to both, or this machine.
fn is_of_host(cause: &Cause, context: &Context) -> bool {
    match cause {
        _ if context.refused => false,
        Cause::Network { .. } | Cause::Tls(_) => true,
        Cause::Timeout { phase } => *phase != Phase::Proxy,
        Cause::Proxy { failure, .. } => *failure == ProxyFailure::NoTunnel,
        _ => false,
    }
}

#[cfg(test)]
#[path = "hosts_tests.rs"]
mod tests;
