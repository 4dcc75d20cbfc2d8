//! `CONNECT`: a tunnel to the emulator itself, whichever of its certificate's names is asked for. So a client whose
//! host is fixed is pointed at the emulator by `HTTPS_PROXY`, and trusts its authority.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::response::Response;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, StatusCode};

use crate::admin::sorry;
use crate::log;
use crate::names::{Names, host_of};

/// What lies below the HTTP of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Below {
    /// Nothing, and no certificate for more.
    Plain,
    /// Nothing, on a port of TLS: only a tunnel is opened.
    PlainBesideTls,
    Tls,
    Tunnel,
}

/// The one tunnel that a connection can become.
pub(crate) struct Tunnel {
    pub(crate) below: Below,
    /// The address of this machine that was called.
    pub(crate) here: IpAddr,
    pub(crate) names: Arc<Names>,
    opened: Mutex<Option<OnUpgrade>>,
}

impl Tunnel {
    pub(crate) fn new(below: Below, here: IpAddr, names: Arc<Names>) -> Tunnel {
        Tunnel {
            below,
            here,
            names,
            opened: Mutex::default(),
        }
    }

    /// What is answered without the router: to a `CONNECT`, and to all else that comes without TLS beside it.
    pub(crate) fn answer(&self, request: &mut Request<Incoming>) -> Option<Response> {
        if request.method() == Method::CONNECT {
            return Some(self.connect(request));
        }
        if self.below != Below::PlainBesideTls {
            return None;
        }
        let text = "this port takes HTTPS: use https://; without TLS it takes CONNECT alone";
        let mut response = sorry(StatusCode::BAD_REQUEST, text);
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
        Some(response)
    }

    fn connect(&self, request: &mut Request<Incoming>) -> Response {
        let authority = request.uri().authority();
        let host = host_of(authority.map_or("", |authority| authority.as_str()));
        let refused = |text: &str| sorry(StatusCode::FORBIDDEN, text);
        match self.below {
            Below::Plain => {
                let text = "a tunnel needs a certificate: start the emulator with TLS (--tls)";
                return sorry(StatusCode::NOT_IMPLEMENTED, text);
            }
            Below::Tunnel => return refused("a tunnel leads to the emulator already"),
            Below::Tls | Below::PlainBesideTls => {}
        }
        let called = || host.trim_matches(['[', ']']).parse() == Ok(self.here.to_canonical());
        if !self.names.certifies(host) && !called() {
            let host = log::shown_path(host);
            return refused(&format!(
                "the emulator stands for this machine and the hosts of the service, and not for {host:?}: give it \
                 other names when it starts (--name)"
            ));
        }
        *self.lock() = Some(hyper::upgrade::on(request));
        Response::default()
    }

    /// The tunnel, once it was opened.
    pub(crate) fn take(&self) -> Option<OnUpgrade> {
        self.lock().take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<OnUpgrade>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
