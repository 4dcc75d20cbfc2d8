//! The state of one exchange, passed to each of its parts: how long it may take, how far it is, what it found out.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::endpoint::Endpoint;
use crate::error::{Cause, Phase};
use crate::wait::{Blocked, WaitScope, Watch, deadline_after};

use super::head::HeadInfo;
use super::trace::Trace;

/// A host that cannot be reached in that time is at fault. Where the time for connecting is set shorter, a quarter of that is
/// enough.
const FAIR_TIME: Duration = Duration::from_secs(1);

pub(super) struct Context {
    wait_scope: WaitScope,
    /// The same until the connection is open.
    connecting: WaitScope,
    pub(super) phase: Phase,
    /// The host of the connection, or that it is to be opened to.
    pub(super) host: usize,
    /// Half of the time for connecting is for another host: see [`Context::sharing_time`].
    shares_time: bool,
    /// What a host's own part of connecting must have had before it can be said to be at fault.
    fair_time: Duration,
    /// What it had.
    host_time: Duration,
    /// This machine refused a socket, or a thread for the look-up.
    pub(super) refused: bool,
    /// A byte of the request may have left this machine.
    pub(super) sent: bool,
    /// A byte of an answer came, good or bad.
    pub(super) answered: bool,
    /// What the answer's head says beside where its body ends.
    pub(super) info: HeadInfo,
    /// The steps so far, if they are asked for.
    pub(super) trace: Option<Trace>,
    /// Shuts the connection when the call is cancelled.
    watch: Option<Watch>,
}

impl Context {
    pub(super) fn new(wait_scope: WaitScope, connect_deadline: Instant) -> Context {
        let connect_timeout = connect_deadline.saturating_duration_since(Instant::now());
        Context {
            connecting: wait_scope.at_most(connect_deadline),
            wait_scope,
            phase: Phase::Resolve,
            host: 0,
            shares_time: false,
            fair_time: FAIR_TIME.min(connect_timeout / 4),
            host_time: Duration::ZERO,
            refused: false,
            sent: false,
            answered: false,
            info: HeadInfo::default(),
            trace: None,
            watch: None,
        }
    }

    /// Goes on to a phase of opening a connection to `endpoint`, or to the request.
    pub(super) fn enter(&mut self, phase: Phase, endpoint: &Endpoint) {
        self.phase = phase;
        if let Some(trace) = &mut self.trace {
            trace.enter(phase, endpoint);
        }
    }

    /// How long the present phase may wait: connecting has a deadline of its own.
    pub(super) fn wait_scope(&self) -> &WaitScope {
        match self.phase {
            Phase::Proxy | Phase::Tunnel | Phase::Resolve | Phase::Connect | Phase::Handshake => {
                &self.connecting
            }
            _ => &self.wait_scope,
        }
    }

    /// Runs `connect`, which leaves time for another host: what is its host's own has half of the time that is left.
    pub(super) fn sharing_time<T>(&mut self, connect: impl FnOnce(&mut Context) -> T) -> T {
        let whole = self.connecting.clone();
        self.shares_time = true;
        let connected = connect(self);
        self.shares_time = false;
        self.connecting = whole;
        connected
    }

    /// A connection to this host is to be opened.
    pub(super) fn goes_to(&mut self, host: usize) {
        self.host = host;
        self.host_time = Duration::ZERO;
    }

    /// What comes now is the host's own: a proxy, which is on the way to each host, has been reached.
    pub(super) fn host_begins(&mut self) {
        let now = Instant::now();
        let mut left = self.connecting.deadline.saturating_duration_since(now);
        if std::mem::take(&mut self.shares_time) {
            left /= 2;
            self.connecting = self.connecting.at_most(now + left);
        }
        self.host_time = left;
    }

    /// The host had so much time for its own part that it is at fault if that was not enough. It had not where the call's own
    /// time is short, or the proxy took most of it.
    pub(super) fn had_fair_time(&self) -> bool {
        self.host_time >= self.fair_time
    }

    /// Half of the time is enough for that.
    pub(super) fn has_fair_halves(&self) -> bool {
        let now = Instant::now();
        self.connecting.deadline.saturating_duration_since(now) / 2 >= self.fair_time
    }

    /// Shuts `socket` when the call is cancelled.
    pub(super) fn watch(&mut self, socket: &Arc<TcpStream>) {
        let token = self.wait_scope.cancel.as_ref();
        self.watch = token.map(|token| token.watch(Blocked::Socket(Arc::clone(socket))));
    }

    /// The connection goes back to the pool, where another call may take it: this call no longer shuts it.
    pub(super) fn release_connection(&mut self) {
        self.watch = None;
    }

    /// Moves the deadline to `limit` from now, if that is earlier.
    pub(super) fn limit_to(&mut self, limit: Duration) {
        self.wait_scope = self.wait_scope.at_most(deadline_after(limit));
    }

    /// Fails if the time is up, or the call is cancelled.
    pub(super) fn check(&self) -> Result<(), Cause> {
        self.within(self.wait_scope())
    }

    fn within(&self, wait_scope: &WaitScope) -> Result<(), Cause> {
        let ended = wait_scope.check();
        ended.map_err(|end| Cause::from_wait_end(end, self.phase))
    }

    /// Waits until the socket is ready for `event`, or has failed.
    pub(super) fn ready(&self, stream: &TcpStream, event: PollFlags) -> Result<(), Cause> {
        self.ready_within(stream, event, self.wait_scope())
    }

    pub(super) fn ready_within(
        &self,
        stream: &TcpStream,
        event: PollFlags,
        wait_scope: &WaitScope,
    ) -> Result<(), Cause> {
        loop {
            self.within(wait_scope)?;
            let left = wait_scope.wait_at_most(wait_scope.deadline);
            let left = Timespec::try_from(left).ok(); // a wait too long for the system's clock is endless
            let mut socket = [PollFd::from_borrowed_fd(stream.as_fd(), event)];
            match poll(&mut socket, left.as_ref()) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return self.within(wait_scope),
                Err(error) => return Err(self.network(error.into())),
            }
        }
    }

    /// After a read or write that failed: waits if it would block, else returns why it failed.
    pub(super) fn wait_or_fail(
        &self,
        error: io::Error,
        stream: &TcpStream,
        event: PollFlags,
    ) -> Result<(), Cause> {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.ready(stream, event),
            io::ErrorKind::Interrupted => Ok(()),
            _ => match self.check() {
                Err(cause @ Cause::Cancelled { .. }) => Err(cause), // it has shut the socket
                _ => Err(self.network(error)),
            },
        }
    }

    pub(super) fn network(&self, source: io::Error) -> Cause {
        Cause::Network {
            phase: self.phase,
            source,
        }
    }

    pub(super) fn disconnected(&self) -> Cause {
        self.network(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "Peer disconnected",
        ))
    }
}

#[cfg(test)]
impl Context {
    pub(super) fn endless() -> Context {
        Context::new(WaitScope::endless(), deadline_after(Duration::MAX))
    }
}
