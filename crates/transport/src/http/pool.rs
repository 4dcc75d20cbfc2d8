//! The idle connections of a client, all to the host that its calls go to. A connection is seldom dead alone: a restart of the service or a proxy, or a NAT that
//! forgot it, ends all idle connections. So the first dead one clears the pool. A connection that goes idle later has just
//! carried an answer: it stays, even if another that was taken before proves dead meanwhile.

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use crate::stats::Count;
use crate::wait::Lock;

use super::connection::Connection;

/// How many connections may be idle. At 100 calls per second and a round trip of 0.5 s a client uses 50; ten times the
/// quota needs ten times as many.
const IDLE_CONNECTIONS: usize = 512;

/// How long a connection may be idle.
const IDLE_FOR: Duration = Duration::from_secs(50);

#[derive(Default)]
pub(super) struct Pool {
    state: Lock<State>,
    /// How many connections were taken.
    pub(super) reused: Count,
    /// How many were found closed, or did not answer.
    pub(super) dead: Count,
}

#[derive(Default)]
struct State {
    /// How often the pool was cleared.
    clears: u64,
    /// The one that has been idle for longest first.
    idle: VecDeque<(Instant, Connection)>,
}

impl Pool {
    /// The connection that has been idle for longest, of those that look alive `now`, and how often the pool was cleared.
    /// With a `host`, of those to it: some to another may come here while calls go over.
    pub(super) fn take(&self, host: Option<usize>, now: Instant) -> Option<(Connection, u64)> {
        loop {
            let (since, connection, clears) = {
                let mut state = self.state.lock();
                let is_wanted = |(_, it): &(_, Connection)| host.is_none_or(|host| it.host == host);
                let wanted = state.idle.iter().position(is_wanted)?;
                let (since, connection) = state.idle.remove(wanted)?;
                (since, connection, state.clears)
            };
            if now.saturating_duration_since(since) >= IDLE_FOR {
                continue;
            }
            if connection.is_alive() {
                self.reused.add(1);
                return Some((connection, clears));
            }
            self.dead.add(1);
        }
    }

    /// Keeps a connection that has just carried an answer.
    pub(super) fn put(&self, connection: Connection) {
        let mut state = self.state.lock();
        state.idle.push_back((Instant::now(), connection));
        let too_many = state.idle.len() > IDLE_CONNECTIONS;
        let oldest = too_many.then(|| state.idle.pop_front());
        drop(state);
        drop(oldest);
    }

    /// A connection that was taken after so many clears is dead: closes all that are idle, unless another such one has.
    /// `None`: in any case.
    pub(super) fn clear(&self, clears: impl Into<Option<u64>>) {
        let clears = clears.into();
        let mut state = self.state.lock();
        if clears.is_none_or(|clears| clears == state.clears) {
            state.clears += 1;
            let idle = mem::take(&mut state.idle);
            drop(state);
            drop(idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_pool_is_cleared_once_however_many_of_its_connections_die() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let pool = Pool::default();
        for _ in 0..3 {
            pool.put(Connection::to(address));
        }
        let clears = [(); 2].map(|()| pool.take(None, Instant::now()).unwrap().1);
        pool.clear(clears[0]);
        assert!(pool.take(None, Instant::now()).is_none());
        pool.put(Connection::to(address));
        pool.clear(clears[1]);
        assert!(pool.take(None, Instant::now()).is_some());
    }
}
