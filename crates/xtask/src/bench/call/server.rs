//! The server of the calls that are measured: it reads a request's length and body, and always gives the same answer. It
//! costs the same in front of each client, and as little as can be.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::crypto::ring;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::Error;
use crate::bench::http::{Connection, listen};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 29 Nov 2026 10:58:03 GMT\r\n\
    Content-Type: application/json\r\nContent-Length: 123\r\nConnection: keep-alive\r\n\r\n\
    {\"ActionStatus\":\"OK\",\"ErrorInfo\":\"\",\"ErrorCode\":0,\"RequestId\":\"Id-0123456789abcdef0123456789abcdef-O-Seq-1234567890123456\"}";

const CA_FILE: &str = "ca.pem";

/// A server that answers until the program ends, on a port for each protocol.
pub(super) struct Server {
    pub(super) plain: String,
    pub(super) tls: String,
    last_body: Arc<AtomicUsize>,
    folder: TempDir,
}

impl Server {
    pub(super) fn start() -> Result<Server, Error> {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join(CA_FILE), certified.cert.pem())?;
        let key = certified.signing_key.serialize_der();
        let key = key.try_into().map_err(|why: &str| why.to_owned())?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)?;
        let config = Arc::new(config);
        let last_body = Arc::new(AtomicUsize::new(0));
        let length = Arc::clone(&last_body);
        let plain = listen(move |stream| answer(stream, &length))?;
        let length = Arc::clone(&last_body);
        let tls = listen(move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config))?;
            answer(StreamOwned::new(connection, stream), &length)
        })?;
        Ok(Server {
            plain: format!("http://127.0.0.1:{plain}"),
            tls: format!("https://localhost:{tls}"),
            last_body,
            folder,
        })
    }

    /// The certificate that clients trust.
    pub(super) fn ca_file(&self) -> PathBuf {
        self.folder.path().join(CA_FILE)
    }

    /// The bytes of the last request's body.
    pub(super) fn last_body(&self) -> usize {
        self.last_body.load(Ordering::Relaxed)
    }
}

fn answer(stream: impl Read + Write, length: &AtomicUsize) -> Result<(), Error> {
    let mut connection = Connection::new(stream);
    while let Some(body) = connection.message()? {
        length.store(body.len(), Ordering::Relaxed);
        connection.send(ANSWER)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn each_request_of_a_connection_is_answered_and_its_body_measured() {
        let server = Server::start().unwrap();
        let address = server.plain.strip_prefix("http://").unwrap();
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
