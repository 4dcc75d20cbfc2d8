//! Settings: each is a flag, a variable `IMTAG_…` and a key of the settings file, all of one name. A flag wins over the
//! variable, the variable over the file. Of settings that exclude each other (three credentials, two ways to say where
//! the service is) the first place that has any decides; two in one place are an error, as either may be meant.
//!
//! ```text
//! flags      of a command line ─┐
//! variables                     ├─> Settings: texts, each with its place ─> parser ─> client: a client, an app, …
//! file       TOML              ─┘   (here)
//! ```
//!
//! A text is understood only where a command asks for it, so that `imtag explain` needs no valid settings.

pub(crate) mod client;
mod file;
pub(crate) mod parser;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// A setting that there is.
pub(crate) struct Setting {
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    meaning: &'static str,
    default: Option<&'static str>,
}

/// What the value of a setting may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Called so in the help.
    Text(&'static str),
    /// It has no flag, as every process of the machine can read a command line.
    Secret,
    Path,
    /// It may be a fraction.
    Number,
    /// On or off.
    Switch,
}

/// All of them, the settings file first.
pub(crate) static SETTINGS: [Setting; 12] = [
    setting(
        "config",
        Kind::Path,
        "A settings file",
        Some("~/.config/imtag/config.toml, if it is there"),
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
    /// What the value of its flag is called, if it has one.
    pub(crate) fn flag_value(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Text(name) => Some(name),
            Kind::Secret => None,
            Kind::Path => Some("FILE"),
            Kind::Number => Some("NUMBER"),
            Kind::Switch => Some("true|false"),
        }
    }

    /// What help says of its flag.
    pub(crate) fn help(&self) -> String {
        let default = self.default.map(|it| format!(" [default: {it}]"));
        let default = default.unwrap_or_default();
        format!("{}{default} [env: {}]", self.meaning, variable(self.key))
    }
}

fn variable(key: &str) -> String {
    format!("IMTAG_{}", key.to_uppercase())
}

/// The name of a flag.
pub(crate) fn flag(key: &str) -> String {
    key.replace('_', "-")
}

/// What is set. It may hold secrets, so it has no `Debug`.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    given: Vec<Given>,
    /// What is wrong with keys of the file that are no settings.
    unknown: Vec<String>,
}

/// A setting as it was given.
#[derive(Clone)]
struct Given {
    setting: &'static Setting,
    place: Place,
    /// Or why it is none, such as "it is neither true nor false".
    value: Result<OsString, String>,
}

/// Where a setting stands. A later one wins.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    File(PathBuf),
    Variable,
    Flag,
}

impl Settings {
    /// These flags, by their keys, and the variables of the environment. A variable that is empty counts as not set:
    /// that is how a container says so.
    pub(crate) fn new(flag: impl Fn(&'static str) -> Option<OsString>) -> Settings {
        let mut settings = Settings::default();
        for setting in &SETTINGS {
            let flag = setting.flag_value().and_then(|_| flag(setting.key));
            let variable = || env::var_os(variable(setting.key)).filter(|it| !it.is_empty());
            let flag = flag.map(|value| (Place::Flag, value));
            if let Some((place, value)) = flag.or_else(|| Some((Place::Variable, variable()?))) {
                let value = Ok(value);
                settings.given.push(Given {
                    setting,
                    place,
                    value,
                });
            }
        }
        settings
    }

    /// What is wrong with a flag that cannot be any setting.
    pub(crate) fn wrong_flag(&self) -> Option<String> {
        self.flags().find_map(|it| match &it.value {
            Ok(value) if value.is_empty() && it.setting.key == "config" => {
                Some(format!("{it} names no file"))
            }
            Ok(value) if value.to_str().is_none() && it.setting.kind != Kind::Path => {
                Some(format!("{it} is not UTF-8"))
            }
            _ => None,
        })
    }

    /// The first setting that was given as a flag, for commands that have none.
    #[cfg(any(test, feature = "emulator"))]
    pub(crate) fn any_flag(&self) -> Option<String> {
        self.flags().next().map(Given::to_string)
    }

    fn flags(&self) -> impl Iterator<Item = &Given> {
        self.given.iter().filter(|it| it.place == Place::Flag)
    }

    fn get(&self, key: &str) -> Option<&Given> {
        self.given.iter().find(|it| it.setting.key == key)
    }

    /// Takes from a weaker place what is not set yet.
    fn complete(&mut self, weaker: Settings) {
        for given in weaker.given {
            if self.get(given.setting.key).is_none() {
                self.given.push(given);
            }
        }
        self.unknown = weaker.unknown;
    }
}

impl Given {
    fn text(&self) -> Result<&str, String> {
        let value = self.value.as_ref().map_err(String::clone)?;
        let text = value.to_str();
        text.ok_or_else(|| "it is not UTF-8".to_owned())
    }

