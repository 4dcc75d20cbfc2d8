//! Connections: accepted, unwrapped from TLS, served, and cut when a fault, a disconnect or the end says so.
//!
//! Whatever comes in over one of them concerns no other: what is not HTTP is answered with status 400, or not at
//! all, and closed; what is too slow is closed.
//!
//! On a port of TLS a connection without it can become a [tunnel](crate::tunnel), and does nothing else.
//!
//! ```text
//! TCP ─┬─ TLS ── HTTP ─┐
//!      └─ HTTP ────────┴─ CONNECT ── TLS ── HTTP
//! ```

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::handler::Context;
use crate::tls::Tls;
use crate::tunnel::{Below, Tunnel};
use crate::wire::{Line, Wire};

/// The head of a request: more than a URL with a UserSig needs.
const HEAD_BYTES_AT_MOST: usize = 64 * 1024;
/// What TLS begins with, and no HTTP does.
const TLS_HANDSHAKE: [u8; 1] = [22];

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) context: Context,
    pub(crate) router: Router,
    pub(crate) tls: Option<Arc<Tls>>,
    /// Changes when all connections are to be closed.
    pub(crate) disconnect: watch::Receiver<()>,
}

impl Server {
    /// Accepts connections for ever.
    pub(crate) async fn accept(mut self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    self.context.service.connected();
                    // What was closed before concerns the connections of before.
                    self.disconnect.mark_unchanged();
                    tokio::spawn(self.clone().connection(stream, peer));
                }
                // Out of file descriptors, or the caller is gone already: the next one may fare better.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn connection(self, stream: TcpStream, peer: SocketAddr) {
        let mut disconnect = self.disconnect.clone();
        tokio::select! {
            // How a connection ended is the caller's business: it sees it.
            _ = self.serve(stream, peer) => {}
            _ = disconnect.changed() => {}
        }
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let tunnel = |below, here| Tunnel::new(below, here, Arc::clone(&self.context.names));
        let here = stream.local_addr()?.ip();
        let Some(tls) = &self.tls else {
            self.http(stream, peer, tunnel(Below::Plain, here)).await?;
            return Ok(());
        };
        let mut first = [0];
        tokio::time::timeout(self.context.read_timeout, stream.peek(&mut first)).await??;
        let opened = if first == TLS_HANDSHAKE {
            let stream = self.secured(tls, here, stream).await?;
            self.http(stream, peer, tunnel(Below::Tls, here)).await?
        } else {
            let beside = tunnel(Below::PlainBesideTls, here);
            self.http(stream, peer, beside).await?
        };
        if let Some(stream) = opened {
            let stream = self.secured(tls, here, stream).await?;
            self.http(stream, peer, tunnel(Below::Tunnel, here)).await?;
        }
        Ok(())
    }

    async fn secured<S>(&self, tls: &Tls, here: IpAddr, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = tls.config(here).map_err(io::Error::other)?;
        let accepted = TlsAcceptor::from(config).accept(stream);
        tokio::time::timeout(self.context.read_timeout, accepted).await?
    }

    /// Serves HTTP until the connection ends, or becomes a tunnel.
    async fn http<S>(
        &self,
        stream: S,
        peer: SocketAddr,
        tunnel: Tunnel,
    ) -> io::Result<Option<TokioIo<Upgraded>>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (line, tunnel) = (Line::new(peer), Arc::new(tunnel));
        let router = TowerToHyperService::new(self.router.clone());
        let wire = TokioIo::new(Wire::new(stream, Arc::clone(&line)));
        let (of_request, opens) = (Arc::clone(&line), Arc::clone(&tunnel));
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            let answered = opens.answer(&mut request);
            request.extensions_mut().insert(Arc::clone(&of_request));
            let router = router.clone();
            async move {
                match answered {
                    Some(response) => Ok(response),
                    None => router.call(request).await,
                }
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.context.read_timeout)
            .max_buf_size(HEAD_BYTES_AT_MOST)
            .serve_connection(wire, service)
            .with_upgrades();
        tokio::select! {
            served = connection => served.map_err(io::Error::other)?,
            () = line.until_cut() => return Ok(None),
        }
        match tunnel.take() {
            Some(opened) => Ok(Some(TokioIo::new(opened.await.map_err(io::Error::other)?))),
            None => Ok(None),
        }
    }
}
