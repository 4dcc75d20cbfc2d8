//! Opens a connection: tries each of the host's addresses in turn until the deadline or a cancel.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use rustix::event::PollFlags;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Type};
use ureq::unversioned::transport::{ConnectionDetails, Connector};

use crate::error::{Phase, is_local_failure};
use crate::wait::WaitEnd;

use super::context::{ExchangeContext, TransportError};
use super::resolve::Addresses;
use super::socket::{Epoch, Socket, ready};

#[derive(Debug)]
pub(super) struct Connect {
    /// Connects to loopback addresses only, whatever the name resolves to: set for plain HTTP.
    pub(super) loopback_only: bool,
    /// Notified when none of them answers.
    pub(super) addresses: Addresses,
    pub(super) epoch: Epoch,
}

impl Connector for Connect {
    type Out = Socket;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Socket>, ureq::Error> {
        ExchangeContext::with(|context| context.phase = Phase::Connect);
        let stream = self.first_that_answers(&details.addrs).map_err(|error| {
            if !matches!(error, TransportError::Refused(_)) {
                self.addresses.failed();
            }
            ExchangeContext::with(|context| context.failed(error))
        })?;
        ExchangeContext::with(|context| context.phase = Phase::Handshake);
        let buffer_bytes = details.config.input_buffer_size();
        let epoch = self.epoch.clone();
        Ok(Some(Socket::new(stream, buffer_bytes, epoch)))
    }
}

impl Connect {
    fn first_that_answers(
        &self,
        addresses: &[SocketAddr],
    ) -> Result<Arc<TcpStream>, TransportError> {
        let mut last = TransportError::Network(io::Error::other("the host has no address"));
        // an address failed for a reason other than a refused socket
        let mut failed_otherwise = false;
        for (index, address) in addresses.iter().enumerate() {
            if self.loopback_only && !address.ip().is_loopback() {
                last = TransportError::Network(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    format!("plain HTTP is for this machine only, and the host is at {address}"),
                ));
                continue;
            }
            match open(*address, addresses.len() - index) {
                Ok(stream) => return Ok(stream),
                // a machine without IPv6 refuses a socket for an IPv6 address: that is no shortage
                Err(TransportError::Refused(_)) if failed_otherwise => {}
                Err(error) => {
                    failed_otherwise |= !matches!(error, TransportError::Refused(_));
                    last = error;
                }
            }
            // the next address is tried if only this one's share of the time is up
            let wait_scope = ExchangeContext::with(|context| context.wait_scope());
            wait_scope.check().map_err(TransportError::Stopped)?;
        }
        Err(last)
    }
}

/// Connects to one address, within its share of the time that is left for `addresses` addresses.
fn open(address: SocketAddr, addresses: usize) -> Result<Arc<TcpStream>, TransportError> {
    let wait_scope = ExchangeContext::with(|context| context.wait_scope());
    let now = Instant::now();
    let share = wait_scope.deadline.saturating_duration_since(now)
        / u32::try_from(addresses).unwrap_or(u32::MAX);
    let wait_scope = wait_scope.at_most(now + share);

    let (stream, connected) = start(address).map_err(|error| {
        if is_local_failure(&error) {
            TransportError::Refused(error)
        } else {
            TransportError::Network(error)
        }
    })?;
    let stream = Arc::new(stream);
    ExchangeContext::with(|context| context.watch(&stream));
    if !connected {
        ready(&stream, PollFlags::OUT, &wait_scope)?;
        if let Some(error) = stream.take_error().map_err(TransportError::Network)? {
            return Err(TransportError::Network(error));
        }
    }
    // a cancel may have shut the socket before it was connected
    match wait_scope.check() {
        Err(WaitEnd::Cancelled) => Err(TransportError::Stopped(WaitEnd::Cancelled)),
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
