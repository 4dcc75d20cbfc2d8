//! What is set, and where each setting comes from; and the credentials, as far as this machine can judge them.

use std::time::Duration;

use imtag_core::usersig::Unverified;
use imtag_core::{Code, Identifier, SdkAppId, UserSig, UserSigFault};
use imtag_transport::{
    Client, Config, Endpoint, Given, Kind, ProxyChoice, SETTINGS, Setting, SettingsError,
    proxy_choice,
};
use serde::Serialize;

use super::check::{Check, Fault, Finding, in_words};
use super::places::{place, with_places};
use crate::output::without_secrets;

/// A UserSig that ends so soon is no mistake yet.
const SOON: Duration = Duration::from_secs(3_600);

/// A setting, and where it comes from. The names of the fields are a promise to programs: see the README.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) setting: &'static str,
    /// None of a secret.
    pub(super) value: Option<String>,
    /// A flag, a variable, a line of the file; `default`.
    pub(super) from: String,
}

/// Settings that a client can be made of.
pub(super) fn complete(config: &Config) -> Finding {
    let warnings: Vec<_> = config.warnings().iter().map(String::as_str).collect();
    if warnings.is_empty() {
        return Finding::ok(Check::Settings, "complete");
    }
    let detail = format!("complete, but\n{}", warnings.join("\n"));
    let remedy = "correct it if it is a mistake";
    Finding::warning(Fault::new(Check::Settings, detail, remedy))
}

/// Settings that no client can be made of.
pub(super) fn incomplete(config: &Config, error: &SettingsError) -> Finding {
    let warnings = config.warnings().iter();
    let warnings: String = warnings.map(|it| format!("{it}\n")).collect();
    // the name that is meant may be the setting that is missing
    let is_misspelt = (warnings.clone() + &error.to_string()).contains("did you mean");
    let remedy = match error {
        SettingsError::Found(_) if is_misspelt => {
            "correct the name that is misspelt; then see whether anything is still missing"
                .to_owned()
        }
        SettingsError::NoSuchProfile { .. } => with_places(
            config,
            "ask for a profile that there is, or write this one into the settings file",
            &["profile"],
        ),
        SettingsError::Unreadable { .. } | SettingsError::NotToml { .. } => with_places(
            config,
            "name a settings file that can be read, or correct this one",
            &["config"],
        ),
        _ => {
            "set or correct what is named here; the settings that there are stand below".to_owned()
        }
    };
    let mut fault = Fault::new(Check::Settings, warnings + &error.to_string(), remedy);
    let profiles = config.profiles();
    let asked = config
        .get("profile")
        .map(|_| ())
        .or(is_misspelt.then_some(()));
    if let (Some(file), [first, ..], None) = (config.file(), profiles, asked) {
        let names = profiles.join(", ");
        fault.detail += &format!(
            "\n{} has profiles, and none was asked for: {names}",
            file.display()
        );
        fault.remedy = format!(
            "ask for a profile, such as --profile {first} or IMTAG_PROFILE={first}, or set or correct what is named here"
        );
    }
    Finding::failed(fault)
}

/// Every setting that is set, or has a default.
pub(super) fn rows(config: &Config, client: Option<&Client>) -> Vec<Row> {
    let row = |setting: &'static Setting| {
        let (key, other) = (setting.key, config.in_place_of(setting.key));
        let Some(given) = config.get(key) else {
            if key == "profile" && !config.profiles().is_empty() {
                let there = config.profiles().join(", ");
                return Some(Row {
                    setting: key,
                    value: Some(format!("none; the file has {there}")),
                    from: "default".to_owned(),
                });
            }
            let default = setting.default.filter(|_| other.is_none())?;
            let (value, from) = unset(config, client, key, default);
            return Some(Row {
                setting: key,
                value,
                from,
            });
        };
        if let ("spare_endpoint", Some(other), Some(client)) = (key, other, client) {
            // where calls go counts more than what is set in vain
            return Some(Row {
                setting: key,
                value: Some(spare_of(client)),
                from: format!("default; {} is not used, as {other} is set", place(given)),
            });
        }
        let unused = other.map(|other| format!("; not used, as {other} is set"));
        Some(Row {
            setting: key,
            value: shown(given),
            from: place(given) + &unused.unwrap_or_default(),
        })
    };
    SETTINGS.iter().filter_map(row).collect()
}

/// What holds for a setting that is not set, as far as it is known.
fn unset(
    config: &Config,
    client: Option<&Client>,
    key: &str,
    default: &str,
) -> (Option<String>, String) {
    let by_default = |value: &str| (Some(value.to_owned()), "default".to_owned());
    match (key, client) {
        ("config", _) => match config.file() {
            Some(file) => by_default(&file.display().to_string()),
            None => by_default(&format!("{default}: it is not")),
        },
        ("proxy", Some(client)) => match proxy_choice(None, client.endpoint()) {
            ProxyChoice::Variable(name) => (None, name.to_owned()),
            ProxyChoice::Exception(name) => {
                by_default(&format!("none: {name} names the endpoint's host"))
            }
            ProxyChoice::ThisMachine => by_default("none: the endpoint is on this machine"),
            _ => by_default("none: neither HTTPS_PROXY nor ALL_PROXY is set"),
        },
        ("spare_endpoint", Some(client)) => by_default(&spare_of(client)),
        _ => by_default(default),
    }
}

