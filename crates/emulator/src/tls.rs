//! TLS with a certificate authority that is made at each start, and never written down unless the data are to last;
//! then its key is kept, and clients that trust it go on to. Its one certificate names
//! loopback and all hosts of the service, so that any client can be pointed at the emulator by resolving a host of
//! the service to it and trusting this authority.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use imtag_core::Region;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Whose name an authority's certificate has.
const CA_NAME: &str = "imtag emulator CA";

const DAY: Duration = Duration::from_secs(86_400);
/// Longer than an emulator runs, and within what the strictest clients take.
const VALID_FOR: Duration = DAY.saturating_mul(365);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error(transparent)]
    Certificate(#[from] rcgen::Error),
    #[error(transparent)]
    Tls(#[from] tokio_rustls::rustls::Error),
}

/// The server's side of TLS, and the authority's certificate for the clients.
pub(crate) struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) ca_pem: String,
}

/// A key for an authority, in PEM.
pub(crate) fn ca_key() -> Result<String, TlsError> {
    Ok(KeyPair::generate()?.serialize_pem())
}

/// Makes an authority with this key, and a certificate that also names `address`.
pub(crate) fn make(address: IpAddr, ca_key: &str) -> Result<Tls, TlsError> {
    let ca_key = KeyPair::from_pem(ca_key)?;
    let ca_params = authority();
    let ca = ca_params.self_signed(&ca_key)?;
    let issuer = Issuer::new(ca_params, ca_key);
    let key = KeyPair::generate()?;
    let certificate = server(address)?.signed_by(&key, &issuer)?;

    let chain = vec![certificate.der().clone()];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Tls {
        config: Arc::new(config),
        ca_pem: ca.pem(),
    })
}

/// True for the certificate of an emulator's authority in PEM, and nothing else beside it: such a file may be written
/// over by the next one's.
#[must_use]
pub fn is_ca_pem(text: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    const END: &[u8] = b"-----END CERTIFICATE-----";
    let text = text.trim_ascii();
    let is_one = text.starts_with(BEGIN)
        && text.ends_with(END)
        && text.windows(BEGIN.len()).filter(|it| *it == BEGIN).count() == 1;
    is_one
        && CertificateDer::from_pem_slice(text).is_ok_and(|der| {
            der.windows(CA_NAME.len())
                .any(|it| it == CA_NAME.as_bytes())
        })
}

fn authority() -> CertificateParams {
    let mut params = dated(CA_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn server(address: IpAddr) -> Result<CertificateParams, rcgen::Error> {
    let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let other = (!address.is_unspecified() && !loopback.contains(&address)).then_some(address);
    let addresses = loopback.into_iter().chain(other);
    let hosts = Region::all().flat_map(|region| [region.host(), region.spare_host()]);
    let names: Vec<String> = std::iter::once("localhost".to_owned())
        .chain(addresses.map(|address| address.to_string()))
        .chain(hosts.map(str::to_owned))
        .collect();

    let mut params = dated("imtag emulator");
    params.subject_alt_names = CertificateParams::new(names)?.subject_alt_names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// Valid from yesterday, so that a clock a little behind does not matter.
fn dated(name: &str) -> CertificateParams {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.not_before = epoch + now.saturating_sub(DAY);
    params.not_after = params.not_before + VALID_FOR;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
