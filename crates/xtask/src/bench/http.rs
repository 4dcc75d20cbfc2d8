//! The HTTP that benchmarks speak themselves: messages with a length, over connections that stay.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::Error;

/// A connection, of a client or of a server.
pub(super) struct Connection<S> {
    stream: BufReader<S>,
    line: Vec<u8>,
    body: Vec<u8>,
}

impl<S: Read + Write> Connection<S> {
    pub(super) fn new(stream: S) -> Connection<S> {
        Connection {
            stream: BufReader::with_capacity(64 * 1024, stream),
            line: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(super) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(message)?;
        self.stream.get_mut().flush()
    }

    /// The body of the next message; none where the peer has hung up.
    pub(super) fn message(&mut self) -> io::Result<Option<&[u8]>> {
        let mut bytes = 0;
        loop {
            self.line.clear();
            if self.stream.read_until(b'\n', &mut self.line)? == 0 {
                return Ok(None);
            }
            if self.line == b"\r\n" {
                break;
            }
            bytes = content_length(&self.line).unwrap_or(bytes);
        }
        self.body.resize(bytes, 0);
        self.stream.read_exact(&mut self.body)?;
        Ok(Some(&self.body))
    }
}

/// The number of a line `Content-Length: 5`.
fn content_length(line: &[u8]) -> Option<usize> {
    let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
    let is_length = name.eq_ignore_ascii_case("content-length");
    is_length.then(|| value.trim().parse().ok()).flatten()
}

/// Opens a connection to a port of this machine.
pub(super) fn connect(port: u16) -> io::Result<Connection<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    Ok(Connection::new(stream))
}

/// Serves each connection on a thread of its own. The port. An error ends its connection, which the client sees.
pub(super) fn listen(
    serve: impl Fn(TcpStream) -> Result<(), Error> + Clone + Send + 'static,
) -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || {
                stream.set_nodelay(true)?;
                serve(stream)
            });
        }
    });
    Ok(port)
}
