//! What is read of a certificate: whether it is an authority's own, its key, and until when it is valid.

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// Whose name an authority's certificate has.
pub(crate) fn ca_name(server: &str) -> String {
    format!("{server} CA")
}

/// True for the certificate of the authority of a kind of server in PEM, and nothing else beside it: such a file may be
/// written over by the next one's.
#[must_use]
pub fn is_ca_pem(server: &str, text: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    const END: &[u8] = b"-----END CERTIFICATE-----";
    let text = text.trim_ascii();
    let is_one = text.starts_with(BEGIN)
        && text.ends_with(END)
        && text.windows(BEGIN.len()).filter(|it| *it == BEGIN).count() == 1;
    let is_authoritys = |der: CertificateDer<'_>| KeyAndEnd::new(&der, &ca_name(server)).is_some();
    is_one && CertificateDer::from_pem_slice(text).is_ok_and(is_authoritys)
}

/// What is looked at in a certificate. It is read by hand, as a crate that reads X.509 would make the first build longer
/// for two fields.
pub(crate) struct KeyAndEnd<'a> {
    pub(crate) key: &'a [u8],
    /// Of the time for which it is valid, as `YYYYMMDDHHMMSSZ`: a later one is greater.
    pub(crate) end: Vec<u8>,
}

impl<'a> KeyAndEnd<'a> {
    /// `None` unless it is of the authority of this name: what that has signed names it too, as the issuer only.
    pub(crate) fn new(der: &'a [u8], ca_name: &str) -> Option<KeyAndEnd<'a>> {
        let length = u16::from_be_bytes(der.get(2..4)?.try_into().ok()?);
        if der.len() != 4 + usize::from(length) {
            return None;
        }
        let name = common_name(ca_name)?;
        let at_name = |der: &'a [u8]| {
            let at = der.windows(name.len()).position(|it| it == name)?;
            Some((&der[..at], &der[at + name.len()..]))
        };
        // issuer, validity, subject, key, extensions; a length is one byte
        let (validity, rest) = at_name(at_name(der)?.1)?;
        let (key, extensions) = rest.split_at_checked(2 + usize::from(*rest.get(1)?))?;
        if !extensions
            .windows(OF_AUTHORITY.len())
            .any(|it| it == OF_AUTHORITY)
        {
            return None;
        }
        let end = validity.get(4 + usize::from(*validity.get(3)?)..)?;
        // until 2049 a year has two digits, of which those from 50 on are of a machine whose clock was not set
        let century = match end {
            [0x17, _, b'5'..=b'9', ..] => "19",
            [0x17, ..] => "20",
            _ => "",
        };
        let end = [century.as_bytes(), end.get(2..)?].concat();
        Some(KeyAndEnd { key, end })
    }
}

/// An object with nothing but a common name; `None` for one that is too long to be told in lengths of one byte.
fn common_name(name: &str) -> Option<Vec<u8>> {
    let length = u8::try_from(name.len()).ok().filter(|it| *it < 0x70)?;
    let mut object = vec![0x30, length + 11, 0x31, length + 9, 0x30, length + 7];
    object.extend([0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, length]);
    object.extend(name.as_bytes());
    Some(object)
}

/// The extension by which a certificate may sign others, but no further authorities.
const OF_AUTHORITY: &[u8] =
    b"\x30\x12\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x08\x30\x06\x01\x01\xff\x02\x01\x00";
