//! A connection: TCP, and TLS over it for HTTPS; with a proxy that is called by HTTPS, TLS within TLS. The socket is non-blocking; each wait is one `poll`, which ends at the
//! deadline or when a cancel shuts the socket.
//!
//! A request leaves in one `sendmsg`, its head and its body from where they are, with the end of the handshake before it.
//! Each carries MSG_NOSIGNAL, so a closed peer does not kill the process. An answer is awaited before it is read: it is
//! hardly ever there yet, so a read before the wait would be one system call more.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::event::PollFlags;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};
use rustls::ClientConnection;
use zeroize::Zeroizing;

use crate::error::{Cause, Phase};

use super::context::Context;

/// How much is read at once. Answers are short.
const READ_BYTES: usize = 16 * 1024;

/// A closed peer is an error, and no signal.
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
/// There it is an option of each socket, which is set when it is made.
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: SendFlags = SendFlags::empty();

pub(super) struct Connection {
    pub(super) stream: Arc<TcpStream>,
    /// From the socket upwards: with a proxy, where that has one, and with the service.
    sessions: Vec<TlsSession>,
    /// Which of the client's hosts it leads to.
    pub(super) host: usize,
    /// The head of the request under way, which holds the UserSig.
    pub(super) head: Zeroizing<Vec<u8>>,
    /// What has arrived, decrypted, since the last request.
    pub(super) arrived: Vec<u8>,
    /// The server sends nothing more.
    pub(super) closed: bool,
    /// The last answer was read in full, and the server keeps the connection.
    pub(super) reusable: bool,
}

struct TlsSession {
    session: ClientConnection,
    /// Records to write.
    records: Vec<u8>,
    /// Records that have arrived.
    received: Vec<u8>,
}

impl Connection {
    /// Takes a connected socket that does not block.
    pub(super) fn new(stream: Arc<TcpStream>) -> Connection {
        Connection {
            stream,
            sessions: Vec::new(),
            host: 0,
            head: Zeroizing::default(),
            arrived: Vec::new(),
            closed: false,
            reusable: false,
        }
    }

    /// Speaks TLS from here on, over all that it speaks by now.
    pub(super) fn secure(
        &mut self,
        session: ClientConnection,
        context: &mut Context,
    ) -> Result<(), Cause> {
        self.sessions.push(TlsSession {
            session,
            records: Vec::new(),
            received: Vec::new(),
        });
        let is_handshaking = |tls: &TlsSession| tls.session.is_handshaking();
        while self.sessions.last().is_some_and(is_handshaking) {
            if self.closed {
                return Err(context.disconnected());
            }
            self.write_records(context)?;
            self.read(context)?;
        }
        Ok(())
    }

    /// True if an idle connection still looks open.
    pub(super) fn is_alive(&self) -> bool {
        // anything else than "would block" is the end, an error, or bytes that no request asked for
        let nothing = self.stream.peek(&mut [0]);
        nothing.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends `head` and a body, in one system call if the socket takes them.
    pub(super) fn send(&mut self, body: &[u8], context: &mut Context) -> Result<(), Cause> {
        if !self.arrived.is_empty() {
            // these bytes belong to the exchange before: the server has not seen this request yet
            let stray = "the server had sent more than its last answer";
            return Err(context.network(io::Error::new(io::ErrorKind::InvalidData, stray)));
        }
        self.reusable = false;
        // nothing is sent after the deadline, which may have passed since the last wait
        context.check()?;
        let request = [self.head.as_slice(), body];
        match self.sessions.last_mut() {
            None => write(&self.stream, request, context),
            Some(tls) => {
                let encrypted = tls.encrypt(request);
                encrypted.map_err(|error| context.network(error))?;
                self.write_records(context)
            }
        }
    }

    /// An answer was read in full, so many bytes of what has arrived.
    pub(super) fn answered(&mut self, bytes: usize, is_kept: bool) {
        self.reusable = is_kept && bytes == self.arrived.len() && !self.closed;
        if self.reusable {
            self.arrived.clear();
            self.arrived.shrink_to(2 * READ_BYTES); // it grows for a long head
        }
    }

    /// Waits until something arrives, and appends it to `arrived`. Returns false if the server has closed instead.
    pub(super) fn receive(&mut self, context: &mut Context) -> Result<bool, Cause> {
        let before = self.arrived.len();
        while self.arrived.len() == before {
            if self.closed {
                return Ok(false);
            }
            self.read(context)?;
            // TLS has words of its own, some of which it answers
            self.write_records(context)?;
        }
        Ok(true)
    }

    /// Reads once.
    fn read(&mut self, context: &Context) -> Result<(), Cause> {
        context.ready(&self.stream, PollFlags::IN)?;
        let into = match self.sessions.first_mut() {
            None => &mut self.arrived,
            Some(tls) => &mut tls.received,
        };
        if into.capacity() - into.len() < READ_BYTES / 2 {
            into.reserve(READ_BYTES);
        }
        let read = loop {
            match recv(&self.stream, spare_capacity(into), RecvFlags::empty()) {
                Ok((_, read)) => break read,
                Err(error) => context.wait_or_fail(error.into(), &self.stream, PollFlags::IN)?,
            }
        };
        self.closed = read == 0;
        let mut rest = self.sessions.as_mut_slice();
        while let Some((tls, above)) = rest.split_first_mut() {
            let plain = match above.first_mut() {
                None => &mut self.arrived,
                Some(above) => &mut above.received,
            };
            self.closed |= tls.decrypt(plain)?;
            rest = above;
        }
        Ok(())
    }

    fn write_records(&mut self, context: &mut Context) -> Result<(), Cause> {
        let mut rest = self.sessions.as_mut_slice();
        while let Some((tls, below)) = rest.split_last_mut() {
            let collected = tls.collect_records();
            collected.map_err(|error| context.network(error))?;
            match below.last_mut() {
                None => write(&self.stream, [&tls.records, &[]], context)?,
                Some(below) => {
                    let encrypted = below.encrypt([&tls.records, &[]]);
                    encrypted.map_err(|error| context.network(error))?;
                }
            }
            tls.records.clear();
            rest = below;
        }
        Ok(())
    }
}

impl TlsSession {
    /// Encrypts both parts, one after the other, in one record if they fit.
    fn encrypt(&mut self, parts: [&[u8]; 2]) -> io::Result<()> {
        let mut parts = parts.map(IoSlice::new);
        let mut left = &mut parts[..];
        IoSlice::advance_slices(&mut left, 0); // drops empty ones
        while !left.is_empty() {
            // the session holds a part at a time
            let taken = self.session.writer().write_vectored(left)?;
            IoSlice::advance_slices(&mut left, taken);
            self.collect_records()?;
        }
        Ok(())
    }

