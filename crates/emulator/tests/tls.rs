//! TLS: the authority vouches for loopback, for every host of the service and for the names that were given, and for
//! nothing else; and `CONNECT`, a tunnel to the emulator itself, for clients whose host is fixed.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Arc;
use std::time::Duration;

use caller::{ADD, Answer, Caller, GET, accounts, socket, tag_a};
use imtag_core::Region;
use imtag_emulator::{DataError, Emulator, Fault, KeptFilesError, StartError};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

type Secure<S = TcpStream> = StreamOwned<ClientConnection, S>;

fn emulator() -> Emulator {
    Emulator::builder().tls(true).start().unwrap()
}

/// A client's side that trusts the authority of `trusted`.
fn config(trusted: &Emulator) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let pem = trusted.ca_pem().unwrap();
    roots
        .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// TLS in which the other side must prove to be `host`.
fn secured<S: Read + Write>(
    stream: S,
    config: ClientConfig,
    host: &str,
) -> StreamOwned<ClientConnection, S> {
    let name = host.to_owned().try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, stream)
}

/// A connection for which the emulator must prove to be `host`, by the authority of `trusted`.
fn connect(emulator: &Emulator, trusted: &Emulator, host: &str) -> Secure {
    secured(socket(emulator), config(trusted), host)
}

fn call(emulator: &Emulator, trusted: &Emulator, host: &str) -> std::io::Result<i64> {
    let stream = connect(emulator, trusted, host);
    let answer = Caller::over(stream, emulator).call(GET, accounts(&["a"]));
    answer.map(|answer| answer.code())
}

/// An address of this machine that is not loopback, if it has one. Nothing is sent.
fn other_address() -> std::net::IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    match socket.connect("192.0.2.1:9") {
        Ok(()) => socket.local_addr().unwrap().ip(),
        Err(_) => Ipv4Addr::LOCALHOST.into(),
    }
}

#[test]
fn whichever_address_of_the_machine_is_called_is_in_the_certificate() {
    let builder = Emulator::builder().tls(true).address("0.0.0.0:0");
    let emulator = builder.start().unwrap();
    let called = other_address();
    let stream = TcpStream::connect((called, emulator.address().port())).unwrap();
    let config = config(&emulator);
    let stream = secured(stream, config, &called.to_string());
    assert_eq!(
        Caller::over(stream, &emulator).code(GET, accounts(&["a"])),
        0
    );
    assert_eq!(call(&emulator, &emulator, "localhost").unwrap(), 0);
}

#[test]
fn whatever_a_caller_offers_by_alpn_is_answered() {
    let emulator = emulator();
    for offer in ["", "http/1.1", "h2 http/1.1", "http/1.0", "h2"] {
        let mut config = config(&emulator);
        let offered = offer.split_whitespace();
        config.alpn_protocols = offered.map(|it| it.as_bytes().to_vec()).collect();
        let stream = secured(socket(&emulator), config, "localhost");
        let mut caller = Caller::over(stream, &emulator);
        assert_eq!(caller.code(GET, accounts(&["a"])), 0, "{offer}");
    }
}

#[test]
fn plain_http_on_a_port_of_tls_is_told_to_use_https() {
    let emulator = emulator();
    for request in [
        "GET /emulator/stats HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET http://localhost/emulator/stats HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /v4/timpush/add_tag HTTP/1.0\r\n\r\n",
    ] {
        let mut stream = socket(&emulator);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 400 Bad Request\r\n"), "{answer}");
        assert!(answer.contains("this port takes HTTPS: use https://"));
    }
    assert_eq!(emulator.stats().arrivals(), 0);
    assert_eq!(call(&emulator, &emulator, "localhost").unwrap(), 0);
}

