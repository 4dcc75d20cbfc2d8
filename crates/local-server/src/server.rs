//! All connections of a process: accepted up to a bound of each listener, served, and ended together.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};

use crate::caller::Caller;
use crate::connection::Connection;
use crate::limits::Limits;
use crate::listener::{BACKLOG, Listener};
use crate::progress::Progress;
use crate::room::Slots;
use crate::shared::{Listening, Open, Orders, Shared};
use crate::socket::{Peer, Socket};

/// Serves connections of any number of listeners. Its clones are the same server.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

impl Server {
    /// A server with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Server {
        Server {
            shared: Arc::new(Shared::new(limits.clamped())),
        }
    }

    /// Accepts connections until a [drain](Server::drain), and serves each in a task of its own; `serve` itself is called
    /// here, so it should only make the future. Those that wait in the system when the drain begins are still accepted, as
    /// their callers have connected, unless another process listens on the socket after this one. The listener is closed when
    /// this returns or is dropped.
    pub async fn accept<F, S>(&self, mut listener: Listener, serve: F)
    where
        F: Fn(Connection) -> S,
        S: Future<Output = io::Result<()>> + Send + 'static,
    {
        let _listening = Listening::new(Arc::clone(&self.shared));
        let mut orders = self.shared.orders.subscribe();
        let slots = Arc::new(Slots::new(self.shared.limits.connections));
        let accepting = async {
            loop {
                match next(&listener, &slots).await {
                    Ok(Some(accepted)) => self.take(accepted, self.cuts(), &slots, &serve),
                    Ok(None) => {}
                    // Out of file descriptors, or the caller is gone already: the next one may fare better.
                    Err(_) => sleep(Duration::from_millis(10)).await,
                }
            }
        };
        tokio::select! {
            biased;
            _ = orders.wait_for(Orders::are_draining) => {}
            () = accepting => {}
        }
        // the cut at the end of the drain is for them, too, even if it has come by now
        let cuts = orders.borrow().cuts_before_drain.unwrap_or_default();
        if listener.withdraw() {
            let waiting = async {
                // more do not wait in the system: the others have come since
                for _ in 0..BACKLOG {
                    match next_waiting(&listener, &slots).await {
                        Ok(Some(accepted)) => self.take(accepted, cuts, &slots, &serve),
                        Ok(None) => return,
                        Err(_) => sleep(Duration::from_millis(10)).await,
                    }
                }
            };
            tokio::select! {
                biased;
                _ = orders.wait_for(|orders| orders.cuts != cuts) => {}
                () = waiting => {}
            }
        }
    }

    fn cuts(&self) -> u64 {
        self.shared.orders.borrow().cuts
    }

    /// Serves a connection, until it ends or is cut; `cuts` are those before it, which are not for it.
    fn take<F, S>(&self, accepted: Accepted, cuts: u64, slots: &Arc<Slots>, serve: &F)
    where
        F: Fn(Connection) -> S,
        S: Future<Output = io::Result<()>> + Send + 'static,
    {
        let Accepted { slot, socket, peer } = accepted;
        let orders = self.shared.orders.subscribe();
        let mut cut = orders.clone();
        let progress = Arc::new(Progress::default());
        // On the heap, as each future that another one is moved into holds it twice.
        let served = Box::pin(serve(Connection {
            caller: Caller {
                peer,
                socket: socket.clone(),
            },
            shared: Arc::clone(&self.shared),
            slots: Arc::clone(slots),
            orders,
            progress: Arc::clone(&progress),
        }));
        let open = Open::new(Arc::clone(&self.shared), slot);
        tokio::spawn(async move {
            let _open = open;
            let served = async {
                // The caller sees how its connection ended, and only the caller needs to know.
                let _ = served.await;
                Connection::linger(socket, &progress).await;
            };
            tokio::select! {
                () = served => {}
                _ = cut.wait_for(|orders| orders.cuts != cuts) => {}
            }
        });
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        *self.shared.open.borrow()
    }

    /// Cuts all open connections, in whatever they are. New ones are taken.
    pub fn disconnect(&self) {
        self.shared.orders.send_modify(|orders| orders.cuts += 1);
    }

    /// Takes no connections but those that wait, lets requests under way be answered, closes what is idle, and cuts what is
    /// left after `grace`; returns how many that were.
    pub async fn drain(&self, grace: Duration) -> usize {
        self.shared.orders.send_modify(|orders| {
            orders.cuts_before_drain.get_or_insert(orders.cuts);
        });
        let mut listening = self.shared.listening.subscribe();
        let mut open = self.shared.open.subscribe();
        let all_end = async {
            let _ = listening.wait_for(|listening| *listening == 0).await;
            let _ = open.wait_for(|open| *open == 0).await;
        };
        if timeout(grace, all_end).await.is_ok() {
            return 0;
        }
        let left = self.open();
        self.disconnect();
        let _ = open.wait_for(|open| *open == 0).await;
        left
    }
}

