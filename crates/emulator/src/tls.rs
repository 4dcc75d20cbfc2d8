//! TLS with a certificate authority that is made at each start, unless the data are to last: then its key and its
//! certificate are kept, and clients that trust it go on to. The certificate of the server is made anew at each start.
//! It names all that [`names`](crate::names) has, and one for each further address of this machine that is called.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData,
};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::names::Names;

/// Whose name an authority's certificate has.
const CA_NAME: &str = "imtag emulator CA";

const DAY: Duration = Duration::from_secs(86_400);
/// Longer than an emulator runs, and within what the strictest clients take.
const VALID_FOR: Duration = DAY.saturating_mul(365);
/// An authority's certificate is used for ten years: until what it signs would outlive it.
const CA_VALID_FOR: Duration = DAY.saturating_mul(11 * 365 + 3);

/// Why there is no certificate: what rcgen, or rustls, says.
type TlsError = Box<dyn Error + Send + Sync>;

/// The server's side of TLS, and the authority's certificate for the clients.
pub(crate) struct Tls {
    pub(crate) ca_pem: String,
    issuer: Issuer<'static, KeyPair>,
    names: Vec<String>,
    named: Arc<ServerConfig>,
    /// Of the addresses that the names do not have.
    others: Mutex<BTreeMap<IpAddr, Arc<ServerConfig>>>,
}

/// A key for an authority, in PEM.
pub(crate) fn ca_key() -> Result<String, TlsError> {
    Ok(KeyPair::generate()?.serialize_pem())
}

impl Tls {
    /// With the authority of this key, and its certificate, if that is kept and still good.
    pub(crate) fn new(ca_key: &str, kept: Option<String>, names: &Names) -> Result<Tls, TlsError> {
        let ca_key = KeyPair::from_pem(ca_key)?;
        let authority = authority();
        let ca_pem = match kept.filter(|pem| is_good(pem, &ca_key)) {
            Some(pem) => pem,
            None => authority.self_signed(&ca_key)?.pem(),
        };
        let issuer = Issuer::new(authority, ca_key);
        let names = names.certified();
        Ok(Tls {
            ca_pem,
            named: config(&issuer, names.clone())?,
            names,
            issuer,
            others: Mutex::default(),
        })
    }

    /// For a connection to this address of the machine.
    pub(crate) fn config(&self, here: IpAddr) -> Result<Arc<ServerConfig>, TlsError> {
        let here = here.to_canonical();
        let text = here.to_string();
        if here.is_loopback() || self.names.contains(&text) {
            return Ok(Arc::clone(&self.named));
        }
        let mut others = self.others.lock();
        if let Some(config) = others.get(&here) {
            return Ok(Arc::clone(config));
        }
        let mut names = self.names.clone();
        names.push(text);
        let config = config(&self.issuer, names)?;
        others.insert(here, Arc::clone(&config));
        Ok(config)
    }
}

/// Whether a certificate is this key's, and outlives what it is to sign.
fn is_good(pem: &str, key: &KeyPair) -> bool {
    let Ok(der) = CertificateDer::from_pem_slice(pem.as_bytes()) else {
        return false;
    };
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(&der) else {
        return false;
    };
    let until = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
    certificate.public_key().raw == key.subject_public_key_info()
        && Duration::from_secs(until) > now() + VALID_FOR
}

/// A configuration with a key and a certificate of its own.
///
/// No protocol is agreed on by ALPN: a caller that offers others than HTTP/1.1 would be refused, and all go on with
/// HTTP/1 where nothing is agreed on.
fn config(
    issuer: &Issuer<'static, KeyPair>,
    names: Vec<String>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let key = KeyPair::generate()?;
    let certificate = server(names)?.signed_by(&key, issuer)?;
    let chain = vec![certificate.der().clone()];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config))
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
    is_one && CertificateDer::from_pem_slice(text).is_ok_and(|der| is_authority(&der))
}

