//! Opens a connection to one host: tries each of its addresses in turn until the deadline or a cancel, or each of the
//! proxy's that leads to it, and then TLS.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::{
    ALL_VERSIONS, ClientConfig, ClientConnection, ConfigBuilder, RootCertStore, WantsVerifier,
};
use socket2::{Domain, Protocol, Type};

use crate::endpoint::Endpoint;
use crate::error::{Cause, Phase, ProxyFailure};
use crate::event::event;
use crate::proxy::Proxy;

use super::connection::Connection;
use super::context::Context;
use super::resolve::{Addresses, Resolver};
use super::tunnel;

/// How TLS connections are made: checked, and the same in each process. What sessions share is made for each process.
pub(crate) struct Tls {
    config: ConfigBuilder<ClientConfig, WantsVerifier>,
    roots: Arc<RootCertStore>,
}

impl Tls {
    /// Without `roots`, the public ones are trusted. Fails if the provider that the host has installed has no cipher suites
    /// or no key exchange to use.
    pub(crate) fn new(roots: Option<RootCertStore>) -> Result<Tls, rustls::Error> {
        let public = || webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        let provider = CryptoProvider::get_default().cloned();
        let provider = provider.unwrap_or_else(|| Arc::new(ring::default_provider()));
        Ok(Tls {
            config: ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(ALL_VERSIONS)?,
            roots: Arc::new(roots.unwrap_or_else(public)),
        })
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        let config = self.config.clone();
        let config = config.with_root_certificates(Arc::clone(&self.roots));
        Arc::new(config.with_no_client_auth())
    }
}

/// A host of the service, and the way there.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) endpoint: Endpoint,
    pub(crate) proxy: Option<Arc<Proxy>>,
}

impl Host {
    /// What is looked up and connected to: the proxy, if there is one.
    fn called(&self) -> &Endpoint {
        let proxy = self.proxy.as_ref();
        proxy.map_or(&self.endpoint, |proxy| &proxy.endpoint)
    }
}

pub(super) struct Connector {
    host: Host,
    /// The host's, or the proxy's if it has one.
    addresses: Arc<Addresses>,
    /// `None`: plain HTTP, which connects to loopback addresses only, whatever the name resolves to.
    tls: Option<Arc<ClientConfig>>,
}

impl Connector {
    pub(super) fn new(
        host: Host,
        tls: Option<Arc<ClientConfig>>,
        resolver: &Resolver,
    ) -> Connector {
        Connector {
            addresses: Addresses::new(host.called(), resolver),
            tls: tls.filter(|_| host.endpoint.is_tls()),
            host,
        }
    }

    pub(super) fn connect(&self, context: &mut Context) -> Result<Connection, Cause> {
        let mut connection = match &self.host.proxy {
            None => {
                context.host_begins();
                self.reach([Phase::Resolve, Phase::Connect], context)?
            }
            Some(proxy) => {
                let reached = self.reach([Phase::Proxy; 2], context);
                let reached = reached.and_then(|mut connection| {
                    if proxy.endpoint.is_tls() {
                        self.secure(&mut connection, &proxy.endpoint, context)?;
                    }
                    Ok(connection)
                });
                let mut connection =
                    reached.map_err(|cause| cause.of_proxy(ProxyFailure::Unreachable))?;
                context.enter(Phase::Tunnel, &self.host.endpoint);
                let opened = tunnel::open(&mut connection, proxy, &self.host.endpoint, context);
                opened.map_err(|cause| cause.of_proxy(ProxyFailure::NoTunnel))?;
                connection
            }
        };
        if self.tls.is_some() {
            context.enter(Phase::Handshake, &self.host.endpoint);
        }
        self.secure(&mut connection, &self.host.endpoint, context)?;
        context.enter(Phase::Write, &self.host.endpoint);
        Ok(connection)
    }

    /// The host's name.
    pub(super) fn name(&self) -> &str {
        self.host.endpoint.host()
    }

    /// The proxy on the way to it.
    pub(super) fn proxy(&self) -> Option<&Proxy> {
        self.host.proxy.as_deref()
    }

