//! The app that an emulator serves: what is set, and for the rest the emulator's own.

use imtag_core::{CallRate, Identifier, InvalidCallRate, SdkAppId, SecretKey};

use super::app::{KEYS, secret_key};
use super::error::SettingsError;
use super::{SettingId, Settings, whole};

/// What of an app is set.
pub(crate) struct Served {
    pub(crate) sdkappid: Option<SdkAppId>,
    pub(crate) identifier: Option<Identifier>,
    pub(crate) key: Option<SecretKey>,
    pub(crate) calls_per_second: Option<u32>,
}

impl Settings {
    /// The app to serve. Nothing need be set, but what is must be right.
    pub(crate) fn served(self) -> Result<Served, SettingsError> {
        let mut problems = self.problems.clone();
        let key_is_set = KEYS.iter().any(|key| self.get(*key).is_some());
        let key = key_is_set
            .then(|| self.choose(KEYS, &mut problems))
            .flatten();
        let served = Served {
            sdkappid: self.may(SettingId::SdkAppId, str::parse, &mut problems),
            identifier: self.may(SettingId::Identifier, str::parse, &mut problems),
            key: key.and_then(|given| secret_key(&given, &mut problems)),
            calls_per_second: self.may(SettingId::CallsPerSecond, whole_calls, &mut problems),
        };
        whole(Some(served), problems)
    }
}

/// The emulator counts as the service does, whole calls in each second. A client's fraction in the same place is no
/// quota of an app.
fn whole_calls(text: &str) -> Result<u32, String> {
    let rate: CallRate = text
        .parse()
        .map_err(|error: InvalidCallRate| error.to_string())?;
    if CallRate::try_from(f64::from(rate.calls().get())) == Ok(rate) {
        Ok(rate.calls().get())
    } else {
        Err(format!(
            "{rate} calls per second: the emulator counts whole calls: set 1 to 100000, the app's quota"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulator_counts_whole_calls_and_says_so_of_a_fraction() {
        assert_eq!(whole_calls("100"), Ok(100));
        assert_eq!(whole_calls("1.0"), Ok(1));
        for fraction in ["0.5", "2.5"] {
            assert_eq!(
                whole_calls(fraction),
                Err(format!(
                    "{fraction} calls per second: the emulator counts whole calls: set 1 to 100000, the app's quota"
                ))
            );
        }
    }
}