fn spare_of(client: &Client) -> String {
    let spare = client.spare_endpoint().map(Endpoint::host_and_port);
    spare.unwrap_or_else(|| "none".to_owned())
}

/// None of what may be a secret. A proxy may hold a password, also in a form that cannot be read.
fn shown(given: &Given) -> Option<String> {
    let setting = given.setting;
    if setting.kind == Kind::Secret || setting.key == "proxy" {
        return None;
    }
    let text = match setting.kind {
        Kind::Path => given.path().map(|path| path.display().to_string()),
        _ => given.text().map(str::to_owned),
    };
    let text = text.unwrap_or_else(|why| why);
    (!given.may_hold_login()).then(|| without_secrets(&text))
}

/// What this machine can see of credentials that may be refused.
pub(super) struct Suspicion {
    pub(super) why: Unverified,
    pub(super) fault: Fault,
}

impl Suspicion {
    /// Whether a refusal by this code follows from it.
    pub(super) fn explains(&self, code: Code) -> bool {
        use UserSigFault::{Expired, Unclear};
        let fault = code.usersig_fault();
        match self.why {
            Unverified::Expired => matches!(fault, Some(Expired | Unclear)),
            // the app that is called is not the one that is meant
            Unverified::OtherApp => {
                fault.is_some() || matches!(code.0, 60006 | 60026 | 70016 | 70020)
            }
            _ => fault.is_some(),
        }
    }
}

/// Judges the credentials of a client at `now`, since the Unix epoch: the form of a key, all of a UserSig except its
/// signature.
pub(super) fn credentials(
    config: &Config,
    client: &Client,
    now: Duration,
) -> Result<Finding, Suspicion> {
    let ok = |detail: &str| Ok(Finding::ok(Check::Credentials, detail));
    match client.key_has_usual_form() {
        Some(true) => ok("a secret key of the usual form, 64 hexadecimal characters"),
        Some(false) => ok("a secret key, but not of the usual form, 64 hexadecimal characters"),
        None => {
            let text = config.get("usersig").and_then(|it| it.text().ok());
            let usersig = text.unwrap_or_default();
            let (app, identifier) = (client.sdkappid(), client.identifier());
            let valid = valid_for(usersig, app, identifier, now);
            let valid = valid.map_err(|why| suspicion(config, why))?;
            let detail = format!(
                "a UserSig for this app and identifier, valid for {} more",
                in_words(valid)
            );
            if valid >= SOON {
                return Ok(Finding::ok(
                    Check::Credentials,
                    detail + "; only the service can verify it",
                ));
            }
            let remedy = with_places(
                config,
                "make a new UserSig, valid for 24 hours or more",
                &["usersig"],
            );
            Ok(Finding::warning(Fault::new(
                Check::Credentials,
                detail,
                remedy,
            )))
        }
    }
}

fn suspicion(config: &Config, why: Unverified) -> Suspicion {
    let (sentence, keys) = match why {
        Unverified::Malformed => (
            "copy the UserSig whole, without blanks or line ends in it, or make a new one",
            &["usersig"][..],
        ),
        Unverified::WithUserbuf => ("make a UserSig without a userbuf", &["usersig"][..]),
        Unverified::OtherIdentifier => (
            "set the identifier that the UserSig was made for, or make one for this identifier",
            &["identifier", "usersig"][..],
        ),
        Unverified::OtherApp => (
            "set the SDKAppID that the UserSig was made for, or make one for this SDKAppID",
            &["sdkappid", "usersig"][..],
        ),
        Unverified::Expired => (
            "make a new UserSig, valid for 24 hours or more",
            &["usersig"][..],
        ),
        Unverified::WrongSignature => (
            "make the UserSig with the key of this very app",
            &["usersig"][..],
        ),
    };
    let remedy = with_places(config, sentence, keys);
    Suspicion {
        fault: Fault::new(Check::Credentials, why.to_string(), remedy),
        why,
    }
}

/// How long it is still valid.
fn valid_for(
    usersig: &str,
    app: SdkAppId,
    identifier: &Identifier,
    now: Duration,
) -> Result<Duration, Unverified> {
    let usersig = UserSig::new(usersig).map_err(|_| Unverified::Malformed)?;
    let verified = usersig.verify_without_key(app, identifier.as_str(), now)?;
    let ends = verified.made_at.saturating_add(verified.valid_for);
    Ok(ends.saturating_sub(now))
}
