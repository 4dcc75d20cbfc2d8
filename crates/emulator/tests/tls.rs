//! TLS: the authority vouches for loopback and for every host of the service, and for nothing else.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::Arc;

use caller::{ADD, Caller, GET, accounts, socket, tags};
use imtag_core::Region;
use imtag_emulator::{Emulator, Fault};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

type Secure = StreamOwned<ClientConnection, TcpStream>;

/// A connection for which the emulator must prove to be `host`, by the authority of `trusted`.
fn connect(emulator: &Emulator, trusted: &Emulator, host: &str) -> Secure {
    let mut roots = RootCertStore::empty();
    let pem = trusted.ca_pem().unwrap();
    roots
        .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = host.to_owned().try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, socket(emulator))
}

fn call(emulator: &Emulator, trusted: &Emulator, host: &str) -> std::io::Result<i64> {
    let stream = connect(emulator, trusted, host);
    let answer = Caller::over(stream, emulator).call(GET, accounts(&["a"]));
    answer.map(|answer| answer.code())
}

#[test]
fn loopback_and_every_host_of_the_service_are_named() {
    let emulator = Emulator::builder().tls(true).start().unwrap();
    assert!(emulator.endpoint().starts_with("https://127.0.0.1:"));
    let hosts = Region::all().flat_map(|region| [region.host(), region.spare_host()]);
    let loopback = ["localhost", "127.0.0.1", "::1"];
    for host in loopback.into_iter().chain(hosts) {
        assert_eq!(call(&emulator, &emulator, host).unwrap(), 0, "{host}");
    }
}

#[test]
fn another_host_or_another_authority_is_refused_by_the_caller() {
    let emulator = Emulator::builder().tls(true).start().unwrap();
    let other = Emulator::builder().tls(true).start().unwrap();
    for (trusted, host) in [(&emulator, "example.com"), (&other, "localhost")] {
        let error = call(&emulator, trusted, host).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
    assert_eq!(call(&emulator, &emulator, "localhost").unwrap(), 0);
}

#[test]
fn faults_work_over_tls() {
    let emulator = Emulator::builder().tls(true).start().unwrap();
    emulator.faults(
        ADD,
        [
            Fault::drip(std::time::Duration::from_micros(10)),
            Fault::cut_after(),
        ],
    );
    let mut caller = Caller::over(connect(&emulator, &emulator, "localhost"), &emulator);
    assert_eq!(caller.code(ADD, tags(&[("a", &["t"])])), 0);
    caller.call(ADD, tags(&[("b", &["t"])])).unwrap_err();
    assert_eq!(emulator.users().len(), 2);
}

#[test]
fn plain_http_on_a_port_of_tls_is_closed() {
    let emulator = Emulator::builder().tls(true).start().unwrap();
    let mut caller = Caller::new(&emulator);
    caller.send("GET", "/emulator/stats", "").unwrap();
    let mut all = Vec::new();
    // A TLS alert may come first, and a reset after it.
    let _ = caller.stream().read_to_end(&mut all);
    assert!(!all.starts_with(b"HTTP"));
    assert_eq!(call(&emulator, &emulator, "localhost").unwrap(), 0);
}

#[test]
fn a_caller_that_trusts_the_authority_of_lasting_data_goes_on_to_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let builder = Emulator::builder().data(folder.path()).tls(true);
        builder.start().unwrap()
    };
    let before = start();
    before.stop();
    let after = start();
    assert_ne!(
        before.ca_pem(),
        after.ca_pem(),
        "a certificate of its own each"
    );
    assert_eq!(call(&after, &before, "localhost").unwrap(), 0);
}
