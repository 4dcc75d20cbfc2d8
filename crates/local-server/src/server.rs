//! All connections of a process: accepted up to a bound, served, and ended together.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::caller::Caller;
use crate::connection::Connection;
use crate::limits::Limits;
use crate::listener::Listener;
use crate::progress::Progress;
use crate::shared::{Open, Shared};
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
    /// here, so it should only make the future. The listener is closed when this returns or is dropped.
    pub async fn accept<F, S>(&self, listener: Listener, serve: F)
    where
        F: Fn(Connection) -> S,
        S: Future<Output = io::Result<()>> + Send + 'static,
    {
        let mut orders = self.shared.orders.subscribe();
        let accepting = async {
            loop {
                match listener.accept().await {
                    Ok((socket, peer)) => self.take(socket, peer, &serve).await,
                    // Out of file descriptors, or the caller is gone already: the next one may fare better.
                    Err(_) => sleep(Duration::from_millis(10)).await,
                }
            }
        };
        tokio::select! {
            biased;
            _ = orders.wait_for(|orders| orders.draining) => {}
            () = accepting => {}
        }
    }

    async fn take<F, S>(&self, socket: Socket, peer: Peer, serve: &F)
    where
        F: Fn(Connection) -> S,
        S: Future<Output = io::Result<()>> + Send + 'static,
    {
        let slot = self.shared.slot().await;
        let orders = self.shared.orders.subscribe();
        let mut cut = orders.clone();
        // An earlier cut is for earlier connections only.
        let cuts = orders.borrow().cuts;
        let progress = Arc::new(Progress::default());
        // On the heap, as each future that another one is moved into holds it twice.
        let served = Box::pin(serve(Connection {
            caller: Caller {
                peer,
                socket: socket.clone(),
            },
            shared: Arc::clone(&self.shared),
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

    /// Takes no further connection, lets requests under way be answered, closes what is idle, and cuts what is left after
    /// `grace`; returns how many that were.
    pub async fn drain(&self, grace: Duration) -> usize {
        self.shared
            .orders
            .send_modify(|orders| orders.draining = true);
        let mut open = self.shared.open.subscribe();
        let all_ended = timeout(grace, open.wait_for(|open| *open == 0))
            .await
            .is_ok();
        if all_ended {
            return 0;
        }
        let left = self.open();
        self.disconnect();
        let _ = open.wait_for(|open| *open == 0).await;
        left
    }
}
