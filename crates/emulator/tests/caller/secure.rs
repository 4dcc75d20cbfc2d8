//! A caller over TLS, which trusts an emulator's authority and nothing else.

use std::io::{Read, Write};
use std::sync::Arc;

use imtag_emulator::Emulator;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A client's side that trusts the authority of `trusted`.
pub(crate) fn config(trusted: &Emulator) -> ClientConfig {
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
pub(crate) fn over<S: Read + Write>(
    stream: S,
    config: ClientConfig,
    host: &str,
) -> StreamOwned<ClientConnection, S> {
    let name = host.to_owned().try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, stream)
}
