//! The settings that can be found outside a program: each is a variable `IMTAG_…`, a key of the settings file and, in a
//! command line, a flag, all of one name.
//!
//! A spare endpoint belongs to the region or endpoint that it is found beside, or in a stronger place than: where one of a
//! stronger place, or the program, sets another region or endpoint, it is not used. `none` is for any.

/// A setting that there is.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the settings file.
    pub key: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// What it is, in a few words.
    pub meaning: &'static str,
    /// What holds if it is not set.
    pub default: Option<&'static str>,
}

/// What the value of a setting may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Called so in the help.
    Text(&'static str),
    /// It has no flag, as every process of the machine can read a command line.
    Secret,
    /// A path; in a settings file relative to that file.
    Path,
    /// It may be a fraction.
    Number,
    /// On or off.
    Switch,
}

/// The app, and who calls it: a setting each.
pub(crate) static APP: [&str; 2] = ["sdkappid", "identifier"];
/// Which app is called, as which account and where.
pub(super) static OF_APP: [&str; 8] = [
    "sdkappid",
    "identifier",
    "secret_key",
    "secret_key_file",
    "usersig",
    "region",
    "endpoint",
    "generation",
];
/// Each excludes the others.
pub(crate) static CREDENTIALS: [&str; 3] = ["secret_key", "secret_key_file", "usersig"];
/// Each excludes the other.
pub(crate) static TARGET: [&str; 2] = ["region", "endpoint"];
/// Each excludes the other.
pub(crate) static TRUST: [&str; 2] = ["roots", "ca_file"];
/// Each excludes the other.
pub(crate) static RATE: [&str; 2] = ["calls_per_second", "below_alarm"];

/// All of them. The first two say where the others are, so they stand in no file.
pub static SETTINGS: [Setting; 17] = [
    setting(
        "config",
        Kind::Path,
        "A settings file",
        Some("~/.config/imtag/config.toml, if it is there"),
    ),
    setting(
        "profile",
        Kind::Text("NAME"),
        "the table [profile.NAME] of the settings file, whose keys win over those at its top",
        None,
    ),
    setting(
        "sdkappid",
        Kind::Text("NUMBER"),
        "the app's SDKAppID, as the console shows it",
        None,
    ),
    setting(
        "identifier",
        Kind::Text("ACCOUNT"),
        "an administrator of the app, often `administrator`",
        None,
    ),
    setting("secret_key", Kind::Secret, "the app's secret key", None),
    setting(
        "secret_key_file",
        Kind::Path,
        "a file that holds the secret key and nothing else",
        None,
    ),
    setting(
        "usersig",
        Kind::Secret,
        "a UserSig made elsewhere, in place of the key",
        None,
    ),
    setting(
        "region",
        Kind::Text("REGION"),
        "the app's data centre, as the console shows it: `china`, `singapore`, `seoul` …",
        None,
    ),
    setting(
        "endpoint",
        Kind::Text("URL"),
        "an address in place of the region's: https://host:port, or http:// on this machine",
        None,
    ),
    setting(
        "generation",
        Kind::Text("NAME"),
        "the paths to call: `all_member_push` or `timpush`",
        Some("all_member_push"),
    ),
    setting(
        "calls_per_second",
        Kind::Number,
        "this process's share of the app's quota, 0.001 to 100000: 0.5 is one call in 2 s, 2.5 is two in any second",
        Some("100"),
    ),
    setting(
        "below_alarm",
        Kind::Switch,
        "`true`: 80 calls per second, which do not set off the service's alarm (a webhook above 80 % of the quota)",
        Some("false"),
    ),
    setting(
        "fresh_start",
        Kind::Switch,
        "`true`: no other process of the app called in the last second, so no call is held back at the start",
        Some("false"),
    ),
    setting(
        "ca_file",
        Kind::Path,
        "certificates (PEM) to trust in place of the public ones",
        Some("public roots"),
    ),
    setting(
        "roots",
        Kind::Text("NAME"),
        "the public roots to trust: `built-in`, or `platform`, those of this system",
        Some("built-in"),
    ),
    setting(
        "proxy",
        Kind::Text("URL"),
        "a proxy: http://, https:// or socks5:// with host:port; or `direct`. With user:password@ it stands in no flag",
        Some("HTTPS_PROXY or ALL_PROXY, unless NO_PROXY names the host"),
    ),
    setting(
        "spare_endpoint",
        Kind::Text("URL"),
        "where to call while the endpoint cannot be reached; or `none`",
        Some("the region's spare host; none beside an endpoint"),
    ),
];

