//! TLS with a certificate authority of the program's own. It is made at each start, unless its key and its certificate are
//! kept: then clients that trust it go on to. The certificate of the server is made anew at each start. It names all that
//! [`names`](crate::names) has, and one for each further address of this machine that is called.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::certificate::{KeyAndEnd, ca_name};
use crate::names::Names;

const DAY: Duration = Duration::from_secs(86_400);
/// Longer than a server runs at a stretch, and within what the strictest clients take.
const VALID_FOR: Duration = DAY.saturating_mul(365);
/// An authority's certificate is used for ten years: until what it signs would outlive it.
const CA_VALID_FOR: Duration = DAY.saturating_mul(11 * 365 + 3);

/// Why there is no certificate: what rcgen, or rustls, says.
pub type TlsError = Box<dyn Error + Send + Sync>;

/// The server's side of TLS, and the authority's certificate for the clients.
pub struct Authority {
    server: &'static str,
    ca_pem: String,
    issuer: Issuer<'static, KeyPair>,
    names: Vec<String>,
    named: Arc<ServerConfig>,
    /// Of the addresses that the names do not have.
    others: Mutex<BTreeMap<IpAddr, Arc<ServerConfig>>>,
}

impl Authority {
    /// A key for an authority, in PEM.
    ///
    /// # Errors
    /// Where the system gives no random numbers.
    pub fn key() -> Result<String, TlsError> {
        Ok(KeyPair::generate()?.serialize_pem())
    }

    /// With the authority of this key, and its certificate, if that is kept and still good. `server` is what it vouches
    /// for, such as `imtag emulator`; ` CA` behind that is its own name.
    ///
    /// # Errors
    /// Where the key is none, or the system gives no random numbers.
    pub fn new(
        server: &'static str,
        key: &str,
        kept: Option<String>,
        names: &Names,
    ) -> Result<Authority, TlsError> {
        let key = KeyPair::from_pem(key)?;
        let authority = authority(server);
        let ca_pem = match kept.filter(|pem| is_good(server, pem, &key)) {
            Some(pem) => pem,
            None => authority.self_signed(&key)?.pem(),
        };
        let issuer = Issuer::new(authority, key);
        let names = names.certified();
        Ok(Authority {
            server,
            ca_pem,
            named: config(server, &issuer, names.clone())?,
            names,
            issuer,
            others: Mutex::default(),
        })
    }

    /// The authority's certificate, in PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The server's side for a connection to this address of the machine.
    ///
    /// # Errors
    /// Where the system gives no random numbers.
    pub fn config(&self, here: IpAddr) -> Result<Arc<ServerConfig>, TlsError> {
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
        let config = config(self.server, &self.issuer, names)?;
        others.insert(here, Arc::clone(&config));
        Ok(config)
    }
}

/// Whether a certificate is this key's, and outlives what it is to sign.
fn is_good(server: &str, pem: &str, key: &KeyPair) -> bool {
    let mut least = authority(server);
    least.not_after = least.not_before + DAY + VALID_FOR;
    let (Ok(kept), Ok(least)) = (
        CertificateDer::from_pem_slice(pem.as_bytes()),
        least.self_signed(key),
    ) else {
        return false;
    };
    let ca_name = ca_name(server);
    let read = |der| KeyAndEnd::new(der, &ca_name);
    let (kept, least) = (read(&kept), read(least.der()));
    kept.zip(least)
        .is_some_and(|(kept, least)| kept.key == least.key && kept.end > least.end)
}

/// A configuration with a key and a certificate of its own.
///
/// No protocol is agreed on by ALPN: a caller that offers others than HTTP/1.1 would be refused, and all go on with
/// HTTP/1 where nothing is agreed on.
fn config(
    of: &str,
    issuer: &Issuer<'static, KeyPair>,
    names: Vec<String>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let key = KeyPair::generate()?;
    let certificate = server(of, names)?.signed_by(&key, issuer)?;
    let chain = vec![certificate.der().clone()];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config))
}