    /// No connection to the host was made, and calls go to another one.
    pub(super) fn forget_addresses(&self) {
        self.addresses.forget();
    }

    /// Looks up the host, or the proxy, and connects to it.
    fn reach(&self, phases: [Phase; 2], context: &mut Context) -> Result<Connection, Cause> {
        context.enter(phases[0], self.host.called());
        let addresses = self.addresses.current(context)?;
        if let Some(trace) = &mut context.trace {
            trace.addresses(addresses.iter().copied());
        }
        context.enter(phases[1], self.host.called());
        let stream = self.first_that_answers(&addresses, context);
        let stream = stream.inspect_err(|cause| {
            context.refused = cause.is_local_failure();
            if !context.refused {
                self.addresses.failed();
            }
        })?;
        if let Some(trace) = &mut context.trace {
            trace.addresses(stream.peer_addr());
        }
        Ok(Connection::new(stream))
    }

    /// Makes the handshake with an endpoint, if the host is called by HTTPS.
    fn secure(
        &self,
        connection: &mut Connection,
        endpoint: &Endpoint,
        context: &mut Context,
    ) -> Result<(), Cause> {
        let Some(config) = &self.tls else {
            return Ok(());
        };
        let name = ServerName::try_from(endpoint.host().to_owned());
        let name = name.map_err(|error| Cause::Tls(error.into()))?;
        let session = ClientConnection::new(Arc::clone(config), name);
        let session = session.map_err(|error| Cause::Tls(error.into()))?;
        connection.secure(session, context)
    }

    fn first_that_answers(
        &self,
        addresses: &[SocketAddr],
        context: &mut Context,
    ) -> Result<Arc<TcpStream>, Cause> {
        let mut last = context.network(io::Error::other("the host has no address"));
        // an address failed for a reason other than a refused socket
        let mut failed_otherwise = false;
        for (index, address) in addresses.iter().enumerate() {
            if self.tls.is_none() && !address.ip().to_canonical().is_loopback() {
                last = context.network(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    format!("plain HTTP is for this machine only, and the host is at {address}"),
                ));
                continue;
            }
            match open(*address, addresses.len() - index, context) {
                Ok(stream) => return Ok(stream),
                // a machine without IPv6 refuses a socket for an IPv6 address: that is no shortage
                Err(cause) if failed_otherwise && cause.is_local_failure() => {}
                Err(cause) => {
                    failed_otherwise |= !cause.is_local_failure();
                    last = cause;
                }
            }
            let (address, detail) = (address.to_string(), last.detail());
            event!(
                debug,
                address,
                cause = last.name(),
                detail,
                "address failed"
            );
            // the next address is tried if only this one's share of the time is up
            context.check()?;
        }
        Err(last)
    }
}

/// Connects to one address, within its share of the time that is left for `addresses` addresses.
fn open(
    address: SocketAddr,
    addresses: usize,
    context: &mut Context,
) -> Result<Arc<TcpStream>, Cause> {
    let wait_scope = context.wait_scope();
    let now = Instant::now();
    let share = wait_scope.deadline.saturating_duration_since(now)
        / u32::try_from(addresses).unwrap_or(u32::MAX);
    let wait_scope = wait_scope.at_most(now + share);

    let (stream, connected) = start(address).map_err(|error| context.network(error))?;
    let stream = Arc::new(stream);
    context.watch(&stream);
    if !connected {
        context.ready_within(&stream, PollFlags::OUT, &wait_scope)?;
        let error = stream
            .take_error()
            .and_then(|error| error.map_or(Ok(()), Err));
        error.map_err(|error| context.network(error))?;
    }
    // a cancel may have shut the socket before it was connected
    match context.check() {
        Err(cause @ Cause::Cancelled { .. }) => Err(cause),
        _ => Ok(stream),
    }
}

/// Starts to connect; returns whether it is connected already.
fn start(address: SocketAddr) -> io::Result<(TcpStream, bool)> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    let connected = match socket.connect(&address.into()) {
        Ok(()) => true,
        Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => false,
        Err(error) => return Err(error),
    };
    Ok((socket.into(), connected))
}