    /// A path that a settings file names is relative to that file, wherever the command is run.
    fn path(&self) -> Result<PathBuf, String> {
        let path = self.value.as_ref().map_err(String::clone)?;
        Ok(match &self.place {
            Place::File(file) => file.parent().unwrap_or(Path::new("")).join(path),
            Place::Variable | Place::Flag => path.into(),
        })
    }
}

/// What it is called where it stands.
impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Flag => write!(f, "--{}", flag(self.setting.key)),
            Place::Variable => f.write_str(&variable(self.setting.key)),
            Place::File(path) => write!(f, "{} in {}", self.setting.key, path.display()),
        }
    }
}

/// How alike two names are, of 1, for one to be taken for the other. At 0.8 `regoin` is `region`, and `port`, which an
/// orchestrator sets for a service called imtag, is none.
const ALIKE: f64 = 0.8;

/// Variables that no setting has and one is probably meant by, each with that one.
fn misspelt_variables(names: impl Iterator<Item = OsString>) -> Vec<(String, String)> {
    let names = names.filter_map(|name| name.into_string().ok());
    let mut misspelt: Vec<_> = names
        .filter(|name| !SETTINGS.iter().any(|it| variable(it.key) == *name))
        .filter_map(|name| {
            let near = nearest(name.strip_prefix("IMTAG_")?, &SETTINGS)?;
            Some((name, variable(near)))
        })
        .collect();
    misspelt.sort_unstable();
    misspelt
}

/// The key that is most like a name, if any is like it.
fn nearest(name: &str, settings: &[Setting]) -> Option<&'static str> {
    let name = name.replace('-', "_").to_ascii_lowercase();
    let alike = settings
        .iter()
        .map(|it| (strsim::jaro(&name, it.key), it.key));
    let nearest = alike.max_by(|one, other| one.0.total_cmp(&other.0));
    nearest.filter(|it| it.0 >= ALIKE).map(|it| it.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Settings {
        /// Settings that all stand in one place.
        pub(super) fn at(place: Place, texts: &[(&str, &str)]) -> Settings {
            let mut settings = Settings::default();
            for (key, text) in texts {
                settings.given.push(Given {
                    setting: SETTINGS.iter().find(|it| it.key == *key).unwrap(),
                    place: place.clone(),
                    value: Ok(text.into()),
                });
            }
            settings
        }
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        let places = [
            Place::Flag,
            Place::Variable,
            Place::File("config.toml".into()),
        ];
        let names = ["--ca-file", "IMTAG_CA_FILE", "ca_file in config.toml"];
        for (strongest, name) in names.into_iter().enumerate() {
            let mut settings = Settings::default();
            for place in &places[strongest..] {
                settings.complete(Settings::at(place.clone(), &[("ca_file", "ca.pem")]));
            }
            assert_eq!(settings.get("ca_file").unwrap().to_string(), name);
        }
    }

    #[test]
    fn a_path_in_a_file_is_relative_to_the_file() {
        let path = |place, text| {
            let settings = Settings::at(place, &[("ca_file", text)]);
            settings.get("ca_file").unwrap().path().unwrap()
        };
        let file = || Place::File("/etc/imtag/config.toml".into());
        assert_eq!(path(file(), "ca.pem"), Path::new("/etc/imtag/ca.pem"));
        assert_eq!(path(file(), "/srv/ca.pem"), Path::new("/srv/ca.pem"));
        assert_eq!(path(Place::Variable, "ca.pem"), Path::new("ca.pem"));
    }

    #[test]
    fn the_readme_lists_the_settings_as_they_are() {
        let row = |setting: &Setting| {
            let (key, meaning) = (setting.key, setting.meaning);
            let flag = setting.flag_value().map(|_| format!("`--{}`", flag(key)));
            let flag = flag.as_deref().unwrap_or("none");
            let default = setting.default.unwrap_or("none");
            let variable = variable(key);
            format!("| {meaning} | {flag} | `{variable}` | `{key}` | {default} |\n")
        };
        let table: String = SETTINGS[1..].iter().map(row).collect();
        let head =
            "| setting | flag | variable | key in the file | default |\n|---|---|---|---|---|\n";
        assert!(
            include_str!("../../README.md").contains(&format!("{head}{table}\n")),
            "README.md should hold:\n{head}{table}"
        );
    }

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
            ("IMTAG_REGION", None),
            ("IMTAG_CONFIG", None),
            ("IMTAG_APP", None),
            ("IMTAG_TIMEOUT", None),
            ("IMTAG_PROXY", None),
            ("IMTAG_PORT", None),
            ("IMTAG_SERVICE_HOST", None),
            ("IMTAG_SERVICE_PORT", None),
            ("IMTAG_PORT_80_TCP_ADDR", None),
            ("IMTAG_VERSION", None),
            ("IMTAG_LOG", None),
            ("TMPDIR", None),
        ] {
            let found = misspelt_variables([name.into()].into_iter());
            let expected = expected.map(|near| (name.to_owned(), near.to_owned()));
            assert_eq!(found, Vec::from_iter(expected));
        }
    }
}