/// What it has signed names it too, as the issuer only.
fn is_authority(der: &[u8]) -> bool {
    let name = format!("CN={CA_NAME}");
    x509_parser::parse_x509_certificate(der).is_ok_and(|(rest, certificate)| {
        rest.is_empty()
            && certificate.is_ca()
            && certificate.subject().to_string() == name
            && certificate.issuer().to_string() == name
    })
}

fn authority() -> CertificateParams {
    let mut params = dated(CA_NAME, CA_VALID_FOR);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn server(names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = dated("imtag emulator", VALID_FOR);
    params.subject_alt_names = CertificateParams::new(names)?.subject_alt_names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// Valid from yesterday, so that a clock a little behind does not matter.
fn dated(name: &str, valid_for: Duration) -> CertificateParams {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.not_before = epoch + now().saturating_sub(DAY);
    params.not_after = params.not_before + valid_for;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn made(ca_key: &str, kept: Option<&str>) -> String {
        let names = Names::new(&[], "127.0.0.1:0", Ipv4Addr::LOCALHOST.into()).unwrap();
        let tls = Tls::new(ca_key, kept.map(str::to_owned), &names).unwrap();
        tls.ca_pem
    }

    fn days_left(pem: &str) -> i64 {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
        let until = certificate.validity().not_after.timestamp();
        (until - i64::try_from(now().as_secs()).unwrap()) / 86_400
    }

    #[test]
    fn an_authoritys_certificate_is_kept_for_ten_years() {
        let key = ca_key().unwrap();
        let first = made(&key, None);
        assert_eq!(made(&key, Some(&first)), first);
        // What is signed after ten years has a year left.
        let ten_years_on = days_left(&first) - 3652;
        assert!((365..=366).contains(&ten_years_on), "{ten_years_on}");
    }

    #[test]
    fn one_that_is_too_old_damaged_or_another_keys_is_made_anew() {
        let key = ca_key().unwrap();
        // As earlier versions made it: for a year.
        let mut old = authority();
        old.not_after = old.not_before + VALID_FOR;
        let old = old.self_signed(&KeyPair::from_pem(&key).unwrap()).unwrap();
        let another = made(&ca_key().unwrap(), None);
        let whole = made(&key, None);
        for bad in [old.pem(), another, whole[..200].to_owned(), String::new()] {
            let anew = made(&key, Some(&bad));
            assert!(anew != bad && days_left(&anew) > 3652);
        }
    }

    #[test]
    fn only_an_authoritys_own_certificate_is_known_as_one() {
        let key = KeyPair::from_pem(&ca_key().unwrap()).unwrap();
        let issuer = Issuer::new(authority(), key);
        let signed = |params: CertificateParams| {
            let key = KeyPair::generate().unwrap();
            params.signed_by(&key, &issuer).unwrap().pem()
        };
        let own = |params: CertificateParams| {
            let key = KeyPair::generate().unwrap();
            params.self_signed(&key).unwrap().pem()
        };
        assert!(is_ca_pem(own(authority()).as_bytes()));
        let named = dated("imtag emulator CA of the team", VALID_FOR);
        let no_authority = dated(CA_NAME, VALID_FOR);
        for other in [
            signed(server(vec!["localhost".to_owned()]).unwrap()),
            signed(named.clone()),
            own(named),
            own(no_authority),
        ] {
            assert!(!is_ca_pem(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn an_address_that_is_called_gets_a_certificate_once() {
        let names = Names::new(&[], "0.0.0.0:0", Ipv4Addr::UNSPECIFIED.into()).unwrap();
        let tls = Tls::new(&ca_key().unwrap(), None, &names).unwrap();
        let config = |ip: &str| tls.config(ip.parse().unwrap()).unwrap();
        assert!(Arc::ptr_eq(&config("127.0.0.1"), &config("127.0.0.9")));
        assert!(Arc::ptr_eq(&config("::ffff:127.0.0.1"), &config("::1")));
        let called = config("192.0.2.1");
        assert!(!Arc::ptr_eq(&called, &config("127.0.0.1")));
        assert!(Arc::ptr_eq(&called, &config("::ffff:192.0.2.1")));
    }
}
