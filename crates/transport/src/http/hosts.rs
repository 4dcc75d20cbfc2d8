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
//!   opened a tunnel, the next calls do not share at all: see `Shares`. If neither host can be reached, the failure is of
//!   the one that was tried first, and the next call begins where this one began. The call that tries the first again may
//!   lose as much time, and goes on at the spare; through a slow proxy it loses its attempt.
//! - A host whose time was up is at fault only if that was a fair time ([`Context::had_fair_time`]). A call with less goes on
//!   at the other host, for itself alone: it takes no other call with it, and tries the first again only where no call with
//!   more has come for a minute.
//! - When calls go over, the idle connections to the host that they leave are closed, its addresses forgotten, and the quota
//!   hears of it, as its credit is about the path that they leave.

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
    shares: Lock<Shares>,
    /// Called when calls have gone over to the other host.
    on_path_change: Box<dyn Fn() + Send + Sync>,
    pub(super) pool: Pool,
    /// How many connections were opened.
    pub(super) opened: Count,
}

/// How the two hosts share the time for connecting of the calls to come.
///
/// ```text
///            the time of both was up while             it was not reached, and no
///            the proxy opened a tunnel                 time was left for the other
///  Halves ─────────────────────────────► AllToCurrent ────────────────────────────► AllToOther
///    ▲                                    │      ▲   that was reached: calls go there   │  │
///    ├───────── neither was reached ──────┘      └──────────────────────────────────────┘  │
///    └────────────────────── it was not reached either, or by this call alone ─────────────┘
/// ```
#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum Shares {
    /// The one that is tried first has half.
    #[default]
    Halves,
    /// The proxy may be slow: the one that calls go to has all of it.
    AllToCurrent,
    /// The other one has all of it. It holds how the one that calls go to has failed, if that was in a fair time.
    AllToOther(Option<Failed>),
}

/// How a host could not be reached, as a record of the log says it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failed {
    cause: &'static str,
    when: Option<&'static str>,
    detail: Option<String>,
}

impl Failed {
    fn new(cause: &Cause) -> Failed {
        Failed {
            cause: cause.name(),
            when: cause.when(),
            detail: cause.detail(),
        }
    }
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
        on_path_change: Box<dyn Fn() + Send + Sync>,
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
            shares: Lock::default(),
            on_path_change,
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
        let (current, is_trial) = self.turn(now, context.has_fair_halves());
        if !is_trial {
            if let Some(pooled) = pooled(context) {
                return Ok(pooled);
            }
        }
        if !self.has_spare() {
            return Ok((self.connect(current, context)?, None));
        }
        let shares = self.shares.lock().clone();
        let host = match shares {
            Shares::AllToOther(_) if !is_trial => other_than(current),
            _ => current,
        };
        let connected = match shares {
            Shares::Halves => context.sharing_time(|context| self.connect(host, context)),
            _ => self.connect(host, context),
        };
        let failure = match connected {
            Ok(connection) => {
                if is_trial {
                    if self.go_to(FIRST, now) {
                        let to = self.routes[FIRST].connector.name();
                        event!(info, to, "handed back");
                    }
                } else if let Shares::AllToOther(failed) = &shares {
                    let next = match failed {
                        Some(failed) => {
                            self.hand_over(host, now, failed);
                            Shares::AllToCurrent
                        }
                        None => Shares::Halves,
                    };
                    self.share(&shares, next);
                }
                return Ok((connection, None));
            }
            Err(cause) => cause,
        };
        if !is_of_host(&failure, context) {
            return Err(failure);
        }
        let failed = (!is_short(&failure, context)).then(|| Failed::new(&failure));
        if context.check().is_err() {
            match shares {
                Shares::AllToCurrent if !is_trial => {
                    self.share(&shares, Shares::AllToOther(failed));
                }
                Shares::AllToOther(_) if !is_trial => self.share(&shares, Shares::Halves),
                _ => {}
            }
            return Err(failure);
        }
        let other = other_than(host);
        let pooled = is_trial.then(|| pooled(context)).flatten();
        let gone_over = match pooled {
            Some(pooled) => Ok(pooled),
            None => self.connect(other, context).map(|it| (it, None)),
        };
        match gone_over {
            Ok(connection) => {
                if let Some(failed) = failed {
                    self.hand_over(other, now, &failed);
                }
                if let Shares::AllToOther(_) = shares {
                    self.share(&shares, Shares::AllToCurrent);
                }
                Ok(connection)
            }
            Err(cancelled @ Cause::Cancelled { .. }) => Err(cancelled),
            Err(other) => {
                let next = match shares {
                    Shares::Halves if was_in_tunnel(&failure) && was_in_tunnel(&other) => {
                        Shares::AllToCurrent
                    }
                    Shares::AllToCurrent if was_in_tunnel(&other) && !is_trial => {
                        Shares::AllToOther(failed)
                    }
                    _ => Shares::Halves,
                };
                self.share(&shares, next);
                context.host = host;
                Err(failure)
            }
        }
    }

    /// Calls go to this host from now on, as the other could not be reached.
    fn hand_over(&self, to: usize, now: Instant, failed: &Failed) {
        let [left, gone_to] = [other_than(to), to].map(|it| &self.routes[it].connector);
        left.forget_addresses();
        if self.go_to(to, now) {
            event!(
                warn,
                from = left.name(),
                to = gone_to.name(),
                cause = failed.cause,
                when = failed.when,
                detail = failed.detail,
                "handed over"
            );
        }
    }

    /// The calls to come share their time in another way, unless another call has changed that since `before`.
    fn share(&self, before: &Shares, next: Shares) {
        let mut shares = self.shares.lock();
        if *shares == *before {
            *shares = next;
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

    /// Where a call goes, and whether it is the one that tries the first host again. `is_fair`: each host will have a fair
    /// time in the call's own.
    fn turn(&self, now: Instant, is_fair: bool) -> (usize, bool) {
        let mut first_due = self.first_due.lock();
        let wait = if is_fair { Duration::ZERO } else { SPARE_FOR };
        match *first_due {
            None => (FIRST, false),
            Some(due) if now < due + wait => (SPARE, false),
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
            (self.on_path_change)();
            self.pool.clear(None);
        }
        goes_over
    }

    fn connect(&self, host: usize, context: &mut Context) -> Result<Connection, Cause> {
        let began = Instant::now();
        let Route {
            connector, is_away, ..
        } = &self.routes[host];
        context.goes_to(host);
        let trace = context.trace.iter_mut();
        trace.for_each(|trace| trace.through(connector.proxy()));
        let connected = connector.connect(context);
        let mut connection = connected.inspect_err(|cause| {
            let trace = context.trace.iter_mut();
            trace.for_each(|trace| trace.failed(cause));
            if is_of_host(cause, context) && !is_short(cause, context) {
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

fn other_than(host: usize) -> usize {
    FIRST + SPARE - host
}

/// The time was up while the proxy opened a tunnel.
fn was_in_tunnel(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::Timeout {
            phase: Phase::Tunnel
        }
    )
}

/// The time was up, and so little that it says nothing of the host.
fn is_short(cause: &Cause, context: &Context) -> bool {
    matches!(cause, Cause::Timeout { .. }) && !context.had_fair_time()
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
