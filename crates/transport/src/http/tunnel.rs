//! Asks a proxy to connect to the service. What is said over the connection afterwards reaches the service as it is.
//!
//! ```text
//! http, https   CONNECT host:443 ──► 2xx ──► a tunnel
//!                                └─► 407: Credentials · 408, 429, 5xx: NoTunnel · another: Refused
//!
//! socks5        methods ──► none ─────────────────────────────────┬─► CONNECT ──► 0 ──► a tunnel
//!                      ├──► user and password ──► both ──► 0 ─────┘           ├─► 2, 7, 8: Refused
//!                      └──► 255: Credentials           └─► Credentials        └─► another: NoTunnel
//! ```
//!
//! What comes of each failure:
//!
//! | | spare host | the call, a run |
//! |---|---|---|
//! | Unreachable: look-up, connection, TLS with the proxy | no: the proxy is the same | as if the network failed: an outage |
//! | NoTunnel, or its time is up: the proxy does not reach the host, or breaks off | yes | the same |
//! | Credentials, Refused: for its owner to set right | no | ends at once; an outage once the service has answered |
//!
//! Nothing of a request is written before there is a tunnel, so nothing is applied.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize, Zeroizing};

use crate::endpoint::Endpoint;
use crate::error::{Cause, ProxyFailure, is_gateway_status};
use crate::proxy::{Proxy, ProxyCredentials, ProxyKind};
use crate::redact::redact_secret;

use super::connection::Connection;
use super::context::Context;
use super::head::HeadReader;

/// How much of a proxy's answer is shown.
const SHOWN: usize = 120;

/// The bytes of SOCKS5 (RFC 1928, 1929).
const SOCKS5: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const SUCCEEDED: u8 = 0;

/// Opens a tunnel to `service`. The network's failures are the caller's to blame on the proxy.
pub(super) fn open(
    connection: &mut Connection,
    proxy: &Proxy,
    service: &Endpoint,
    context: &mut Context,
) -> Result<(), Cause> {
    let opened = match proxy.kind {
        ProxyKind::Http | ProxyKind::Https => by_connect(connection, proxy, service, context),
        ProxyKind::Socks5 => by_socks(connection, proxy, service, context),
    };
    connection.head.as_mut_slice().zeroize();
    opened?;
    if connection.arrived.is_empty() {
        Ok(())
    } else {
        // TLS lets the client speak first
        Err(failed(
            ProxyFailure::Refused,
            "it sent more than its answer",
        ))
    }
}

fn by_connect(
    connection: &mut Connection,
    proxy: &Proxy,
    service: &Endpoint,
    context: &mut Context,
) -> Result<(), Cause> {
    let authority = service.host_and_port();
    let version = env!("CARGO_PKG_VERSION");
    let start = format!(
        "CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\nuser-agent: libimtag/{version}\r\n"
    );
    let credentials = proxy.credentials.as_ref().map(Basic::new);
    let line = credentials.as_ref().map(Basic::line).unwrap_or_default();
    let parts = [&[start.as_str()], line.as_slice(), &["\r\n"]].concat();
    // at once, as a vector that grows with the password in it leaves a copy behind
    let out = &mut connection.head;
    out.reserve_exact(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    context.host_begins();
    connection.send(&[], context)?;
    let mut reader = HeadReader::default();
    loop {
        if !connection.receive(context)? {
            return Err(context.disconnected());
        }
        let head = match reader.read(&connection.arrived) {
            Ok(None) => continue,
            Ok(Some(head)) => head,
            Err(reason) => {
                let arrived = &connection.arrived[reader.begin()..];
                let start = said(arrived, credentials.as_ref());
                return Err(failed(ProxyFailure::Refused, format!("{reason}: {start}")));
            }
        };
        if (200..300).contains(&head.status) {
            connection.arrived.drain(..head.body_begin);
            return Ok(());
        }
        let failure = match head.status {
            407 => ProxyFailure::Credentials,
            status if is_gateway_status(status) => ProxyFailure::NoTunnel,
            _ => ProxyFailure::Refused,
        };
        let arrived = &connection.arrived[reader.begin()..];
        let line = said(arrived, credentials.as_ref());
        return Err(failed(failure, format!("it answered {line}")));
    }
}

/// The credentials as `CONNECT` sends them.
struct Basic<'p> {
    token: Zeroizing<String>,
    password: &'p str,
}

impl Basic<'_> {
    fn new(credentials: &ProxyCredentials) -> Basic<'_> {
        let ProxyCredentials { user, password } = credentials;
        let plain = Zeroizing::new([user.as_bytes(), b":", password.as_bytes()].concat());
        Basic {
            token: Zeroizing::new(STANDARD.encode(&*plain)),
            password,
        }
    }

    fn line(&self) -> [&str; 3] {
        ["proxy-authorization: Basic ", &self.token, "\r\n"]
    }
}

