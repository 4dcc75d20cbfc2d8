//! What goes on over a connection that was accepted: TLS, HTTP, and a tunnel in either.
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
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::{Service, service_fn};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use imtag_local_server::{Authority, Connection, Names, RequestBody, host_of};
use imtag_wire::shown_path;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::handler::Context;
use crate::wire::{self, Line, Wire};

/// What all connections are served with.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) context: Context,
    pub(crate) router: Router,
    pub(crate) tls: Option<Arc<Authority>>,
}

impl Server {
    /// Serves a connection that was accepted.
    pub(crate) async fn serve(self, connection: Connection) -> io::Result<()> {
        let socket = connection.socket();
        let here = socket.here().ok_or(io::ErrorKind::NotConnected)?;
        let tunnel = |below| Tunnel {
            below,
            here,
            names: Arc::clone(&self.context.names),
            opened: Mutex::default(),
        };
        let Some(tls) = &self.tls else {
            self.http(&connection, socket, tunnel(Below::Plain)).await?;
            return Ok(());
        };
        let config = || tls.config(here).map_err(io::Error::other);
        let opened = if connection.begins_tls().await? {
            let stream = connection.tls(config()?, socket).await?;
            self.http(&connection, stream, tunnel(Below::Tls)).await?
        } else {
            self.http(&connection, socket, tunnel(Below::PlainBesideTls))
                .await?
        };
        if let Some(stream) = opened {
            let stream = connection.tls(config()?, stream).await?;
            self.http(&connection, stream, tunnel(Below::Tunnel))
                .await?;
        }
        Ok(())
    }

    /// Serves HTTP until the connection ends, or becomes a tunnel.
    async fn http<S>(
        &self,
        connection: &Connection,
        stream: S,
        tunnel: Tunnel,
    ) -> io::Result<Option<TokioIo<Upgraded>>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let line = Line::new(connection.peer());
        let router = TowerToHyperService::new(self.router.clone());
        let wire = Wire {
            stream,
            line: Arc::clone(&line),
            pause: None,
        };
        let service = service_fn(|mut request: Request<RequestBody>| {
            let answered = tunnel.answer(&mut request);
            request.extensions_mut().insert(Arc::clone(&line));
            let router = router.clone();
            async move {
                match answered {
                    Some(response) => Ok(response),
                    None => router.call(request).await,
                }
            }
        });
        tokio::select! {
            served = connection.http(wire, service) => served?,
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
    fn answer(&self, request: &mut Request<RequestBody>) -> Option<Response> {
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

    fn connect(&self, request: &mut Request<RequestBody>) -> Response {
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
