//! The app that an emulator serves: what is set, and for the rest the emulator's own.

use imtag_core::{Identifier, SdkAppId, SecretKey};

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
            calls_per_second: self.calls_per_second(&mut problems),
        };
        whole(Some(served), problems)
    }
}
