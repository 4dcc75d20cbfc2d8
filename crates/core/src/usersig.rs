//! UserSig: how one is signed, and how the service checks one (TLSSigAPIv2). The time is always passed in.
//!
//! The compressed bytes differ between zlib implementations, so two UserSigs of one document need not be equal:
//! compare what [`Verified`] holds, never the strings.

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

use crate::{Identifier, SdkAppId, SecretKey, UserSig};

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

/// What a UserSig that verifies says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The app that it is for.
    pub sdkappid: SdkAppId,
    /// The account that it is for.
    pub identifier: String,
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
        let signature = STANDARD
            .decode(&document.signature)
            .map_err(|_| Unverified::Malformed)?;
        document
            .mac(key)
            .verify_slice(&signature)
            .map_err(|_| Unverified::WrongSignature)?;
        if now.as_secs() > document.time.saturating_add(document.expire) {
            return Err(Unverified::Expired);
        }
        Ok(Verified {
            sdkappid,
            identifier: document.identifier,
            made_at: Duration::from_secs(document.time),
            valid_for: Duration::from_secs(document.expire),
        })
    }
}

impl Document {
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
    let swap = |c| {
        pairs
            .iter()
            .find(|(from, _)| *from == c)
            .map_or(c, |(_, to)| *to)
    };
    text.chars().map(swap).collect()
}

#[cfg(test)]
#[path = "usersig_tests.rs"]
mod tests;
