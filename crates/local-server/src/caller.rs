//! Who sent a request, for its handler.

use std::net::IpAddr;

use tokio::time::{Instant, timeout_at};

use crate::socket::{Peer, Socket};

/// Who sent a request, in its extensions.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(crate) peer: Peer,
    pub(crate) socket: Socket,
}

impl Caller {
    /// Who is on the other side of its connection.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// The address of this machine that it has called; `None` for a Unix socket.
    #[must_use]
    pub fn here(&self) -> Option<IpAddr> {
        self.socket.here().map(|it| it.to_canonical())
    }

    /// Returns when the caller has hung up, so that no one will read the answer.
    ///
    /// A handler is dropped then anyway, once its whole request has come; this is for what it does before, and does not
    /// return elsewhere than on Linux. A caller that closes its sending half has hung up, though its body may still be on
    /// the way.
    pub async fn hung_up(&self) {
        self.socket.closed().await;
    }

    /// Whether it has by now. Ask where its body broke off: chunks can be broken by a caller that still reads.
    pub async fn has_hung_up(&self) -> bool {
        timeout_at(Instant::now(), self.hung_up()).await.is_ok()
    }
}
