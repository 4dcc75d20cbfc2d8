//! The idle connections of a client. A connection is seldom dead alone: a restart of the service or a proxy, or a NAT that
//! forgot it, ends all idle connections. So the first dead one ends an epoch, which closes all that are idle. A connection
//! that goes idle later has just carried an answer: it stays, even if another of the ended epoch proves dead meanwhile.

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use crate::wait::Lock;

use super::connection::Connection;

/// How many connections may be idle. At 100 calls per second and a round trip of 0.5 s a client uses 50; ten times the
/// quota needs ten times as many.
const IDLE_CONNECTIONS: usize = 512;

/// How long a connection may be idle.
const IDLE_FOR: Duration = Duration::from_secs(50);

/// Which connections went idle before one of them proved dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch(u64);

#[derive(Default)]
pub(super) struct Pool {
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    epoch: u64,
    /// All of this epoch; the one that has been idle for longest first.
    idle: VecDeque<(Instant, Connection)>,
}

impl Pool {
    /// The connection that has been idle for longest, of those that look alive.
    pub(super) fn take(&self) -> Option<(Connection, Epoch)> {
        loop {
            let (since, connection, epoch) = {
                let mut state = self.state.lock();
                let (since, connection) = state.idle.pop_front()?;
                (since, connection, Epoch(state.epoch))
            };
            if since.elapsed() < IDLE_FOR && connection.is_alive() {
                return Some((connection, epoch));
            }
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

    /// A connection that was idle in this epoch is dead: closes all that are idle, unless one of the epoch has before.
    pub(super) fn end(&self, epoch: Epoch) {
        let mut state = self.state.lock();
        if state.epoch == epoch.0 {
            state.epoch += 1;
            let idle = mem::take(&mut state.idle);
            drop(state);
            drop(idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    use crate::http::context::Context;
    use crate::wait::{WaitScope, deadline_after};

    use super::*;

    #[test]
    fn an_epoch_ends_once_however_many_of_its_connections_die() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let open = || {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_nonblocking(true).unwrap();
            let deadline = deadline_after(Duration::MAX);
            let mut context = Context::new(WaitScope::until(deadline), deadline);
            Connection::open(Arc::new(stream), None, &mut context).unwrap()
        };
        let pool = Pool::default();
        for _ in 0..3 {
            pool.put(open());
        }
        let epochs = [(); 2].map(|()| pool.take().unwrap().1);
        pool.end(epochs[0]);
        assert!(pool.take().is_none());
        pool.put(open());
        pool.end(epochs[1]);
        assert!(pool.take().is_some());
    }
}
