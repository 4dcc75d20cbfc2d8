//! Connections: accepted, unwrapped from TLS, served, and cut when a fault, a disconnect or the end says so.
//!
//! ```text
//! TCP ─┬─ TLS ── HTTP ─┐
//!      └─ HTTP ────────┴─ CONNECT ── TLS ── HTTP
//! ```
//!
//! What comes in over one of them concerns no other: what is not HTTP is answered with status 400, or not at all, and
//! closed; what is too slow is closed.
//!
//! `CONNECT` opens a tunnel to the emulator itself, for each of its certificate's names. So a client whose host is
//! fixed is pointed at the emulator by `HTTPS_PROXY`, and trusts its authority. On a port of TLS a connection without
//! it can become a tunnel, and does nothing else.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use imtag_wire::shown_path;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::handler::Context;
use crate::names::{Names, host_of};
use crate::tls::Tls;
use crate::wire::{self, Line, Wire};

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
                    self.context.service.state().counts.connections += 1;
                    // An earlier disconnect closes earlier connections only.
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
            // The caller sees how its connection ended, and only the caller needs to know.
            _ = self.serve(stream, peer) => {}
            _ = disconnect.changed() => {}
        }
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let here = stream.local_addr()?.ip();
        let tunnel = |below| Tunnel {
            below,
            here,
            names: Arc::clone(&self.context.names),
            opened: Mutex::default(),
        };
        let Some(tls) = &self.tls else {
            self.http(stream, peer, tunnel(Below::Plain)).await?;
            return Ok(());
        };
        let mut first = [0];
        tokio::time::timeout(self.context.read_timeout, stream.peek(&mut first)).await??;
        let opened = if first == TLS_HANDSHAKE {
            let stream = self.secured(tls, here, stream).await?;
            self.http(stream, peer, tunnel(Below::Tls)).await?
        } else {
            self.http(stream, peer, tunnel(Below::PlainBesideTls))
                .await?
        };
        if let Some(stream) = opened {
            let stream = self.secured(tls, here, stream).await?;
            self.http(stream, peer, tunnel(Below::Tunnel)).await?;
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
        let wire = TokioIo::new(Wire {
            stream,
            line: Arc::clone(&line),
            pause: None,
        });
        let (for_handlers, opener) = (Arc::clone(&line), Arc::clone(&tunnel));
        let service = service_fn(move |mut request: Request<Incoming>| {
            let answered = opener.answer(&mut request);
            request.extensions_mut().insert(Arc::clone(&for_handlers));
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
            () = line.cut.notified() => return Ok(None),
        }
        let opened = tunnel.opened.lock().take();
        match opened {
            Some(opened) => Ok(Some(TokioIo::new(opened.await.map_err(io::Error::other)?))),
            None => Ok(None),
        }
    }
}

/// What a connection's HTTP goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Below {
    /// TCP, where there is no TLS.
    Plain,
    /// TCP, on a port of TLS: it may only become a tunnel.
    PlainBesideTls,
    Tls,
    /// TLS in a tunnel.
    Tunnel,
}

/// The tunnel that a connection can become.
struct Tunnel {
    below: Below,
    /// The address of this machine that was called.
    here: IpAddr,
    names: Arc<Names>,
    opened: Mutex<Option<OnUpgrade>>,
}

impl Tunnel {
    /// What is answered without the router: to a `CONNECT`, and to all else that comes without TLS beside it.
    fn answer(&self, request: &mut Request<Incoming>) -> Option<Response> {
        if request.method() == Method::CONNECT {
            return Some(self.connect(request));
        }
        if self.below != Below::PlainBesideTls {
            return None;
        }
        let text = "this port takes HTTPS: use https://; without TLS it takes CONNECT alone";
        let mut response = wire::error(StatusCode::BAD_REQUEST, text);
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
        Some(response)
    }

    fn connect(&self, request: &mut Request<Incoming>) -> Response {
        let authority = request.uri().authority();
        let host = host_of(authority.map_or("", |authority| authority.as_str()));
        let refused = |text: &str| wire::error(StatusCode::FORBIDDEN, text);
        match self.below {
            Below::Plain => {
                let text = "a tunnel needs a certificate: start the emulator with TLS (--tls)";
                return wire::error(StatusCode::NOT_IMPLEMENTED, text);
            }
            Below::Tunnel => return refused("a tunnel leads to the emulator already"),
            Below::Tls | Below::PlainBesideTls => {}
        }
        let called = || host.trim_matches(['[', ']']).parse() == Ok(self.here.to_canonical());
        if !self.names.certifies(host) && !called() {
            let host = shown_path(host);
            return refused(&format!(
                "the emulator stands for this machine and the hosts of the service, and not for {host:?}: give it \
                 other names when it starts (--name)"
            ));
        }
        *self.opened.lock() = Some(hyper::upgrade::on(request));
        Response::default()
    }
}
