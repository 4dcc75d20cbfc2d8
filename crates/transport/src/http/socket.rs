//! A TCP connection as ureq's transport. The socket is non-blocking; each wait is one `poll`, which ends at the deadline
//! or when a cancel shuts the socket.
//!
//! ureq writes in pieces (head, body, TLS records). They are collected in a [`WriteBuffer`] and leave in one `write` when
//! ureq waits for the answer. Only std's `write` is used: it sets MSG_NOSIGNAL, so a closed peer does not kill the process.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};
use zeroize::Zeroize;

use crate::error::Phase;
use crate::wait::{WaitEnd, WaitScope};

use super::context::{ExchangeContext, TransportError};

/// Which idle connections of a client are still trusted. A connection is seldom dead alone: a restart of the service or a
/// proxy, or a NAT that forgot it, ends all idle connections. So the first dead one ends an epoch: a connection that went
/// idle in it or before is not used again. Clones share one state.
#[derive(Debug, Clone, Default)]
pub(super) struct Epoch(Arc<AtomicU64>);

impl Epoch {
    /// The epoch of a connection that goes idle now.
    pub(super) fn current(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// A connection that went idle in `epoch` is dead. Connections of a later epoch stay.
    pub(super) fn end(&self, epoch: u64) {
        self.0.fetch_max(epoch + 1, Ordering::Relaxed);
    }
}

pub(super) struct Socket {
    stream: Arc<TcpStream>,
    buffers: LazyBuffers,
    /// Written by ureq, not yet sent.
    write_buffer: WriteBuffer,
    /// An answer has just been read, so the connection is alive.
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
            write_buffer: WriteBuffer::default(),
            just_read: false,
            epoch,
            idle_in: 0,
        }
    }

    fn flush(&mut self) -> Result<(), ureq::Error> {
        let wait_scope = ExchangeContext::with(|context| context.wait_scope());
        // nothing is sent after the deadline, which may have passed since the last wait
        wait_scope.check().map_err(stopped)?;
        let mut left = self.write_buffer.bytes();
        while !left.is_empty() {
            match (&*self.stream).write(left) {
                Ok(written) => {
                    left = &left[written..];
                    ExchangeContext::with(|context| context.sent |= context.phase == Phase::Write);
                }
                Err(error) => wait_or_fail(error, &self.stream, PollFlags::OUT, &wait_scope)?,
            }
        }
        self.write_buffer.clear();
        ExchangeContext::with(|context| {
            if context.phase == Phase::Write {
                context.phase = Phase::Read;
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
        let usersig_bytes = ExchangeContext::with(|context| context.usersig_bytes());
        self.write_buffer.add(output, usersig_bytes);
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        if !self.write_buffer.is_empty() {
            self.flush()?;
        }
        let wait_scope = ExchangeContext::with(|context| context.wait_scope());
        wait(&self.stream, PollFlags::IN, &wait_scope)?;
        loop {
            match (&*self.stream).read(self.buffers.input_append_buf()) {
                Ok(read) => {
                    self.buffers.input_appended(read);
                    self.just_read = read > 0;
                    return Ok(read > 0);
                }
                Err(error) => wait_or_fail(error, &self.stream, PollFlags::IN, &wait_scope)?,
            }
        }
    }

    /// ureq asks when a connection goes back to the pool, and when the next call takes it out.
    fn is_open(&mut self) -> bool {
        if !self.buffers.input().is_empty() {
            return false;
        }
        if std::mem::take(&mut self.just_read) {
            self.idle_in = self.epoch.current();
            ExchangeContext::with(ExchangeContext::release_connection);
            return true;
        }
        let unwanted = ExchangeContext::with(|context| context.over_new_connection);
        if unwanted || self.idle_in < self.epoch.current() {
            return false;
        }
        // anything else than "would block" is the end, an error, or bytes that no request asked for
        let nothing = self.stream.peek(&mut [0]);
        let alive = nothing.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        if alive {
            ExchangeContext::with(|context| {
                context.pooled_in = Some(self.idle_in);
                context.phase = Phase::Write;
                context.watch(&self.stream);
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

/// After a read or write that failed: waits if it would block, else returns the error.
fn wait_or_fail(
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
            _ => fail(TransportError::Network(error)),
        }),
    }
}

fn wait(stream: &TcpStream, event: PollFlags, wait_scope: &WaitScope) -> Result<(), ureq::Error> {
    ready(stream, event, wait_scope).map_err(fail)
}

fn stopped(stop: WaitEnd) -> ureq::Error {
    fail(TransportError::Stopped(stop))
}

fn fail(error: TransportError) -> ureq::Error {
    ExchangeContext::with(|context| context.failed(error))
}

/// Waits until the socket is ready for `event`, or has failed.
pub(super) fn ready(
    stream: &TcpStream,
    event: PollFlags,
    wait_scope: &WaitScope,
) -> Result<(), TransportError> {
    loop {
        wait_scope.check().map_err(TransportError::Stopped)?;
        let left = wait_scope.wait_at_most(wait_scope.deadline);
        let left = Timespec::try_from(left).ok(); // a wait too long for the system's clock is endless
        let mut socket = [PollFd::from_borrowed_fd(stream.as_fd(), event)];
        match poll(&mut socket, left.as_ref()) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return wait_scope.check().map_err(TransportError::Stopped),
            Err(error) => return Err(TransportError::Network(error.into())),
        }
    }
}

/// Enough for a request's head without its UserSig.
const HEAD_BYTES: usize = 1024;

/// What leaves in one write: a request's head and body, or TLS records. The head holds the UserSig in the clear, so it is
/// wiped from memory. The body is not wiped: that would cost more than sending it.
#[derive(Default)]
pub(super) struct WriteBuffer {
    bytes: Vec<u8>,
    /// How many of the first bytes are wiped.
    secret: usize,
}

impl WriteBuffer {
    /// Adds a part. `usersig_bytes` is the length of the UserSig, which the first part may hold.
    pub(super) fn add(&mut self, part: &[u8], usersig_bytes: usize) {
        self.secret = HEAD_BYTES + usersig_bytes;
        let needed = self.bytes.len() + part.len();
        if needed > self.bytes.capacity() {
            // a vector that grows by itself leaves a copy of the secret behind
            let mut larger = Vec::with_capacity(needed.next_power_of_two());
            larger.extend_from_slice(&self.bytes);
            self.wipe();
            self.bytes = larger;
        }
        self.bytes.extend_from_slice(part);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Wipes and drops what has been sent.
    pub(super) fn clear(&mut self) {
        self.wipe();
        self.bytes.clear();
    }

    fn wipe(&mut self) {
        let secret = self.secret.min(self.bytes.len());
        self.bytes[..secret].zeroize();
    }
}

impl Drop for WriteBuffer {
    fn drop(&mut self) {
        self.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stay_in_order_however_the_buffer_grows() {
        let mut write_buffer = WriteBuffer::default();
        let mut expected = Vec::new();
        for round in 0..200_u8 {
            let part = vec![round; usize::from(round) * 3];
            write_buffer.add(&part, 10);
            expected.extend(part);
        }
        assert_eq!(write_buffer.bytes(), expected);
        write_buffer.clear();
        assert!(write_buffer.is_empty());
    }

    #[test]
    fn the_head_is_wiped_and_its_length_kept() {
        let mut write_buffer = WriteBuffer::default();
        write_buffer.add(b"GET /?usersig=hush HTTP/1.1", 4);
        write_buffer.wipe();
        assert_eq!(write_buffer.bytes(), [0; 27]);
        write_buffer.add(&[7; 2_000], 4);
        write_buffer.wipe();
        assert!(write_buffer.bytes()[..1_028].iter().all(|byte| *byte == 0));
        assert!(write_buffer.bytes()[1_028..].iter().all(|byte| *byte == 7));
    }

    #[test]
    fn an_epoch_ends_once_however_many_of_its_connections_die() {
        let epoch = Epoch::default();
        let its = epoch.clone();
        for _ in 0..3 {
            its.end(0);
        }
        assert_eq!(epoch.current(), 1);
        its.end(1);
        assert_eq!(epoch.current(), 2);
    }
}
