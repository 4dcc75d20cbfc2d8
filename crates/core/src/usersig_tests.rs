//! Official cases, copied literally: documents are compared, since zlib's output differs between implementations.

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
                sdkappid: vector.app(),
                identifier: vector.identifier.clone(),
                made_at: Duration::from_secs(vector.time),
                valid_for: Duration::from_secs(vector.expire),
            })
        );
        assert_eq!(vector.verify(&usersig, last + 1), Err(Unverified::Expired));
    }
}

#[test]
fn a_usersig_says_what_is_wrong_with_it() {
    let vector = vectors().remove(0);
    let usersig = UserSig::new(vector.usersig.clone()).unwrap();
    let now = Duration::from_secs(vector.time);
    let other_app = SdkAppId::new(vector.sdkappid + 1).unwrap();
    let other_key = SecretKey::new("another").unwrap();
    assert_eq!(
        usersig.verify(&vector.key(), other_app, &vector.identifier, now),
        Err(Unverified::OtherApp)
    );
    assert_eq!(
        usersig.verify(&vector.key(), vector.app(), "someone", now),
        Err(Unverified::OtherIdentifier)
    );
    assert_eq!(
        usersig.verify(&other_key, vector.app(), &vector.identifier, now),
        Err(Unverified::WrongSignature)
    );
    for malformed in ["x", "eJyrVgrx", "AAAA", &vector.usersig[4..]] {
        let malformed = UserSig::new(malformed).unwrap();
        assert_eq!(
            vector.verify(&malformed, vector.time),
            Err(Unverified::Malformed)
        );
    }
}

#[test]
fn a_document_changed_by_one_field_does_not_verify() {
    let vector = vectors().remove(0);
    let mut document = Document::unpack(&vector.usersig).unwrap();
    document.expire += 1;
    assert_eq!(
        vector.verify(&document.pack(), vector.time),
        Err(Unverified::WrongSignature)
    );
    let mut document = Document::unpack(&vector.usersig).unwrap();
    document.version = "1.0".to_owned();
    assert_eq!(
        vector.verify(&document.pack(), vector.time),
        Err(Unverified::Malformed)
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
        let says =
            "the UserSig holds a userbuf (TLS.userbuf), as for a room of TRTC: make it without one";
        assert_eq!(refused.to_string(), says);
        let other = usersig.verify(&key, app, "another", now);
        assert_eq!(other, Err(Unverified::OtherIdentifier));
    }
}