#[test]
fn a_caller_that_trusts_the_authority_of_lasting_data_goes_on_to_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let start = || Emulator::builder().data(folder.path()).tls(true).start();
    let before = start().unwrap();
    assert_eq!(before.ca_file(), Some(file.as_path()));
    before.stop();
    let written = fs::metadata(&file).unwrap();
    assert_eq!(written.permissions().mode() & 0o777, 0o644);
    let after = start().unwrap();
    assert_eq!(before.ca_pem(), after.ca_pem());
    assert_eq!(fs::read_to_string(&file).ok().as_deref(), after.ca_pem());
    let same_file = fs::metadata(&file).unwrap().ino() == written.ino();
    assert!(same_file);
    assert_eq!(call(&after, &before, "localhost").unwrap(), 0);
}

#[test]
fn one_that_is_lost_is_made_anew_with_the_same_key_and_another_file_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let start = || Emulator::builder().data(folder.path()).tls(true).start();
    let before = start().unwrap();
    before.stop();
    for lost in [None, Some("")] {
        fs::remove_file(&file).unwrap();
        if let Some(text) = lost {
            fs::write(&file, text).unwrap();
        }
        let after = start().unwrap();
        assert_eq!(call(&after, &before, "localhost").unwrap(), 0);
        assert_eq!(call(&after, &after, "localhost").unwrap(), 0);
        after.stop();
    }
    fs::write(&file, "mine").unwrap();
    let error = start().unwrap_err();
    assert!(matches!(
        error,
        StartError::Data(DataError::Files(KeptFilesError::NoCertificate { .. }))
    ));
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

/// What is answered to the head of a request; nothing behind it is read.
fn answer(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "closed after {head:?}");
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A caller behind a tunnel to `authority`, for which the emulator proves to be `host` there.
fn within<S: Read + Write>(
    mut stream: S,
    emulator: &Emulator,
    authority: &str,
    host: &str,
) -> Caller<Secure<S>> {
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let head = answer(&mut stream);
    assert!(head.starts_with("HTTP/1.1 200 "), "{authority}: {head}");
    assert!(!head.to_lowercase().contains("content-length"), "{head}");
    Caller::over(secured(stream, config(emulator), host), emulator)
}

fn official(emulator: &Emulator) -> Caller<Secure> {
    let host = Region::China.host();
    within(socket(emulator), emulator, &format!("{host}:443"), host)
}

fn refused(emulator: &Emulator, authority: &str) -> Answer {
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: x\r\n\r\n");
    Caller::new(emulator).raw(request).unwrap()
}

