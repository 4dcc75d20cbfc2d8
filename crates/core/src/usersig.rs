//! UserSig: how one is signed, and how the service checks one (TLSSigAPIv2). The time is always passed in.
//!
//! ```text
//! sign     text of identifier, app, time, expire ─ HMAC-SHA256 by the key, base64 ─► signature
//!          document (JSON) with the signature ─ zlib ─ base64 with * - _ for + / = ─► UserSig
//! verify   UserSig ─► document ─► version? identifier? app? no userbuf? signature? now ≤ time + expire? ─► Verified
//! ```
//!
//! The compressed bytes differ between zlib implementations, so two UserSigs of one document may differ as strings. Compare
//! the documents.

use std::io::Read;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, read::ZlibDecoder, read::ZlibEncoder};
use hmac::{Hmac, KeyInit, Mac};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::app::{Identifier, SdkAppId};
use crate::secret::{SecretKey, UserSig};

/// More than any document needs; a UserSig that inflates past it is not one.
const DOCUMENT_BYTES_AT_MOST: u64 = 4 * 1024;

/// The signed document, its fields in the order of the official implementations.
#[derive(Debug, Serialize, Deserialize)]
struct Document {
    #[serde(rename = "TLS.ver")]
    version: String,
    #[serde(rename = "TLS.identifier")]
    identifier: String,
    #[serde(rename = "TLS.sdkappid")]
    sdkappid: u64,
    #[serde(rename = "TLS.expire")]
    expire: u64,
    #[serde(rename = "TLS.time")]
    time: u64,
    #[serde(rename = "TLS.sig")]
    signature: String,
    /// What a room of TRTC is entered with. It is signed too, by a line of its own.
    #[serde(rename = "TLS.userbuf", skip_serializing)]
    userbuf: Option<IgnoredAny>,
}

const VERSION: &str = "2.0";

/// What a UserSig that verifies says, besides the app and the identifier that it was verified for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// When it was made, since the Unix epoch.
    pub made_at: Duration,
    /// How long from then it is valid.
    pub valid_for: Duration,
}

/// Why a UserSig does not verify, each with the code that the service answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// Not base64 of zlib of the document (70003).
    #[error("the UserSig is malformed")]
    Malformed,
    /// Made with a userbuf, which is for the rooms of TRTC; its signature covers more than a UserSig of the app's (70009).
    #[error(
        "the UserSig holds a userbuf (TLS.userbuf), as for a room of TRTC: make it without one"
    )]
    WithUserbuf,
    /// Signed with another key, or changed (70009).
    #[error("the UserSig's signature does not verify: another app's key?")]
    WrongSignature,
    /// Made for another identifier (70013).
    #[error("the UserSig was made for another identifier")]
    OtherIdentifier,
    /// Made for another app (70014).
    #[error("the UserSig was made for another SDKAppID")]
    OtherApp,
    /// Valid once, no longer (70001).
    #[error("the UserSig has expired")]
    Expired,
}

impl UserSig {
    /// Makes a UserSig for `identifier`, valid for `valid_for` (in whole seconds) from `now`, which is the time
    /// since the Unix epoch.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime, UNIX_EPOCH};
    /// use imtag_core::{Identifier, SdkAppId, SecretKey, UserSig};
    ///
    /// let (key, app) = (SecretKey::new("key-of-the-app")?, SdkAppId::new(1_400_000_000)?);
    /// let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    /// let a_week = Duration::from_secs(7 * 24 * 3600);
    /// let usersig = UserSig::sign(&key, app, &Identifier::new("administrator")?, a_week, now);
    ///
    /// assert!(usersig.verify(&key, app, "administrator", now).is_ok());
    /// assert!(usersig.verify(&key, app, "another", now).is_err());
    /// assert_eq!(format!("{key:?} {usersig:?}"), "SecretKey(…) UserSig(…)");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn sign(
        key: &SecretKey,
        sdkappid: SdkAppId,
        identifier: &Identifier,
        valid_for: Duration,
        now: Duration,
    ) -> UserSig {
        let mut document = Document {
            version: VERSION.to_owned(),
            identifier: identifier.as_str().to_owned(),
            sdkappid: u64::from(sdkappid.get()),
            expire: valid_for.as_secs(),
            time: now.as_secs(),
            signature: String::new(),
            userbuf: None,
        };
        document.signature = STANDARD.encode(document.mac(key).finalize().into_bytes());
        document.pack()
    }

    /// Checks a UserSig as the service does, at `now` (since the Unix epoch): its form, the identifier and the app
    /// that it is for, that it has no userbuf, its signature in constant time, and its age.
    ///
    /// # Errors
    /// The first of these that fails.
    pub fn verify(
        &self,
        key: &SecretKey,
        sdkappid: SdkAppId,
        identifier: &str,
        now: Duration,
    ) -> Result<Verified, Unverified> {
        let document = self.document_for(sdkappid, identifier)?;
        let signature = STANDARD
            .decode(&document.signature)
            .map_err(|_| Unverified::Malformed)?;
        document
            .mac(key)
            .verify_slice(&signature)
            .map_err(|_| Unverified::WrongSignature)?;
        document.valid_at(now)
    }

    /// Checks what can be checked without the key: all that [`verify`](UserSig::verify) does except the signature.
    ///
    /// # Errors
    /// The first of these that fails.
    pub fn verify_without_key(
        &self,
        sdkappid: SdkAppId,
        identifier: &str,
        now: Duration,
    ) -> Result<Verified, Unverified> {
        self.document_for(sdkappid, identifier)?.valid_at(now)
    }

    /// Its document, if it is of this app and identifier.
    fn document_for(&self, sdkappid: SdkAppId, identifier: &str) -> Result<Document, Unverified> {
        let document = Document::unpack(self.expose()).ok_or(Unverified::Malformed)?;
        if document.version != VERSION {
            return Err(Unverified::Malformed);
        }
        if document.identifier != identifier {
            return Err(Unverified::OtherIdentifier);
        }
        if document.sdkappid != u64::from(sdkappid.get()) {
            return Err(Unverified::OtherApp);
        }
        if document.userbuf.is_some() {
            return Err(Unverified::WithUserbuf);
        }
        Ok(document)
    }
}

