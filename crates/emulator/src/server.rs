//! Connections: accepted, unwrapped from TLS, served, and cut when a fault, a disconnect or the end says so.
//!
//! Whatever comes in over one of them concerns no other: what is not HTTP is answered with status 400, or not at
//! all, and closed; what is too slow is closed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::service::Context;
use crate::wire::{Line, Wire};

/// The head of a request: more than a URL with a UserSig needs.
const HEAD_BYTES_AT_MOST: usize = 64 * 1024;

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) context: Context,
    pub(crate) router: Router,
    pub(crate) tls: Option<TlsAcceptor>,
    /// Changes when all connections are to be closed.
    pub(crate) disconnect: watch::Receiver<()>,
}

impl Server {
    /// Accepts connections for ever.
    pub(crate) async fn accept(mut self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    self.context.world.connected();
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
        let line = Line::new(peer);
        tokio::select! {
            // How a connection ended is the caller's business: it sees it.
            _ = self.serve(stream, Arc::clone(&line)) => {}
            () = line.until_cut() => {}
            _ = disconnect.changed() => {}
        }
    }

    async fn serve(&self, stream: TcpStream, line: Arc<Line>) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else {
            return self.serve_http(stream, line).await;
        };
        let timeout = self.context.read_timeout;
        let stream = tokio::time::timeout(timeout, tls.accept(stream)).await??;
        self.serve_http(stream, line).await
    }

    async fn serve_http<S>(&self, stream: S, line: Arc<Line>) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let router = TowerToHyperService::new(self.router.clone());
        let wire = TokioIo::new(Wire::new(stream, Arc::clone(&line)));
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(&line));
            router.call(request)
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.context.read_timeout)
            .max_buf_size(HEAD_BYTES_AT_MOST)
            .serve_connection(wire, service)
            .await
            .map_err(io::Error::other)
    }
}