/// The first line of an answer, cut short. One that repeats the credentials is not shown.
fn said(answer: &[u8], credentials: Option<&Basic<'_>>) -> String {
    let answer = answer.trim_ascii_start();
    let end = answer.iter().position(|byte| b"\r\n".contains(byte));
    let line = String::from_utf8_lossy(&answer[..end.unwrap_or(answer.len())]);
    let shows = |secret: &str| {
        let mut covered = line.to_string();
        redact_secret(&mut covered, secret);
        covered != line
    };
    if credentials.is_some_and(|it| shows(&it.token) || shows(it.password)) {
        return "with the credentials".to_owned();
    }
    format!("{:?}", line.chars().take(SHOWN).collect::<String>())
}

fn by_socks(
    connection: &mut Connection,
    proxy: &Proxy,
    service: &Endpoint,
    context: &mut Context,
) -> Result<(), Cause> {
    let methods: &[u8] = match proxy.credentials {
        None => &[SOCKS5, 1, NO_AUTHENTICATION],
        Some(_) => &[SOCKS5, 2, NO_AUTHENTICATION, USER_AND_PASSWORD],
    };
    let [SOCKS5, method] = ask(connection, methods, context)? else {
        return Err(failed(ProxyFailure::Refused, NO_SOCKS));
    };
    match (method, &proxy.credentials) {
        (NO_AUTHENTICATION, _) => {}
        (USER_AND_PASSWORD, Some(ProxyCredentials { user, password })) => {
            let out = &mut connection.head;
            out.reserve_exact(3 + user.len() + password.len()); // grown, it would leave a copy
            out.push(1);
            for text in [user, password] {
                // the setting was refused if it is longer
                out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
                out.extend_from_slice(text.as_bytes());
            }
            let [_, status] = ask(connection, &[], context)?;
            connection.head.as_mut_slice().zeroize();
            connection.head.clear();
            if status != SUCCEEDED {
                return Err(failed(ProxyFailure::Credentials, "it refused them"));
            }
        }
        (_, None) => return Err(failed(ProxyFailure::Credentials, "it requires them")),
        (_, Some(_)) => {
            return Err(failed(
                ProxyFailure::Credentials,
                "it takes none of that kind",
            ));
        }
    }
    context.host_begins();
    let mut request = vec![SOCKS5, CONNECT, 0];
    match service.host().parse() {
        Ok(IpAddr::V4(ip)) => {
            request.push(1);
            request.extend(ip.octets());
        }
        Ok(IpAddr::V6(ip)) => {
            request.push(4);
            request.extend(ip.octets());
        }
        Err(_) => {
            let host = service.host();
            let length = u8::try_from(host.len());
            let length = length.map_err(|_| failed(ProxyFailure::Refused, "a name is too long"))?;
            request.extend([3, length]);
            request.extend(host.bytes());
        }
    }
    request.extend(service.port().to_be_bytes());
    let [SOCKS5, code] = ask(connection, &request, context)? else {
        return Err(failed(ProxyFailure::Refused, NO_SOCKS));
    };
    if code != SUCCEEDED {
        let failure = match code {
            2 | 7 | 8 => ProxyFailure::Refused,
            _ => ProxyFailure::NoTunnel,
        };
        let answer = format!("it answered {code}, {}", meaning(code));
        return Err(failed(failure, answer));
    }
    // the address and the port that the proxy calls from
    let [_, kind, first] = receive(connection, context)?;
    let rest = match kind {
        1 => 3,
        3 => usize::from(first),
        4 => 15,
        _ => return Err(failed(ProxyFailure::Refused, NO_SOCKS)),
    };
    receive_at_least(connection, rest + 2, context)?;
    connection.arrived.drain(..rest + 2);
    Ok(())
}

/// Sends `head` and a message, and receives the first bytes of the answer.
fn ask<const N: usize>(
    connection: &mut Connection,
    message: &[u8],
    context: &mut Context,
) -> Result<[u8; N], Cause> {
    connection.send(message, context)?;
    receive(connection, context)
}

fn receive<const N: usize>(
    connection: &mut Connection,
    context: &mut Context,
) -> Result<[u8; N], Cause> {
    receive_at_least(connection, N, context)?;
    let mut received = [0; N];
    received.copy_from_slice(&connection.arrived[..N]);
    connection.arrived.drain(..N);
    Ok(received)
}

fn receive_at_least(
    connection: &mut Connection,
    bytes: usize,
    context: &mut Context,
) -> Result<(), Cause> {
    while connection.arrived.len() < bytes {
        if !connection.receive(context)? {
            return Err(context.disconnected());
        }
    }
    Ok(())
}

const NO_SOCKS: &str = "it does not speak SOCKS5";

/// What a code of SOCKS5 means.
fn meaning(code: u8) -> &'static str {
    match code {
        1 => "a failure of its own",
        2 => "not allowed by its rules",
        3 => "the network is unreachable",
        4 => "the host is unreachable",
        5 => "the connection was refused",
        6 => "the way is too long",
        7 => "it does not connect",
        8 => "it takes no such address",
        _ => "which means nothing",
    }
}

fn failed(
    failure: ProxyFailure,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Cause {
    let source = source.into();
    Cause::Proxy { failure, source }
}
