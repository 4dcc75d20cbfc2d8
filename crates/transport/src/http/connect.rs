//! Opening a connection: each of the host's addresses in turn, within the deadline, ended at once by a cancel.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use rustix::event::PollFlags;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Type};
use ureq::unversioned::transport::{ConnectionDetails, Connector};

use crate::Phase;
use crate::wait::WaitEnd;

use super::addresses::Addresses;
use super::attempt::{Attempt, Trouble};
use super::epoch::Epoch;
use super::slots::is_refusal_of_this_machine;
use super::socket::{Socket, ready};

#[derive(Debug)]
pub(super) struct Connect {
    /// Whether only addresses of this machine may be connected to, whatever a name is looked up as.
    pub(super) loopback_only: bool,
    /// Told when none of them answers.
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
        Attempt::with(|attempt| attempt.phase = Phase::Connect);
        let stream = self.first_that_answers(&details.addrs).map_err(|trouble| {
            if !matches!(trouble, Trouble::Refused(_)) {
                self.addresses.failed();
            }
            Attempt::with(|attempt| attempt.failed(trouble))
        })?;
        Attempt::with(|attempt| attempt.phase = Phase::Handshake);
        let buffer_bytes = details.config.input_buffer_size();
        let epoch = self.epoch.clone();
        Ok(Some(Socket::new(stream, buffer_bytes, epoch)))
    }
}

impl Connect {
    fn first_that_answers(&self, addresses: &[SocketAddr]) -> Result<Arc<TcpStream>, Trouble> {
        let mut last = Trouble::Network(io::Error::other("the host has no address"));
        // whether any failed for another reason than that this machine refuses a socket
        let mut any_else = false;
        for (index, address) in addresses.iter().enumerate() {
            if self.loopback_only && !address.ip().is_loopback() {
                last = Trouble::Network(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    format!("plain HTTP is for this machine only, and the host is at {address}"),
                ));
                continue;
            }
            match open(*address, addresses.len() - index) {
                Ok(stream) => return Ok(stream),
                // a machine without IPv6 refuses a socket for an address of it, and that is no lack
                Err(Trouble::Refused(_)) if any_else => {}
                Err(trouble) => {
                    any_else |= !matches!(trouble, Trouble::Refused(_));
                    last = trouble;
                }
            }
            // a share that is used up is not the end, but the call's own deadline or a cancel is
            let wait_scope = Attempt::with(|attempt| attempt.wait_scope());
            wait_scope.check().map_err(Trouble::Stopped)?;
        }
        Err(last)
    }
}

/// Connects to one address, within its share of the time that `addresses` addresses have left.
fn open(address: SocketAddr, addresses: usize) -> Result<Arc<TcpStream>, Trouble> {
    let wait_scope = Attempt::with(|attempt| attempt.wait_scope());
    let now = Instant::now();
    let share = wait_scope.deadline.saturating_duration_since(now)
        / u32::try_from(addresses).unwrap_or(u32::MAX);
    let wait_scope = wait_scope.at_most(now + share);

    let (stream, connected) = start(address).map_err(|error| {
        if is_refusal_of_this_machine(&error) {
            Trouble::Refused(error)
        } else {
            Trouble::Network(error)
        }
    })?;
    let stream = Arc::new(stream);
    Attempt::with(|attempt| attempt.watch(&stream));
    if !connected {
        ready(&stream, PollFlags::OUT, &wait_scope)?;
        if let Some(error) = stream.take_error().map_err(Trouble::Network)? {
            return Err(Trouble::Network(error));
        }
    }
    // a cancel may have shut the socket before it was connected
    match wait_scope.check() {
        Err(WaitEnd::Cancelled) => Err(Trouble::Stopped(WaitEnd::Cancelled)),
        _ => Ok(stream),
    }
}

/// Begins to connect; says whether that is already done.
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
