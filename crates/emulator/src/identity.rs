//! Who the emulator is: its app, administrator, secret key and certificate authority. Each is what was given, or else
//! what the folder of its data keeps, or else made anew, and then kept where there is a folder.

use std::path::PathBuf;

use imtag_core::{Identifier, SdkAppId, SecretKey};
use tokio_rustls::rustls::crypto::ring;

use crate::auth::App;
use crate::error::{DataError, StartError};
use crate::folder::{Folder, Owner};
use crate::names::Names;
use crate::tls::{self, Tls, TlsError};

/// The app of an emulator that was not told another.
const DEFAULT_SDKAPPID: u32 = 1_400_000_000;
const DEFAULT_IDENTIFIER: &str = "administrator";

const SECRET_KEY: &str = "secret-key";
const CA_KEY: &str = "ca-key.pem";
const CA: &str = "ca.pem";

/// What the builder was given of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    pub(crate) sdkappid: Option<SdkAppId>,
    pub(crate) identifier: Option<String>,
    pub(crate) secret_key: Option<SecretKey>,
}

/// The app to serve, and the file of its key where that is kept.
pub(crate) fn app(
    given: Given,
    folder: Option<&Folder>,
) -> Result<(App, Option<PathBuf>), StartError> {
    let identifier = given.identifier.map(Identifier::new).transpose();
    let identifier = identifier.map_err(StartError::Identifier)?;
    let owner = owner(given.sdkappid, identifier, folder)?;
    let (secret_key, file) = match (given.secret_key, folder) {
        (Some(key), _) => (key, None),
        (None, None) => (made_key(random_key()?)?, None),
        (None, Some(folder)) => {
            let kept = folder.secret(SECRET_KEY, random_key)?;
            let damaged = |error| DataError::damaged(&folder.file(SECRET_KEY), error);
            let key = SecretKey::new(kept).map_err(damaged)?;
            (key, Some(folder.file(SECRET_KEY)))
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
    if let Some((folder, kept)) = kept(folder)? {
        let other = sdkappid.is_some_and(|given| given != kept.sdkappid)
            || identifier.is_some_and(|given| given != kept.identifier);
        if other {
            return Err(DataError::OtherApp {
                path: folder.path().to_owned(),
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

fn kept(folder: Option<&Folder>) -> Result<Option<(&Folder, Owner)>, DataError> {
    let Some(folder) = folder else {
        return Ok(None);
    };
    Ok(folder.owner()?.map(|owner| (folder, owner)))
}

/// TLS for these names, with the authority whose key and certificate are kept, if they are; and the certificate's file.
pub(crate) fn tls(
    names: &Names,
    folder: Option<&Folder>,
) -> Result<(Tls, Option<PathBuf>), StartError> {
    let make = || tls::ca_key().map_err(certificate);
    let ca_key = match folder {
        Some(folder) => folder.secret(CA_KEY, make)?,
        None => make()?,
    };
    let kept = folder.map(|folder| folder.certificate(CA)).transpose()?;
    let kept = kept.flatten();
    let tls = Tls::new(&ca_key, kept.clone(), names).map_err(certificate)?;
    let Some(folder) = folder else {
        return Ok((tls, None));
    };
    if kept.as_ref() != Some(&tls.ca_pem) {
        folder.keep_certificate(CA, &tls.ca_pem)?;
    }
    Ok((tls, Some(folder.file(CA))))
}

fn certificate(error: TlsError) -> StartError {
    StartError::Certificate(error.into())
}

/// Of 32 bits, which is easy to copy, and exact in every language's JSON.
pub(crate) fn random_seed() -> Result<u64, StartError> {
    Ok(u32::from_ne_bytes(random()?).into())
}

fn random_key() -> Result<String, StartError> {
    let bytes: [u8; 32] = random()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn made_key(hex: String) -> Result<SecretKey, StartError> {
    SecretKey::new(hex).map_err(|_| StartError::Random)
}

fn random<const N: usize>() -> Result<[u8; N], StartError> {
    let mut bytes = [0; N];
    ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| StartError::Random)?;
    Ok(bytes)
}
