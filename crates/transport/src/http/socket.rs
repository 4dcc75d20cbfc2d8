//! A TCP connection as ureq's transport. The socket never blocks by itself; each wait is one `poll` that ends at the
//! deadline, or when a cancel shuts the socket.
//!
//! What ureq writes in pieces (head, body, TLS records) is gathered and leaves in one `write` when the answer is
//! awaited. Only plain `write` is used: std's carries MSG_NOSIGNAL, so that a closed peer does not kill the process.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

use crate::Phase;
use crate::wait::{WaitEnd, WaitScope};

use super::attempt::{Attempt, Trouble};
use super::epoch::Epoch;
use super::gathered::Gathered;

pub(super) struct Socket {
    stream: Arc<TcpStream>,
    buffers: LazyBuffers,
    /// Written by ureq, not yet to the socket.
    gathered: Gathered,
    /// The answer has just been read: there is no need to ask the system whether the connection lives.
    just_read: bool,
    epoch: Epoch,
    /// The epoch in which it went idle.
    idle_in: u64,
}

impl Socket {
    /// Takes a connected socket that does not block.
    pub(super) fn new(stream: Arc<TcpStream>, buffer_bytes: usize, epoch: Epoch) -> Socket {
        Socket {
            stream,
            buffers: LazyBuffers::new(buffer_bytes, buffer_bytes),
            gathered: Gathered::default(),
            just_read: false,
            epoch,
            idle_in: 0,
        }
    }

    fn write_gathered(&mut self) -> Result<(), ureq::Error> {
        let wait_scope = Attempt::with(|attempt| attempt.wait_scope());
        // the time may have come between the last wait and here, and nothing is to be sent after it
        wait_scope.check().map_err(stopped)?;
        let mut left = self.gathered.bytes();
        while !left.is_empty() {
            match (&*self.stream).write(left) {
                Ok(written) => {
                    left = &left[written..];
                    Attempt::with(|attempt| attempt.sent |= attempt.phase == Phase::Write);
                }
                Err(error) => after(error, &self.stream, PollFlags::OUT, &wait_scope)?,
            }
        }
        self.gathered.clear();
        Attempt::with(|attempt| {
            if attempt.phase == Phase::Write {
                attempt.phase = Phase::Read;
            }
        });
        Ok(())
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let output = &self.buffers.output()[..amount];
        let usersig_bytes = Attempt::with(|attempt| attempt.usersig_bytes());
        self.gathered.add(output, usersig_bytes);
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        if !self.gathered.is_empty() {
            self.write_gathered()?;
        }
        let wait_scope = Attempt::with(|attempt| attempt.wait_scope());
        wait(&self.stream, PollFlags::IN, &wait_scope)?;
        loop {
            match (&*self.stream).read(self.buffers.input_append_buf()) {
                Ok(read) => {
                    self.buffers.input_appended(read);
                    self.just_read = read > 0;
                    return Ok(read > 0);
                }
                Err(error) => after(error, &self.stream, PollFlags::IN, &wait_scope)?,
            }
        }
    }

    /// Asked when a connection goes back to the pool, and when it is taken out of it for the next call.
    fn is_open(&mut self) -> bool {
        if !self.buffers.input().is_empty() {
            return false;
        }
        if std::mem::take(&mut self.just_read) {
            self.idle_in = self.epoch.current();
            Attempt::with(Attempt::leave_connection);
            return true;
        }
        let unwanted = Attempt::with(|attempt| attempt.over_new_connection);
        if unwanted || self.idle_in < self.epoch.current() {
            return false;
        }
        // anything but "nothing to read" is an end, an error, or bytes that nobody asked for
        let nothing = self.stream.peek(&mut [0]);
        let alive = nothing.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        if alive {
            Attempt::with(|attempt| {
                attempt.pooled_in = Some(self.idle_in);
                attempt.phase = Phase::Write;
                attempt.watch(&self.stream);
            });
        }
        alive
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.stream).finish()
    }
}

/// After a read or write that failed: waits where it would have blocked, else reports.
fn after(
    error: io::Error,
    stream: &TcpStream,
    event: PollFlags,
    wait_scope: &WaitScope,
) -> Result<(), ureq::Error> {
    match error.kind() {
        io::ErrorKind::WouldBlock => wait(stream, event, wait_scope),
        io::ErrorKind::Interrupted => Ok(()),
        _ => Err(match wait_scope.check() {
            Err(WaitEnd::Cancelled) => stopped(WaitEnd::Cancelled),
            _ => fail(Trouble::Network(error)),
        }),
    }
}

fn wait(stream: &TcpStream, event: PollFlags, wait_scope: &WaitScope) -> Result<(), ureq::Error> {
    ready(stream, event, wait_scope).map_err(fail)
}

fn stopped(stop: WaitEnd) -> ureq::Error {
    fail(Trouble::Stopped(stop))
}

fn fail(trouble: Trouble) -> ureq::Error {
    Attempt::with(|attempt| attempt.failed(trouble))
}

/// Waits until the socket is ready for `event`, or has failed.
pub(super) fn ready(
    stream: &TcpStream,
    event: PollFlags,
    wait_scope: &WaitScope,
) -> Result<(), Trouble> {
    loop {
        wait_scope.check().map_err(Trouble::Stopped)?;
        let left = wait_scope.wait_at_most(wait_scope.deadline);
        let left = Timespec::try_from(left).ok(); // a wait longer than the system's clock holds is one without end
        let mut socket = [PollFd::from_borrowed_fd(stream.as_fd(), event)];
        match poll(&mut socket, left.as_ref()) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return wait_scope.check().map_err(Trouble::Stopped),
            Err(error) => return Err(Trouble::Network(error.into())),
        }
    }
}
