//! A socket written by hand, with which the others are compared.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::{Body, Client, Error, TARGET, User, check};

/// The least that a program of one's own does: a socket, serde_json, one buffer for all requests, whose head is there
/// already, and no check, limit, deadline, or second attempt.
pub(crate) struct Floor {
    endpoint: String,
    ca_file: String,
    stream: Box<dyn Stream>,
    request: Vec<u8>,
    /// Where the request's body begins.
    body: usize,
    arrived: Vec<u8>,
}

/// The end of a head, after the length of the body, for which there is place before it.
const HEAD_END: &str = "\r\n\r\n";
const LENGTH_DIGITS: usize = 8;

trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

impl Floor {
    pub(crate) fn connect(endpoint: &str, ca_file: &str) -> Result<Floor, Error> {
        let (protocol, host) = endpoint.split_once("://").ok_or("no endpoint")?;
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = if protocol == "https" {
            Box::new(tls(stream, host, ca_file)?)
        } else {
            Box::new(stream)
        };
        let request = format!(
            "POST {TARGET} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {:LENGTH_DIGITS$}{HEAD_END}",
            ""
        );
        Ok(Floor {
            endpoint: endpoint.to_owned(),
            ca_file: ca_file.to_owned(),
            stream,
            body: request.len(),
            request: request.into_bytes(),
            arrived: vec![0; 4096],
        })
    }
}

fn tls(
    stream: TcpStream,
    host: &str,
    ca_file: &str,
) -> Result<StreamOwned<ClientConnection, TcpStream>, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions()?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let (name, _) = host.split_once(':').ok_or("an endpoint without a port")?;
    let name = ServerName::try_from(name)?.to_owned();
    let connection = ClientConnection::new(Arc::new(config), name)?;
    Ok(StreamOwned::new(connection, stream))
}

impl Client for Floor {
    fn call(&mut self, users: &[User]) -> Result<(), Error> {
        self.request.truncate(self.body);
        serde_json::to_writer(&mut self.request, &Body { users })?;
        let length = self.request.len() - self.body;
        let end = self.body - HEAD_END.len();
        write!(
            &mut self.request[end - LENGTH_DIGITS..end],
            "{length:LENGTH_DIGITS$}"
        )?;
        self.stream.write_all(&self.request)?;
        self.stream.flush()?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.arrived[filled..])?;
            if read == 0 {
                return Err("the server closed the connection, or its answer is too long".into());
            }
            filled += read;
            let arrived = std::str::from_utf8(&self.arrived[..filled])?;
            let Some((head, answer)) = arrived.split_once(HEAD_END) else {
                continue;
            };
            let lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
            let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            let (_, length) = lengths.next().ok_or("the answer has no length")?;
            if answer.len() >= length.parse()? {
                return check(answer.as_bytes());
            }
        }
    }

    /// A socket of its own: there is nothing to share.
    fn share(&self) -> Result<Box<dyn Client>, Error> {
        Ok(Box::new(Floor::connect(&self.endpoint, &self.ca_file)?))
    }
}