impl Document {
    fn valid_at(&self, now: Duration) -> Result<Verified, Unverified> {
        if now.as_secs() > self.time.saturating_add(self.expire) {
            return Err(Unverified::Expired);
        }
        Ok(Verified {
            made_at: Duration::from_secs(self.time),
            valid_for: Duration::from_secs(self.expire),
        })
    }

    fn mac(&self, key: &SecretKey) -> Hmac<Sha256> {
        let text = format!(
            "TLS.identifier:{}\nTLS.sdkappid:{}\nTLS.time:{}\nTLS.expire:{}\n",
            self.identifier, self.sdkappid, self.time, self.expire
        );
        let mut mac = Hmac::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(text.as_bytes());
        mac
    }

    fn pack(&self) -> UserSig {
        let json = Zeroizing::new(serde_json::to_vec(self).expect("strings and numbers are JSON"));
        let mut packed = Zeroizing::new(Vec::new());
        ZlibEncoder::new(json.as_slice(), Compression::default())
            .read_to_end(&mut packed)
            .expect("deflating from memory to memory cannot fail");
        let text = translate(
            &STANDARD.encode(&*packed),
            [('+', '*'), ('/', '-'), ('=', '_')],
        );
        UserSig::new(text).expect("base64 so translated is a UserSig")
    }

    fn unpack(usersig: &str) -> Option<Document> {
        let text = translate(usersig, [('*', '+'), ('-', '/'), ('_', '=')]);
        let packed = STANDARD.decode(&*text).ok()?;
        let mut json = Zeroizing::new(Vec::new());
        ZlibDecoder::new(packed.as_slice())
            .take(DOCUMENT_BYTES_AT_MOST)
            .read_to_end(&mut json)
            .ok()?;
        serde_json::from_slice(&json).ok()
    }
}

