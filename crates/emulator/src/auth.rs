//! Authentication: checks app, UserSig and administrator of a caller, by the real time, as the service does.

use std::time::{SystemTime, UNIX_EPOCH};

use imtag_core::usersig::Unverified;
use imtag_core::{SdkAppId, SecretKey, UserSig};

use crate::query::Credentials;
use crate::refusal::Refusal;

/// The one app that the emulator serves. It has no Debug, as it holds the key.
pub(crate) struct App {
    pub(crate) sdkappid: SdkAppId,
    pub(crate) identifier: String,
    pub(crate) secret_key: SecretKey,
}

impl App {
    /// Lets the caller pass, or says which of the checks it failed: app, UserSig, administrator, in this order.
    pub(crate) fn admit(&self, caller: &Credentials<'_>) -> Result<(), Refusal> {
        if caller.sdkappid != self.sdkappid.get() {
            return Err(Refusal::new(70020, "the SDKAppID is unknown"));
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let malformed = || Refusal::new(70003, Unverified::Malformed.to_string());
        UserSig::new(caller.usersig)
            .map_err(|_| malformed())?
            .verify(&self.secret_key, self.sdkappid, caller.identifier, now)
            .map_err(|unverified| Refusal::new(code(unverified), unverified.to_string()))?;
        if caller.identifier != self.identifier {
            return Err(Refusal::new(
                60010,
                "the identifier is not an administrator",
            ));
        }
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use imtag_core::Identifier;

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
        let gate = App {
            sdkappid: SdkAppId::new(1).unwrap(),
            identifier: "admin".to_owned(),
            secret_key: SecretKey::new("key").unwrap(),
        };
        let caller = Credentials {
            sdkappid,
            identifier,
            usersig,
        };
        gate.admit(&caller)
            .map_or_else(|refusal| refusal.code, |()| 0)
    }

    #[test]
    fn the_administrator_with_a_valid_usersig_passes_and_no_one_else() {
        let fresh = Duration::ZERO;
        assert_eq!(code_for(1, "admin", "key", fresh, "admin"), 0);
        assert_eq!(code_for(1, "admin", "other", fresh, "admin"), 70009);
        assert_eq!(code_for(1, "user", "key", fresh, "admin"), 70013);
        assert_eq!(code_for(2, "admin", "key", fresh, "admin"), 70014);
        assert_eq!(code_for(1, "user", "key", fresh, "user"), 60010);
        assert_eq!(admit(2, "admin", "abc"), 70020);
    }

    #[test]
    fn a_usersig_passes_until_it_expires_by_the_real_time() {
        let minute = Duration::from_secs(60);
        assert_eq!(code_for(1, "admin", "key", DAY - minute, "admin"), 0);
        assert_eq!(code_for(1, "admin", "key", DAY + minute, "admin"), 70001);
    }

    #[test]
    fn a_text_that_is_no_usersig_is_illegal() {
        for text in ["abc", "a+b/c=", "管理", "*", "eJyrVgrx"] {
            assert_eq!(admit(1, "admin", text), 70003, "{text}");
        }
    }
}
