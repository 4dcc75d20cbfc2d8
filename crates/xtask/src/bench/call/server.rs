//! The server of the calls that are measured: it reads a request's length and body, and always gives the same answer. It
//! costs the same in front of each client, and as little as can be.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::Error;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 29 Nov 2026 10:58:03 GMT\r\n\
    Content-Type: application/json\r\nContent-Length: 123\r\nConnection: keep-alive\r\n\r\n\
    {\"ActionStatus\":\"OK\",\"ErrorInfo\":\"\",\"ErrorCode\":0,\"RequestId\":\"Id-0123456789abcdef0123456789abcdef-O-Seq-1234567890123456\"}";

/// A server that answers until the program ends.
pub(super) struct Server {
    pub(super) endpoint: String,
    last_body: Arc<AtomicUsize>,
}

impl Server {
    pub(super) fn start() -> Result<Server, Error> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let last_body = Arc::new(AtomicUsize::new(0));
        let length = Arc::clone(&last_body);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let length = Arc::clone(&length);
                // a client that ends closes its connection in the middle of nothing
                thread::spawn(move || answer(stream, &length));
            }
        });
        Ok(Server {
            endpoint,
            last_body,
        })
    }

    /// The bytes of the last request's body.
    pub(super) fn last_body(&self) -> usize {
        self.last_body.load(Ordering::Relaxed)
    }
}

fn answer(stream: TcpStream, length: &AtomicUsize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(64 * 1024, stream);
    let (mut line, mut body) = (Vec::new(), Vec::new());
    loop {
        let mut bytes = 0;
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            if line == b"\r\n" {
                break;
            }
            bytes = content_length(&line).unwrap_or(bytes);
        }
        body.resize(bytes, 0);
        reader.read_exact(&mut body)?;
        length.store(bytes, Ordering::Relaxed);
        writer.write_all(ANSWER)?;
    }
}

/// The number of a line `Content-Length: 5`.
fn content_length(line: &[u8]) -> Option<usize> {
    let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
    let is_length = name.eq_ignore_ascii_case("content-length");
    is_length.then(|| value.trim().parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_of_a_connection_is_answered_and_its_body_measured() {
        let server = Server::start().unwrap();
        let address = server.endpoint.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        for (request, body) in [
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 5),
            (
                "POST / HTTP/1.1\r\ncontent-length:2\r\nHost: a\r\n\r\n{}",
                2,
            ),
        ] {
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = vec![0; ANSWER.len()];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(answer, ANSWER);
            assert_eq!(server.last_body(), body);
        }
        let text = std::str::from_utf8(ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
