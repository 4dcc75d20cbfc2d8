//! Whether the UserSig of a call is one of an app's, by its key.

use std::time::{SystemTime, UNIX_EPOCH};

use imtag_core::usersig::Unverified;
use imtag_core::{SdkAppId, SecretKey, UserSig};

use crate::answer::Refusal;
use crate::query::Credentials;

/// Checks app and UserSig, in this order, at this moment. The identifier is the one that was signed; whether it is an
/// administrator is not checked.
///
/// # Errors
/// With the service's code for what is wrong.
pub fn verify(caller: &Credentials<'_>, app: SdkAppId, key: &SecretKey) -> Result<(), Refusal> {
    if caller.sdkappid != app.get() {
        return Err(Refusal::new(70020, "the SDKAppID is unknown"));
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let malformed = || Refusal::new(70003, Unverified::Malformed.to_string());
    UserSig::new(caller.usersig)
        .map_err(|_| malformed())?
        .verify(key, app, caller.identifier, now)
        .map_err(|unverified| Refusal::new(code(unverified), unverified.to_string()))?;
    Ok(())
}

fn code(unverified: Unverified) -> i32 {
    match unverified {
        Unverified::Expired => 70001,
        Unverified::Malformed => 70003,
        Unverified::WithUserbuf | Unverified::WrongSignature => 70009,
        Unverified::OtherIdentifier => 70013,
        Unverified::OtherApp => 70014,
    }
}
