//! The app, its administrator and its secret key, for commands that sign by themselves.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use imtag_core::{Identifier, InvalidSecret, SdkAppId, SecretKey};

use super::error::{Problem, SettingsError};
use super::{Given, SettingId, Settings, access, whole};

/// More than any key has; a larger file is not a key.
const KEY_BYTES_AT_MOST: u64 = 4096;

pub(super) const KEYS: &[SettingId] = &[SettingId::SecretKey, SettingId::SecretKeyFile];

/// An app that UserSigs can be made for.
pub(crate) struct App {
    pub(crate) sdkappid: SdkAppId,
    pub(crate) identifier: Identifier,
    pub(crate) key: SecretKey,
}

impl Settings {
    /// The app and its key. A UserSig that is set as well does not matter: it is not what signs.
    pub(crate) fn app(self) -> Result<App, SettingsError> {
        let mut problems = self.problems.clone();
        let (sdkappid, identifier) = self.who(&mut problems);
        let key = self
            .choose(KEYS, &mut problems)
            .and_then(|given| secret_key(&given, &mut problems));
        let app = sdkappid.zip(identifier).zip(key);
        let app = app.map(|((sdkappid, identifier), key)| App {
            sdkappid,
            identifier,
            key,
        });
        whole(app, problems)
    }

    /// The UserSig that is set, as it stands there.
    pub(crate) fn usersig_text(&self) -> Option<&str> {
        self.get(SettingId::UserSig).map(|given| given.text)
    }

    /// App and administrator, both needed.
    pub(super) fn who(
        &self,
        problems: &mut Vec<Problem>,
    ) -> (Option<SdkAppId>, Option<Identifier>) {
        (
            self.need(&[SettingId::SdkAppId], str::parse, problems),
            self.need(&[SettingId::Identifier], str::parse, problems),
        )
    }
}

/// The key, by itself or in a file.
pub(super) fn secret_key(given: &Given<'_>, problems: &mut Vec<Problem>) -> Option<SecretKey> {
    let key = match given.id {
        SettingId::SecretKeyFile => of_file(&given.path),
        _ => SecretKey::new(given.text).map_err(|error| error.to_string()),
    };
    key.map_err(|why| problems.push(Problem::wrong(given.name.as_str(), why)))
        .ok()
}

fn of_file(path: &Path) -> Result<SecretKey, String> {
    let shown = path.display();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(KEY_BYTES_AT_MOST + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("the file {shown} cannot be read: {error}"))?;
    if bytes.len() as u64 > KEY_BYTES_AT_MOST {
        return Err(format!(
            "the file {shown} is too long for a key: it must hold the key and nothing else"
        ));
    }
    access::warn_if_others_can_read(path);
    SecretKey::from_bytes(&bytes)
        .map_err(|error: InvalidSecret| format!("in the file {shown}, {error}"))
}