    fn collect_records(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut self.records)?;
        }
        Ok(())
    }

    /// Appends what the received records say to `plain`. Returns whether the server said that it sends nothing more.
    fn decrypt(&mut self, plain: &mut Vec<u8>) -> Result<bool, Cause> {
        let failed = |error: io::Error| Cause::Tls(error.into());
        let mut records = self.received.as_slice();
        while !records.is_empty() {
            self.session.read_tls(&mut records).map_err(failed)?;
            let state = self.session.process_new_packets();
            let state = state.map_err(|error| Cause::Tls(error.into()))?;
            let from = plain.len();
            plain.resize(from + state.plaintext_bytes_to_read(), 0);
            let read = self.session.reader().read_exact(&mut plain[from..]);
            read.map_err(failed)?;
            if state.peer_has_closed() {
                return Ok(true);
            }
        }
        self.received.clear();
        Ok(false)
    }
}

/// Writes both parts, one after the other, in one system call if the socket takes them.
fn write(stream: &TcpStream, parts: [&[u8]; 2], context: &mut Context) -> Result<(), Cause> {
    let mut parts = parts.map(IoSlice::new);
    let mut left = &mut parts[..];
    IoSlice::advance_slices(&mut left, 0); // drops empty ones
    while !left.is_empty() {
        let mut nothing = SendAncillaryBuffer::default();
        match sendmsg(stream, left, &mut nothing, NO_SIGNAL) {
            Ok(written) => {
                IoSlice::advance_slices(&mut left, written);
                context.sent |= context.phase == Phase::Write;
            }
            Err(error) => context.wait_or_fail(error.into(), stream, PollFlags::OUT)?,
        }
    }
    Ok(())
}

#[cfg(test)]
impl Connection {
    /// A new one, without TLS.
    pub(super) fn to(address: std::net::SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        Connection::new(Arc::new(stream))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn what_the_socket_does_not_take_at_once_follows_in_order() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connection = Connection::to(listener.local_addr().unwrap());
        // numbers, so that no part looks like another
        let mut request: Vec<u8> = (0..4_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let body = request.split_off(request.len() / 2);
        let length = request.len() + body.len();
        *connection.head = request;
        let reader = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut arrived = vec![0; length];
            stream.read_exact(&mut arrived).unwrap();
            arrived
        });
        let mut context = Context::endless();
        context.phase = Phase::Write;
        connection.send(&body, &mut context).unwrap();
        let arrived = reader.join().unwrap();
        assert!(arrived == [&**connection.head, &body].concat());
    }

    #[test]
    fn an_answer_to_a_request_that_was_not_sent_is_a_dead_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connection = Connection::to(listener.local_addr().unwrap());
        connection.arrived = b"HTTP/1.1 200 OK".to_vec();
        let mut context = Context::endless();
        let stray = connection.send(b"POST", &mut context);
        assert!(matches!(stray, Err(Cause::Network { .. })) && !context.sent);
    }
}