/// A connection that was accepted within the bound.
struct Accepted {
    slot: OwnedSemaphorePermit,
    socket: Socket,
    peer: Peer,
}

/// Takes a slot, and then a connection: what waits for a slot stays in the system's backlog, where a drain leaves it to the
/// next process. `None` where there was none after all.
async fn next(listener: &Listener, slots: &Slots) -> io::Result<Option<Accepted>> {
    listener.readable().await?;
    let slot = match slots.free() {
        Some(slot) => slot,
        // nobody makes room for nothing
        None if !listener.has_waiting()? => return Ok(None),
        None => slots.freed().await,
    };
    let accepted = listener.accept()?;
    Ok(accepted.map(|(socket, peer)| Accepted { slot, socket, peer }))
}

/// The next connection of those that wait by now, when there is a slot for it; `None` where none does.
async fn next_waiting(listener: &Listener, slots: &Slots) -> io::Result<Option<Accepted>> {
    if !listener.has_waiting_now()? {
        return Ok(None);
    }
    let slot = match slots.free() {
        Some(slot) => slot,
        None => slots.freed().await,
    };
    let accepted = listener.accept_now()?;
    Ok(accepted.map(|(socket, peer)| Accepted { slot, socket, peer }))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::mpsc;

    use super::*;

    /// Longer than any wait of a test that passes.
    const LONG: Duration = Duration::from_secs(60);

    /// A listener, as a process hands it on to the next one.
    fn handed_on() -> (Listener, Listener, std::net::SocketAddr) {
        let first = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let next = first.try_clone().unwrap();
        let address = first.local_addr().unwrap();
        let [first, next] = [first, next].map(|it| Listener::inherited_tcp(it).unwrap());
        (first, next, address)
    }

    #[tokio::test]
    async fn who_waits_at_the_bound_is_served_by_the_next_process() {
        let (first, next, address) = handed_on();
        let server = Server::new(Limits {
            connections: 1,
            ..Limits::default()
        });
        let (accepting, (say, mut said)) = (server.clone(), mpsc::unbounded_channel());
        tokio::spawn(async move {
            let serve = |_| {
                let _ = say.send(());
                std::future::pending()
            };
            accepting.accept(first, serve).await;
        });
        let _held = TcpStream::connect(address).await.unwrap();
        said.recv().await.unwrap();
        let mut waits = TcpStream::connect(address).await.unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(server.drain(Duration::ZERO).await, 1);
        let accepting = Server::new(Limits::default());
        tokio::spawn(async move {
            let serve = |connection: Connection| async move {
                connection.socket().write_all(b"taken").await
            };
            accepting.accept(next, serve).await;
        });
        let mut text = String::new();
        let read = timeout(LONG, waits.read_to_string(&mut text)).await;
        read.unwrap().unwrap();
        assert_eq!(text, "taken");
    }

    #[tokio::test]
    async fn who_has_not_begun_tls_does_not_hold_up_a_drain() {
        let (listener, _, address) = handed_on();
        let server = Server::new(Limits {
            head: LONG,
            ..Limits::default()
        });
        let accepting = server.clone();
        tokio::spawn(async move {
            let serve =
                |connection: Connection| async move { connection.begins_tls().await.map(|_| ()) };
            accepting.accept(listener, serve).await;
        });
        let _silent = TcpStream::connect(address).await.unwrap();
        while server.open() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(timeout(LONG / 4, server.drain(LONG)).await, Ok(0));
    }
}