fn translate(text: &str, pairs: [(char, char); 3]) -> String {
    let pair = |c| pairs.iter().find(|(from, _)| *from == c);
    let swap = |c| pair(c).map_or(c, |(_, to)| *to);
    text.chars().map(swap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        sdkappid: u32,
        key: String,
        identifier: String,
        expire: u64,
        time: u64,
        document: Document,
        usersig: String,
    }

    /// Official cases, copied literally.
    fn vectors() -> Vec<Vector> {
        serde_json::from_str(include_str!("../tests/usersig.json")).unwrap()
    }

    impl Vector {
        fn key(&self) -> SecretKey {
            SecretKey::new(self.key.clone()).unwrap()
        }

        fn app(&self) -> SdkAppId {
            SdkAppId::new(self.sdkappid).unwrap()
        }

        fn verify(&self, usersig: &UserSig, now: u64) -> Result<Verified, Unverified> {
            usersig.verify(
                &self.key(),
                self.app(),
                &self.identifier,
                Duration::from_secs(now),
            )
        }
    }

    #[test]
    fn every_official_document_is_made_to_the_letter() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 5);
        for vector in vectors {
            let made = UserSig::sign(
                &vector.key(),
                vector.app(),
                &Identifier::new(vector.identifier.clone()).unwrap(),
                Duration::from_secs(vector.expire),
                Duration::from_secs(vector.time),
            );
            let document = Document::unpack(made.expose()).unwrap();
            assert_eq!(
                serde_json::to_string(&document).unwrap(),
                serde_json::to_string(&vector.document).unwrap()
            );
        }
    }

    #[test]
    fn every_official_usersig_verifies_until_its_last_second() {
        for vector in vectors() {
            let usersig = UserSig::new(vector.usersig.clone()).unwrap();
            let last = vector.time + vector.expire;
            assert_eq!(
                vector.verify(&usersig, last),
                Ok(Verified {
                    made_at: Duration::from_secs(vector.time),
                    valid_for: Duration::from_secs(vector.expire),
                })
            );
            assert_eq!(vector.verify(&usersig, last + 1), Err(Unverified::Expired));
        }
    }

    #[test]
    fn a_usersig_says_what_is_wrong_with_it() {
        use Unverified::{Malformed, OtherApp, OtherIdentifier, WrongSignature};
        let (vector, other) = (vectors().remove(0), vectors().remove(1));
        let usersig = UserSig::new(vector.usersig.clone()).unwrap();
        let now = Duration::from_secs(vector.time);
        for (key, app, identifier, error) in [
            (vector.key(), other.app(), "administrator", OtherApp),
            (vector.key(), vector.app(), "someone", OtherIdentifier),
            (other.key(), vector.app(), "administrator", WrongSignature),
        ] {
            assert_eq!(usersig.verify(&key, app, identifier, now), Err(error));
        }
        for malformed in ["x", "eJyrVgrx", "AAAA", &vector.usersig[4..]] {
            let malformed = UserSig::new(malformed).unwrap();
            assert_eq!(vector.verify(&malformed, vector.time), Err(Malformed));
        }
        let changed = |change: fn(&mut Document)| {
            let mut document = Document::unpack(&vector.usersig).unwrap();
            change(&mut document);
            vector.verify(&document.pack(), vector.time)
        };
        assert_eq!(changed(|it| it.expire += 1), Err(WrongSignature));
        assert_eq!(changed(|it| it.version = "1.0".to_owned()), Err(Malformed));
    }

    #[test]
    fn without_the_key_all_is_checked_except_the_signature() {
        let (vector, other) = (vectors().remove(0), vectors().remove(1));
        let usersig = UserSig::sign(
            &other.key(),
            vector.app(),
            &Identifier::new(vector.identifier.clone()).unwrap(),
            Duration::from_secs(vector.expire),
            Duration::from_secs(vector.time),
        );
        let last = vector.time + vector.expire;
        let verify = |app, identifier, now| {
            let verified = usersig.verify_without_key(app, identifier, Duration::from_secs(now));
            verified.map(|it| it.valid_for.as_secs())
        };
        let (app, identifier) = (vector.app(), vector.identifier.as_str());
        assert_eq!(verify(app, identifier, last), Ok(vector.expire));
        assert_eq!(verify(app, identifier, last + 1), Err(Unverified::Expired));
        assert_eq!(
            verify(app, "someone", last),
            Err(Unverified::OtherIdentifier)
        );
        assert_eq!(
            verify(other.app(), identifier, last),
            Err(Unverified::OtherApp)
        );
    }

    #[test]
    fn a_usersig_that_inflates_without_end_is_malformed() {
        let mut bomb = Vec::new();
        ZlibEncoder::new(std::io::repeat(b' ').take(50_000_000), Compression::best())
            .read_to_end(&mut bomb)
            .unwrap();
        let text = translate(&STANDARD.encode(bomb), [('+', '*'), ('/', '-'), ('=', '_')]);
        assert!(Document::unpack(&text).is_none());
    }

    /// Made by a Python program after the official one, with the key, app and names below and a userbuf of five bytes.
    const WITH_USERBUF: &str = "eJyrVgrxCdYrSy1SslJQMtIzUNJRAItkpqTmlWSmZUIkElNyM-Myi0uKEkvyi2BKilOyEwsKMlOACgxNDKAAKpdaUZ\
     BZlAqUsTAzgQuWZOaChAzN0RQXZ6aDLAmMNEtJD8t1tXTN1Y4yiIpwDEstT6ssyDUM93EvKU-0qYg0MA*ICAorsUy3\
         hbmhtDi1KKk0DaTd0cOrLMnIwFapFgBSiz0v";

    #[test]
    fn a_usersig_with_a_userbuf_is_named_as_that_with_any_key() {
        let usersig = UserSig::new(WITH_USERBUF).unwrap();
        let app = SdkAppId::new(1_400_000_000).unwrap();
        let now = Duration::from_secs(1_700_000_000);
        for key in ["key-of-the-app", "another"] {
            let key = SecretKey::new(key).unwrap();
            let refused = usersig.verify(&key, app, "administrator", now).unwrap_err();
            assert_eq!(refused, Unverified::WithUserbuf);
            let says = "the UserSig holds a userbuf (TLS.userbuf), as for a room of TRTC: make it without one";
            assert_eq!(refused.to_string(), says);
            let other = usersig.verify(&key, app, "another", now);
            assert_eq!(other, Err(Unverified::OtherIdentifier));
        }
    }
}