#[test]
fn every_name_is_in_the_certificate_and_a_tunnel_to_it_leads_to_the_emulator() {
    let builder = Emulator::builder().tls(true).calls_per_second(1000);
    let builder = builder.name("Emulator").name("*.dev.example");
    let emulator = builder.name("192.0.2.7").start().unwrap();
    assert!(emulator.endpoint().starts_with("https://127.0.0.1:"));
    let hosts = Region::ALL
        .into_iter()
        .flat_map(|region| [region.host(), region.spare_host()]);
    let others = "localhost 127.0.0.1 emulator a.dev.example 192.0.2.7";
    for host in hosts.chain(others.split(' ')) {
        assert_eq!(call(&emulator, &emulator, host).unwrap(), 0, "{host}");
        let mut caller = within(socket(&emulator), &emulator, &format!("{host}:443"), host);
        assert_eq!(caller.code(GET, accounts(&["a"])), 0, "{host}");
        assert_eq!(caller.code(GET, accounts(&["a"])), 0, "{host}");
    }
    let host = Region::China.host();
    for (authority, host) in [
        ("Console.Tim.QQ.com:443", host),
        ("console.tim.qq.com.:8443", host),
        ("console.tim.qq.com", host),
        ("[::1]:443", "::1"),
    ] {
        let mut caller = within(socket(&emulator), &emulator, authority, host);
        assert_eq!(caller.code(ADD, tag_a()), 0, "{authority}");
    }
    for host in ["b.a.dev.example", "example.com"] {
        let error = call(&emulator, &emulator, host).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
    let other = self::emulator();
    let error = call(&emulator, &other, "localhost").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

#[test]
fn a_proxy_over_tls_opens_tunnels_too() {
    let emulator = emulator();
    let proxy = secured(socket(&emulator), config(&emulator), "127.0.0.1");
    let host = Region::Singapore.host();
    let mut caller = within(proxy, &emulator, &format!("{host}:443"), host);
    assert_eq!(caller.code(ADD, tag_a()), 0);
}

#[test]
fn a_tunnel_to_another_host_is_refused_in_a_sentence() {
    let emulator = emulator();
    for authority in "example.com:443 qq.com:443 10.1.2.3:443 127.0.0.1.nip.io:80".split(' ') {
        let answer = refused(&emulator, authority);
        assert_eq!(answer.status, 403, "{authority}");
        let host = authority.split(':').next().unwrap();
        let expected = format!(
            "the emulator stands for this machine and the hosts of the service, and not for {host:?}: give it other \
             names when it starts (--name)"
        );
        assert_eq!(answer.error(), expected);
    }
    let plain = Emulator::builder().start().unwrap();
    let answer = refused(&plain, "console.tim.qq.com:443");
    assert_eq!(answer.status, 501);
    let text = "a tunnel needs a certificate: start the emulator with TLS (--tls)";
    assert_eq!(answer.error(), text);
    // What is no host at all is none of its names either.
    for authority in ["/v4/timpush/add_tag", "*", ":443"] {
        let answer = refused(&emulator, authority);
        assert!(
            [400, 403].contains(&answer.status),
            "{authority}: {answer:?}"
        );
    }
}

#[test]
fn there_is_no_tunnel_in_a_tunnel() {
    let emulator = emulator();
    let mut caller = official(&emulator);
    let request = "CONNECT console.tim.qq.com:443 HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = caller.raw(request).unwrap();
    assert_eq!(answer.status, 403);
    let text = "a tunnel leads to the emulator already";
    assert_eq!(answer.error(), text);
    assert_eq!(caller.code(GET, accounts(&["a"])), 0);
}

#[test]
fn faults_and_disconnects_reach_into_a_tunnel() {
    let emulator = emulator();
    let drip = Fault::drip(Duration::from_micros(10));
    emulator.faults(ADD, [drip, Fault::cut_after()]);
    let mut caller = official(&emulator);
    assert_eq!(caller.code(ADD, tag_a()), 0);
    caller
        .call(ADD, caller::tags(&[("b", &["t"])]))
        .unwrap_err();
    assert_eq!(emulator.users().len(), 2);
    let mut caller = official(&emulator);
    assert_eq!(caller.code(GET, accounts(&["a"])), 0);
    emulator.disconnect();
    caller.call(GET, accounts(&["a"])).unwrap_err();
    assert_eq!(emulator.stats().connections, 2);
}

#[test]
fn a_tunnel_without_tls_in_it_is_closed() {
    let builder = Emulator::builder().tls(true);
    let emulator = builder
        .read_timeout(Duration::from_millis(200))
        .start()
        .unwrap();
    for within in ["", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03"] {
        let mut stream = socket(&emulator);
        let request = "CONNECT console.tim.qq.com:443 HTTP/1.0\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        assert!(answer(&mut stream).contains(" 200 "));
        stream.write_all(within.as_bytes()).unwrap();
        let mut rest = Vec::new();
        // An alert of TLS may come first, and a reset after it.
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.starts_with(b"HTTP"));
    }
}

#[test]
fn the_admin_api_is_not_asked_by_the_name_of_a_host_of_the_service() {
    let emulator = emulator();
    let mut caller = official(&emulator);
    for (host, status) in [("console.tim.qq.com", 403), ("localhost", 200)] {
        let request = format!("GET /emulator/users/a HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(caller.raw(request).unwrap().status, status, "{host}");
    }
}
