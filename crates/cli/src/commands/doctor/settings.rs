//! What is set, and where each setting comes from; and the credentials, as far as this machine can judge them.

use std::time::Duration;

use imtag_core::usersig::Unverified;
use imtag_core::{Identifier, SdkAppId, UserSig};
use imtag_transport::{Client, Config, Given, Kind, SETTINGS, Setting};
use serde::Serialize;

use super::check::{Check, Fault, Finding, in_words};
use crate::exit::Exit;
use crate::output::without_secrets;

/// A setting, and where it comes from. The names of the fields are a promise to programs: see the README.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) setting: &'static str,
    /// None of a secret.
    pub(super) value: Option<String>,
    /// A flag, a variable, a line of the file; `default`.
    pub(super) from: String,
}

/// Every setting that is set, or has a default.
pub(super) fn rows(config: &Config) -> Vec<Row> {
    let row = |setting: &'static Setting| {
        let (key, other) = (setting.key, config.in_place_of(setting.key));
        let Some(given) = config.get(key) else {
            return Some(Row {
                setting: key,
                value: Some(setting.default.filter(|_| other.is_none())?.to_owned()),
                from: "default".to_owned(),
            });
        };
        let unused = other.map(|other| format!("; not used, as {other} is set"));
        Some(Row {
            setting: key,
            value: shown(given),
            from: place(given) + &unused.unwrap_or_default(),
        })
    };
    SETTINGS.iter().filter_map(row).collect()
}

/// A proxy may hold a password, also in a form that cannot be read. The check of it says which it is.
fn shown(given: &Given) -> Option<String> {
    let setting = given.setting;
    if setting.kind == Kind::Secret || setting.key == "proxy" {
        return None;
    }
    let text = match setting.kind {
        Kind::Path => given.path().map(|path| path.display().to_string()),
        _ => given.text().map(str::to_owned),
    };
    Some(without_secrets(&text.unwrap_or_else(|why| why)))
}

/// `--region`, `IMTAG_REGION`, `config.toml, line 3`, `[profile.live] of config.toml, line 7`.
fn place(given: &Given) -> String {
    let name = given.to_string();
    let in_file = name.strip_prefix(&format!("{} in ", given.setting.key));
    let line = given.line().map(|line| format!(", line {line}"));
    in_file.unwrap_or(&name).to_owned() + &line.unwrap_or_default()
}

/// Judges the credentials of a client at `now`, since the Unix epoch: the form of a key, all of a UserSig except its
/// signature.
pub(super) fn credentials(
    config: &Config,
    client: &Client,
    now: Duration,
) -> Result<Finding, Fault> {
    let ok = |detail: String| Ok(Finding::ok(Check::Credentials, detail));
    match client.key_has_usual_form() {
        Some(true) => ok("a secret key of the usual form, 64 hexadecimal characters".to_owned()),
        Some(false) => {
            ok("a secret key, but not of the usual form, 64 hexadecimal characters".to_owned())
        }
        None => {
            let text = config.get("usersig").and_then(|it| it.text().ok());
            let valid = valid_for(text, client.sdkappid(), client.identifier(), now)?;
            ok(format!(
                "a UserSig for this app and identifier, valid for {} more; only the service can verify it",
                in_words(valid)
            ))
        }
    }
}

/// How long it is still valid.
fn valid_for(
    usersig: Option<&str>,
    app: SdkAppId,
    identifier: &Identifier,
    now: Duration,
) -> Result<Duration, Fault> {
    let usersig = UserSig::new(usersig.unwrap_or_default()).map_err(|_| Unverified::Malformed);
    let verified = usersig.and_then(|it| it.verify_without_key(app, identifier.as_str(), now));
    let verified = verified.map_err(|why| Fault {
        check: Check::Credentials,
        detail: why.to_string(),
        remedy: match why {
            Unverified::Malformed => "copy the UserSig whole, or make a new one",
            Unverified::WithUserbuf => "make a UserSig without a userbuf",
            Unverified::OtherIdentifier => "make a UserSig for the identifier that is set",
            Unverified::OtherApp => "make a UserSig for the SDKAppID that is set",
            Unverified::Expired => "make a new UserSig, valid for 24 hours or more",
            Unverified::WrongSignature => "make the UserSig with the key of this very app",
        }
        .to_owned(),
        exit: Exit::Settings,
        after: None,
    })?;
    let ends = verified.made_at.saturating_add(verified.valid_for);
    Ok(ends.saturating_sub(now))
}
