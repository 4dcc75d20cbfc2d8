//! Who the emulator is: its app, administrator, secret key and certificate authority; and who passes as its
//! administrator.
//!
//! Each is what was given, or else what the folder of its data keeps, or else made anew, and then kept where there is a
//! folder. UserSigs are checked by the real time, as the service does.

use std::path::PathBuf;

use imtag_core::{Identifier, SdkAppId, SecretKey};
use imtag_local_server::{Authority, Names, random, random_key};
use imtag_wire::{Credentials, Refusal, verify};

use crate::error::{DataError, StartError};
use crate::folder::{Folder, Owner, SERVER};

/// The app, unless another is given.
const DEFAULT_SDKAPPID: u32 = 1_400_000_000;
const DEFAULT_IDENTIFIER: &str = "administrator";

const SECRET_KEY: &str = "secret-key";
const CA_KEY: &str = "ca-key.pem";
pub(crate) const CA: &str = "ca.pem";

/// The one app that the emulator serves. It has no Debug, as it holds the key.
pub(crate) struct App {
    pub(crate) sdkappid: SdkAppId,
    pub(crate) identifier: String,
    pub(crate) secret_key: SecretKey,
}

impl App {
    /// Lets the caller pass, or says which check it failed: app, UserSig, administrator, in this order.
    pub(crate) fn admit(&self, caller: &Credentials<'_>) -> Result<(), Refusal> {
        verify(caller, self.sdkappid, &self.secret_key)?;
        if caller.identifier != self.identifier {
            return Err(Refusal::new(
                60010,
                "the identifier is not an administrator",
            ));
        }
        Ok(())
    }
}

/// The app to serve, by what was given of it, and the file of its key where that is kept.
pub(crate) fn app(
    sdkappid: Option<SdkAppId>,
    identifier: Option<String>,
    secret_key: Option<SecretKey>,
    folder: Option<&Folder>,
) -> Result<(App, Option<PathBuf>), StartError> {
    let identifier = identifier.map(Identifier::new).transpose();
    let identifier = identifier.map_err(StartError::Identifier)?;
    let owner = owner(sdkappid, identifier, folder)?;
    let (secret_key, file) = match (secret_key, folder) {
        (Some(key), _) => (key, None),
        (None, None) => {
            let key = SecretKey::new(new_key()?);
            (key.map_err(|_| StartError::Random)?, None)
        }
        (None, Some(folder)) => {
            let kept = folder.files.secret(SECRET_KEY, new_key)?;
            let damaged = |error| DataError::damaged(&folder.files.file(SECRET_KEY), error);
            let key = SecretKey::new(kept).map_err(damaged)?;
            (key, Some(folder.files.file(SECRET_KEY)))
        }
    };
    let app = App {
        sdkappid: owner.sdkappid,
        identifier: owner.identifier.as_str().to_owned(),
        secret_key,
    };
    Ok((app, file))
}

/// What is kept is not changed in silence: UserSigs of the team would no longer pass.
fn owner(
    sdkappid: Option<SdkAppId>,
    identifier: Option<Identifier>,
    folder: Option<&Folder>,
) -> Result<Owner, DataError> {
    let kept = folder.and_then(|folder| folder.owner.clone());
    if let (Some(folder), Some(kept)) = (folder, kept) {
        let other = sdkappid.is_some_and(|given| given != kept.sdkappid)
            || identifier.is_some_and(|given| given != kept.identifier);
        if other {
            return Err(DataError::OtherApp {
                path: folder.files.path().to_owned(),
                sdkappid: kept.sdkappid.get(),
                identifier: kept.identifier.as_str().to_owned(),
            });
        }
        return Ok(kept);
    }
    let default_app = || SdkAppId::new(DEFAULT_SDKAPPID).expect("the default is not 0");
    let default_name = || Identifier::new(DEFAULT_IDENTIFIER).expect("the default can be one");
    let owner = Owner {
        sdkappid: sdkappid.unwrap_or_else(default_app),
        identifier: identifier.unwrap_or_else(default_name),
    };
    if let Some(folder) = folder {
        folder.keep_owner(&owner)?;
    }
    Ok(owner)
}

/// TLS for these names, with the authority whose key and certificate are kept, if they are; and the certificate's file.
pub(crate) fn tls(
    names: &Names,
    folder: Option<&Folder>,
    kept: Option<String>,
) -> Result<(Authority, Option<PathBuf>), StartError> {
    let make = || Authority::key().map_err(StartError::Certificate);
    let ca_key = match folder {
        Some(folder) => folder.files.secret(CA_KEY, make)?,
        None => make()?,
    };
    let tls = Authority::new(SERVER, &ca_key, kept.clone(), names);
    let tls = tls.map_err(StartError::Certificate)?;
    let Some(folder) = folder else {
        return Ok((tls, None));
    };
    if kept.as_deref() != Some(tls.ca_pem()) {
        folder.files.keep_certificate(CA, tls.ca_pem())?;
    }
    Ok((tls, Some(folder.files.file(CA))))
}

/// Of 32 bits, which is easy to copy, and exact in every language's JSON.
pub(crate) fn random_seed() -> Result<u64, StartError> {
    let bytes = random().map_err(|_| StartError::Random)?;
    Ok(u32::from_ne_bytes(bytes).into())
}

fn new_key() -> Result<String, StartError> {
    random_key().map_err(|_| StartError::Random)
}

#[cfg(test)]
impl App {
    pub(crate) fn for_tests() -> App {
        App {
            sdkappid: SdkAppId::new(1).unwrap(),
            identifier: "admin".to_owned(),
            secret_key: SecretKey::new("key").unwrap(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use imtag_core::{Identifier, UserSig};

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn now() -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
    }

    /// The code for a UserSig of `app`, `name` and `key`, made `age` ago for a day, used by `caller`.
    fn code_for(app: u32, name: &str, key: &str, age: Duration, caller: &str) -> i32 {
        let key = SecretKey::new(key).unwrap();
        let signed_for = Identifier::new(name).unwrap();
        let usersig = UserSig::sign(
            &key,
            SdkAppId::new(app).unwrap(),
            &signed_for,
            DAY,
            now() - age,
        );
        admit(1, caller, usersig.expose())
    }

    fn admit(sdkappid: u32, identifier: &str, usersig: &str) -> i32 {
        let caller = Credentials {
            sdkappid,
            identifier,
            usersig,
        };
        let admitted = App::for_tests().admit(&caller);
        admitted.map_or_else(|refusal| refusal.code, |()| 0)
    }

    #[test]
    fn the_administrator_with_a_valid_usersig_passes_and_no_one_else() {
        let (fresh, minute) = (Duration::ZERO, Duration::from_secs(60));
        for (app, name, key, age, caller, expected) in [
            (1, "admin", "key", fresh, "admin", 0),
            (1, "admin", "other", fresh, "admin", 70009),
            (1, "user", "key", fresh, "admin", 70013),
            (2, "admin", "key", fresh, "admin", 70014),
            (1, "user", "key", fresh, "user", 60010),
            (1, "admin", "key", DAY - minute, "admin", 0),
            (1, "admin", "key", DAY + minute, "admin", 70001),
        ] {
            assert_eq!(code_for(app, name, key, age, caller), expected);
        }
        assert_eq!(admit(2, "admin", "abc"), 70020);
        for illegal in ["abc", "a+b/c=", "管理", "*", "eJyrVgrx"] {
            assert_eq!(admit(1, "admin", illegal), 70003, "{illegal}");
        }
    }
}