/// Those of `imtag serve` alone. A client takes them where it finds them, and does not use them.
pub static DAEMON_SETTINGS: [Setting; 3] = [
    setting(
        "token_file",
        Kind::Path,
        "a file with the token that lets in over TCP, 16 letters and digits or more",
        None,
    ),
    setting(
        "log_level",
        Kind::Text("LEVEL"),
        "what is said on standard error, where no `-v` is given: `off`, `error`, `warn`, `info`, `debug` or `trace`",
        Some("off"),
    ),
    setting(
        "log_format",
        Kind::Text("NAME"),
        "how it is said: `text` or `json`",
        Some("text"),
    ),
];

const fn setting(
    key: &'static str,
    kind: Kind,
    meaning: &'static str,
    default: Option<&'static str>,
) -> Setting {
    Setting {
        key,
        kind,
        meaning,
        default,
    }
}

impl Setting {
    /// `IMTAG_CA_FILE`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("IMTAG_{}", self.key.to_uppercase())
    }

    /// `--ca-file`, if it may stand in a command line.
    #[must_use]
    pub fn flag(&self) -> Option<String> {
        let flag = || format!("--{}", self.key.replace('_', "-"));
        (self.kind != Kind::Secret).then(flag)
    }

    /// Those that may stand in a settings file.
    #[must_use]
    pub fn in_file() -> &'static [Setting] {
        let [_, _, others @ ..] = &SETTINGS;
        others
    }

    /// All that there are, also those of the daemon.
    pub(super) fn all() -> impl Iterator<Item = &'static Setting> + Clone {
        SETTINGS.iter().chain(&DAEMON_SETTINGS)
    }

    /// The setting of this key.
    pub(super) fn named(key: &str) -> Option<&'static Setting> {
        Setting::all().find(|it| it.key == key)
    }
}

/// How alike two names are, of 1, for one to be taken for the other. At 0.8 `regoin` is `region`, and `port`, which an
/// orchestrator sets for a service called imtag, is none.
const ALIKE: f64 = 0.8;

/// The setting that a misspelt name is probably meant for.
pub(super) fn nearest(
    name: &str,
    settings: impl Iterator<Item = &'static Setting>,
) -> Option<&'static Setting> {
    let name = name.replace('-', "_").to_ascii_lowercase();
    let alike = settings.map(|it| (strsim::jaro(&name, it.key), it));
    let nearest = alike.max_by(|one, other| one.0.total_cmp(&other.0));
    nearest.filter(|it| it.0 >= ALIKE).map(|it| it.1)
}

/// A variable that is no setting, and the setting's that is probably meant; that of another program is none.
pub(super) fn meant_by(variable: &str) -> Option<String> {
    if Setting::all().any(|it| it.variable() == variable) {
        return None;
    }
    let near = nearest(variable.strip_prefix("IMTAG_")?, Setting::all())?;
    Some(near.variable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_its_setting_and_that_of_another_none() {
        for (name, expected) in [
            ("IMTAG_REGOIN", Some("IMTAG_REGION")),
            ("IMTAG_Region", Some("IMTAG_REGION")),
            ("IMTAG_SECRET-KEY", Some("IMTAG_SECRET_KEY")),
            ("IMTAG_SDK_APP_ID", Some("IMTAG_SDKAPPID")),
            ("IMTAG_SDKAppID", Some("IMTAG_SDKAPPID")),
            ("IMTAG_CALLS_PER_SEC", Some("IMTAG_CALLS_PER_SECOND")),
            ("IMTAG_USER_SIG", Some("IMTAG_USERSIG")),
            ("IMTAG_CONFG", Some("IMTAG_CONFIG")),
            ("IMTAG_PROFIL", Some("IMTAG_PROFILE")),
            ("IMTAG_TOKEN_FIEL", Some("IMTAG_TOKEN_FILE")),
            ("IMTAG_REGION", None),
            ("IMTAG_LOG_LEVEL", None),
            ("IMTAG_CONFIG", None),
            ("IMTAG_PROFILE", None),
            ("IMTAG_APP", None),
            ("IMTAG_TIMEOUT", None),
            ("IMTAG_PORT", None),
            ("IMTAG_SERVICE_HOST", None),
            ("IMTAG_SERVICE_PORT", None),
            ("IMTAG_PORT_80_TCP_ADDR", None),
            ("IMTAG_VERSION", None),
            ("IMTAG_LOG", None),
            ("IMTAG_LIBRARY", None),
            ("IMTAG_BIN", None),
            ("TMPDIR", None),
        ] {
            assert_eq!(meant_by(name).as_deref(), expected, "{name}");
        }
    }
}
