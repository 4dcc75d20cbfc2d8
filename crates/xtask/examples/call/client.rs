//! The clients that `cargo xtask bench call` measures: each makes the same call, from the caller's texts to a good answer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use imtag_core::SecretKey;
use imtag_transport::AddTags;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde::{Deserialize, Serialize, Serializer};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

pub(crate) type Error = Box<dyn std::error::Error>;

/// The path and the query of a call, with a UserSig of the usual length.
const TARGET: &str = concat!(
    "/v4/all_member_push/im_add_tag?sdkappid=1400000000&identifier=administrator&usersig=",
    "eJwtzM0KgkAYheF7mXXIN*OMjkKLFm36U8loE4QxY3xZNuiUUXTviXo8z4H3S3bbzHvqmoSEeUAm-SOlb9Zgib23oCuscbC36ZaWdVkXxqAiIQUA",
    "Kv3hLDqdNhjXkzPfY0AFUBYwIYfB6m2w1m5XlCppRByogHMpJPM4zf6TIj4lq*bxnBR8ceHpyh6PbL-AWVUoJw_&random=1&contenttype=json"
);

/// A user as a program has it.
pub(crate) struct User {
    account: String,
    tags: Vec<String>,
}

/// The client and the users that the program's arguments name. It has made a call, so it is connected.
pub(crate) fn from_arguments() -> Result<(Box<dyn Client>, Vec<User>), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, endpoint, ca_file, count, tags] = arguments.as_slice() else {
        return Err("which client, endpoint, CA file, users and tags?".into());
    };
    let users = users(count.parse()?, tags.parse()?);
    let mut client = client(name, endpoint, ca_file)?;
    client.call(&users)?;
    Ok((client, users))
}

/// So many users with so many tags of 20 bytes each.
fn users(count: usize, tags: usize) -> Vec<User> {
    let users = (0..count).map(|user| User {
        account: format!("user{user:08}"),
        tags: (0..tags)
            .map(|tag| format!("tag{:03}-of-20-bytes..", (user + tag) % 100))
            .collect(),
    });
    users.collect()
}

/// A client with a connection, or with a pool of them.
pub(crate) trait Client {
    fn call(&mut self, users: &[User]) -> Result<(), Error>;
}

/// The client of this name, for an endpoint such as `http://127.0.0.1:8080`, or `https://…`, whose certificate is in a file.
fn client(name: &str, endpoint: &str, ca_file: &str) -> Result<Box<dyn Client>, Error> {
    Ok(match name {
        "floor" => Box::new(Floor::connect(endpoint, ca_file)?),
        "ureq" => Box::new(Ureq::new(endpoint, ca_file)?),
        "libimtag" => Box::new(Ours::new(endpoint, ca_file)?),
        _ => return Err(format!("there is no client {name}").into()),
    })
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "UserTags", serialize_with = "body_users")]
    users: &'a [User],
}

fn body_users<S: Serializer>(users: &[User], serializer: S) -> Result<S::Ok, S::Error> {
    let users = users.iter();
    serializer.collect_seq(users.map(|User { account, tags }| BodyUser { account, tags }))
}

#[derive(Serialize)]
struct BodyUser<'a> {
    #[serde(rename = "To_Account")]
    account: &'a str,
    #[serde(rename = "Tags")]
    tags: &'a [String],
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "ErrorCode")]
    code: i32,
}

fn check(answer: &[u8]) -> Result<(), Error> {
    match serde_json::from_slice(answer)? {
        Answer { code: 0 } => Ok(()),
        Answer { code } => Err(format!("the answer has the code {code}").into()),
    }
}

/// The least that a program of one's own does: a socket, serde_json, one buffer for all requests, whose head is there
/// already, and no check, limit, deadline, or second attempt.
struct Floor {
    stream: Box<dyn Stream>,
    request: Vec<u8>,
    /// Where the request's body begins.
    body: usize,
    arrived: Vec<u8>,
}

/// The end of a head, after the length of the body, for which there is place before it.
const HEAD_END: &str = "\r\n\r\n";
const LENGTH_DIGITS: usize = 8;

trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

impl Floor {
    fn connect(endpoint: &str, ca_file: &str) -> Result<Floor, Error> {
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
            let arrived = &self.arrived[..filled];
            let end = arrived.windows(HEAD_END.len());
            let Some(end) = end.into_iter().position(|it| it == HEAD_END.as_bytes()) else {
                continue;
            };
            let head = std::str::from_utf8(&arrived[..end])?;
            let answer = &arrived[end + HEAD_END.len()..];
            let lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
            let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            let (_, length) = lengths.next().ok_or("the answer has no length")?;
            if answer.len() >= length.parse()? {
                return check(answer);
            }
        }
    }
}

/// What people use who want neither to write a socket nor a runtime. It has no timeout, as it has none by default.
struct Ureq {
    agent: ureq::Agent,
    url: String,
}

impl Ureq {
    fn new(endpoint: &str, ca_file: &str) -> Result<Ureq, Error> {
        let ca = Certificate::from_pem(&std::fs::read(ca_file)?)?;
        let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[ca]));
        let config = ureq::Agent::config_builder().tls_config(tls.build());
        Ok(Ureq {
            agent: config.build().new_agent(),
            url: format!("{endpoint}{TARGET}"),
        })
    }
}

impl Client for Ureq {
    fn call(&mut self, users: &[User]) -> Result<(), Error> {
        let request = self.agent.post(&self.url);
        let request = request.header("Content-Type", "application/json");
        let mut answer = request.send(&serde_json::to_vec(&Body { users })?)?;
        check(&answer.body_mut().read_to_vec()?)
    }
}

/// This library.
struct Ours(imtag_transport::Client);

impl Ours {
    fn new(endpoint: &str, ca_file: &str) -> Result<Ours, Error> {
        let key = "0123456789abcdef".repeat(4);
        let client =
            imtag_transport::Client::builder(1_400_000_000, "administrator", SecretKey::new(key)?);
        // More than can be made, so that no call waits for its turn. The quota then keeps the times of a second's calls,
        // where it has 100 of them as people use it: that costs this client, if anything.
        let mut client = client.endpoint(endpoint).calls_per_second(100_000);
        if endpoint.starts_with("https://") {
            client = client.ca_file(ca_file);
        }
        Ok(Ours(client.build()?))
    }
}

impl Client for Ours {
    fn call(&mut self, users: &[User]) -> Result<(), Error> {
        let request = AddTags::new(users.iter().map(|user| (&user.account, &user.tags)))?;
        self.0.add_tag(&request)?;
        Ok(())
    }
}