fn authority(server: &str) -> CertificateParams {
    let mut params = dated(&ca_name(server), CA_VALID_FOR);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn server(name: &str, names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = dated(name, VALID_FOR);
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
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    params.not_before = epoch + now.unwrap_or_default().saturating_sub(DAY);
    params.not_after = params.not_before + valid_for;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::certificate::is_ca_pem;

    const EMULATOR: &str = "imtag emulator";
    const CA_NAME: &str = "imtag emulator CA";

    fn made(ca_key: &str, kept: Option<&str>) -> String {
        let names = Names::new(&[], "127.0.0.1:0", Ipv4Addr::LOCALHOST.into(), &[]).unwrap();
        let tls = Authority::new(EMULATOR, ca_key, kept.map(str::to_owned), &names).unwrap();
        tls.ca_pem
    }

    /// Whether a certificate is valid for so many days from now.
    fn outlives(pem: &str, days: u32) -> bool {
        let mut other = authority(EMULATOR);
        other.not_after = other.not_before + DAY * (1 + days);
        let other = other.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        KeyAndEnd::new(&der, CA_NAME).unwrap().end
            >= KeyAndEnd::new(other.der(), CA_NAME).unwrap().end
    }

    #[test]
    fn an_authoritys_certificate_is_kept_for_ten_years() {
        let key = Authority::key().unwrap();
        let first = made(&key, None);
        assert_eq!(made(&key, Some(&first)), first);
        // What is signed after ten years has a year left.
        assert!(outlives(&first, 3652 + 365) && !outlives(&first, 3652 + 367));
    }

    #[test]
    fn one_that_is_too_old_damaged_or_another_keys_is_made_anew() {
        let key = Authority::key().unwrap();
        // As earlier versions made it: for a year.
        let mut old = authority(EMULATOR);
        old.not_after = old.not_before + VALID_FOR;
        let old = old.self_signed(&KeyPair::from_pem(&key).unwrap()).unwrap();
        // As a machine makes it whose clock was not set.
        let mut of_1970 = authority(EMULATOR);
        of_1970.not_before = rcgen::date_time_ymd(1970, 1, 1);
        of_1970.not_after = of_1970.not_before + CA_VALID_FOR;
        let key_pair = KeyPair::from_pem(&key).unwrap();
        let of_1970 = of_1970.self_signed(&key_pair).unwrap().pem();
        // Ends are written in another way after 2050.
        let mut late = authority(EMULATOR);
        late.not_after = late.not_before + CA_VALID_FOR * 3;
        let late = late
            .self_signed(&KeyPair::from_pem(&key).unwrap())
            .unwrap()
            .pem();
        assert_eq!(made(&key, Some(&late)), late);
        let another = made(&Authority::key().unwrap(), None);
        let whole = made(&key, None);
        let mut cut: Vec<&str> = whole.lines().collect();
        cut.remove(cut.len() - 2);
        for bad in [
            old.pem(),
            of_1970,
            another,
            cut.join("\n"),
            whole[..200].to_owned(),
            String::new(),
        ] {
            let anew = made(&key, Some(&bad));
            assert!(anew != bad && outlives(&anew, 3652));
        }
    }

    #[test]
    fn only_an_authoritys_own_certificate_is_known_as_one() {
        let key = KeyPair::from_pem(&Authority::key().unwrap()).unwrap();
        let issuer = Issuer::new(authority(EMULATOR), key);
        let signed = |params: CertificateParams| {
            let key = KeyPair::generate().unwrap();
            params.signed_by(&key, &issuer).unwrap().pem()
        };
        let own = |params: CertificateParams| {
            let key = KeyPair::generate().unwrap();
            params.self_signed(&key).unwrap().pem()
        };
        assert!(is_ca_pem(EMULATOR, own(authority(EMULATOR)).as_bytes()));
        // Of another program, whose name has another length.
        let daemon = own(authority("imtag"));
        assert!(is_ca_pem("imtag", daemon.as_bytes()));
        assert!(!is_ca_pem(EMULATOR, daemon.as_bytes()));
        let named = dated("imtag emulator CA of the team", VALID_FOR);
        let no_authority = dated(CA_NAME, VALID_FOR);
        for other in [
            signed(server(EMULATOR, vec!["localhost".to_owned()]).unwrap()),
            signed(named.clone()),
            own(named),
            own(no_authority),
        ] {
            assert!(!is_ca_pem(EMULATOR, other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn an_address_that_is_called_gets_a_certificate_once() {
        let names = Names::new(&[], "0.0.0.0:0", Ipv4Addr::UNSPECIFIED.into(), &[]).unwrap();
        let tls = Authority::new(EMULATOR, &Authority::key().unwrap(), None, &names).unwrap();
        let config = |ip: &str| tls.config(ip.parse().unwrap()).unwrap();
        assert!(Arc::ptr_eq(&config("127.0.0.1"), &config("127.0.0.9")));
        assert!(Arc::ptr_eq(&config("::ffff:127.0.0.1"), &config("::1")));
        let called = config("192.0.2.1");
        assert!(!Arc::ptr_eq(&called, &config("127.0.0.1")));
        assert!(Arc::ptr_eq(&called, &config("::ffff:192.0.2.1")));
    }
}
