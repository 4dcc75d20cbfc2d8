//! Settings: each is a flag, a variable `IMTAG_…` and a key of the settings file, all of one name. A flag wins over the
//! variable, the variable over the file. Of settings that exclude each other (three credentials, two ways to say where
//! the service is) the first place that has any decides; two in one place are an error, as either may be meant.
//!
//! ```text
//! flags and variables  clap  ─┐
//! secrets, no flags    env   ─┼─> Settings: texts, each with its place ─> a client, an app, …
//! settings file        serde ─┘   (here)                                  (client.rs)
//! ```
//!
//! A text is understood only where a command asks for it, so that `imtag explain` needs no valid settings.

mod client;
mod file;
mod messages;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args};
use serde::{Deserialize, Deserializer};
use toml::Value;

pub(crate) use client::{App, Connection};

/// What is set. The fields are the keys of the settings file. It may hold secrets, so it has no `Debug`.
#[derive(Clone, Default, Args, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// A settings file [default: ~/.config/imtag/config.toml, if it is there]
    #[arg(long, env = "IMTAG_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    config: Option<Given>,
    /// the app's SDKAppID, as the console shows it
    #[arg(long, env = "IMTAG_SDKAPPID", value_name = "NUMBER")]
    sdkappid: Option<Given>,
    /// an administrator of the app, often `administrator`
    #[arg(long, env = "IMTAG_IDENTIFIER", value_name = "ACCOUNT")]
    identifier: Option<Given>,
    #[arg(skip)]
    secret_key: Option<Given>,
    /// a file that holds the secret key and nothing else
    #[arg(long, env = "IMTAG_SECRET_KEY_FILE", value_name = "FILE")]
    secret_key_file: Option<Given>,
    #[arg(skip)]
    usersig: Option<Given>,
    /// the app's data centre, as the console shows it: `china`, `singapore`, `seoul` …
    #[arg(long, env = "IMTAG_REGION", value_name = "REGION")]
    region: Option<Given>,
    /// an address in place of the region's: https://host:port, or http:// on this machine
    #[arg(long, env = "IMTAG_ENDPOINT", value_name = "URL")]
    endpoint: Option<Given>,
    /// the paths to call: `all_member_push` or `timpush` [default: all_member_push]
    #[arg(long, env = "IMTAG_GENERATION", value_name = "NAME")]
    generation: Option<Given>,
    /// this process's share of the app's quota, 0.001 to 100000: 0.5 is one call in 2 s, 2.5 is two in any second
    /// [default: 100]
    #[arg(long, env = "IMTAG_CALLS_PER_SECOND", value_name = "NUMBER")]
    #[serde(deserialize_with = "number")]
    calls_per_second: Option<Given>,
    /// `true`: no other process of the app called in the last second, so no call is held back at the start
    /// [default: false]
    // with `=` only, or the next argument would be taken for the value
    #[arg(long, env = "IMTAG_FRESH_START", value_name = "true|false")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(deserialize_with = "switch")]
    fresh_start: Option<Given>,
    /// certificates (PEM) to trust in place of the public ones [default: public roots]
    #[arg(long, env = "IMTAG_CA_FILE", value_name = "FILE")]
    ca_file: Option<Given>,
    /// What is wrong with keys of the file that are no settings.
    #[arg(skip)]
    #[serde(skip)]
    unknown: Vec<String>,
}

/// What every flag of a setting has in common, for [`clap::Command::mut_args`].
pub(crate) fn as_setting(arg: Arg) -> Arg {
    if arg.get_env().is_none() {
        return arg;
    }
    arg.global(true)
        .help_heading("Settings")
        // no help shows what is set
        .hide_env_values(true)
        // a number below 0 is the setting's to refuse, with its range
        .allow_negative_numbers(true)
}

/// A setting as it was given.
#[derive(Clone)]
struct Given {
    key: &'static str,
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

/// They have no flag, as every process of the machine can read a command line.
const SECRETS: [&str; 2] = ["secret_key", "usersig"];

impl Settings {
    /// Says of what clap found where it stands, and adds the secrets. A variable that is empty counts as not set: that
    /// is how a container says so.
    pub(crate) fn found_by(&mut self, matches: &ArgMatches) {
        self.secret_key = env::var_os("IMTAG_SECRET_KEY").map(Given::from);
        self.usersig = env::var_os("IMTAG_USERSIG").map(Given::from);
        self.locate(|key| {
            let is_flag = || matches.value_source(key) == Some(ValueSource::CommandLine);
            if !SECRETS.contains(&key) && is_flag() {
                Place::Flag
            } else {
                Place::Variable
            }
        });
        for (_, given) in self.by_key() {
            given.take_if(|it| it.place == Place::Variable && it.value == Ok(OsString::new()));
        }
    }

    /// What is wrong with a flag that cannot be any setting.
    pub(crate) fn wrong_flag(&self) -> Option<String> {
        let mut settings = self.clone();
        let mut given = settings.by_key().into_iter().filter_map(|it| it.1.take());
        given.find_map(|it| match &it.value {
            Ok(_) if it.place != Place::Flag => None,
            Ok(value) if value.is_empty() && it.key == "config" => {
                Some(format!("{it} names no file"))
            }
            Ok(value) if value.to_str().is_none() && !it.is_path() => {
                Some(format!("{it} is not UTF-8"))
            }
            _ => None,
        })
    }

    /// The first setting that was given as a flag, for commands that have none.
    #[cfg(any(test, feature = "emulator"))]
    pub(crate) fn any_flag(&self) -> Option<String> {
        let mut settings = self.clone();
        let mut given = settings.by_key().into_iter().filter_map(|it| it.1.take());
        let flag = given.find(|it| it.place == Place::Flag)?;
        Some(flag.to_string())
    }

    /// Takes from a weaker place what is not set yet.
    fn complete(&mut self, mut weaker: Settings) {
        for ((_, given), (_, other)) in self.by_key().into_iter().zip(weaker.by_key()) {
            *given = given.take().or(other.take());
        }
        self.unknown = weaker.unknown;
    }

    /// Every setting by its key, the file's own first, the others in the order of the README.
    fn by_key(&mut self) -> [(&'static str, &mut Option<Given>); 12] {
        [
            ("config", &mut self.config),
            ("sdkappid", &mut self.sdkappid),
            ("identifier", &mut self.identifier),
            ("secret_key", &mut self.secret_key),
            ("secret_key_file", &mut self.secret_key_file),
            ("usersig", &mut self.usersig),
            ("region", &mut self.region),
            ("endpoint", &mut self.endpoint),
            ("generation", &mut self.generation),
            ("calls_per_second", &mut self.calls_per_second),
            ("fresh_start", &mut self.fresh_start),
            ("ca_file", &mut self.ca_file),
        ]
    }

    /// Says of all settings what they are called and where they stand.
    fn locate(&mut self, place_of: impl Fn(&'static str) -> Place) {
        for (key, given) in self.by_key() {
            if let Some(given) = given {
                given.key = key;
                given.place = place_of(key);
            }
        }
    }

    fn keys() -> [&'static str; 12] {
        Settings::default().by_key().map(|it| it.0)
    }
}

impl Given {
    fn is_path(&self) -> bool {
        self.key == "config" || self.key.ends_with("_file")
    }

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

impl From<OsString> for Given {
    fn from(value: OsString) -> Given {
        Given {
            key: "",
            place: Place::Flag,
            value: Ok(value),
        }
    }
}

/// What it is called where it stands.
impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Flag => write!(f, "--{}", self.key.replace('_', "-")),
            Place::Variable => write!(f, "IMTAG_{}", self.key.to_uppercase()),
            Place::File(path) => write!(f, "{} in {}", self.key, path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Given, D::Error> {
        Value::deserialize(from).map(Given::from)
    }
}

/// A text, or a whole number that needs no quotes.
impl From<Value> for Given {
    fn from(value: Value) -> Given {
        let value = match value {
            Value::String(text) => Ok(text.into()),
            Value::Integer(number) => Ok(number.to_string().into()),
            _ => Err("it is neither a text nor a whole number".to_owned()),
        };
        Given {
            key: "",
            place: Place::File(PathBuf::new()),
            value,
        }
    }
}

/// A number, which may be a fraction.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Given>, D::Error> {
    let value = Value::deserialize(from)?;
    // with an exponent where Display would write 300 digits
    let text = value.as_float().map(|number| format!("{number:?}"));
    Ok(Some(also(value, text, "it is neither a text nor a number")))
}

/// A setting that is on or off.
fn switch<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Given>, D::Error> {
    let value = Value::deserialize(from)?;
    let text = value.as_bool().map(|on| on.to_string());
    Ok(Some(also(value, text, "it is neither true nor false")))
}

/// A value that may be of one more type, which `text` is of.
fn also(value: Value, text: Option<String>, otherwise: &str) -> Given {
    let mut given = Given::from(value);
    given.value = match text {
        Some(text) => Ok(OsString::from(text)),
        None => given.value.map_err(|_| otherwise.to_owned()),
    };
    given
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    use crate::args::Cli;

    impl Settings {
        /// Settings that all stand in one place.
        pub(super) fn at(place: Place, texts: &[(&str, &str)]) -> Settings {
            let mut settings = Settings::default();
            for (key, given) in settings.by_key() {
                let text = texts.iter().find(|it| it.0 == key);
                *given = text.map(|it| Given::from(OsString::from(it.1)));
            }
            settings.locate(|_| place.clone());
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
        let names = ["--region", "IMTAG_REGION", "region in config.toml"];
        for (strongest, name) in names.into_iter().enumerate() {
            let mut settings = Settings::default();
            for place in &places[strongest..] {
                settings.complete(Settings::at(place.clone(), &[("region", "tokyo")]));
            }
            assert_eq!(settings.region.unwrap().to_string(), name);
        }
    }

    #[test]
    fn a_path_in_a_file_is_relative_to_the_file() {
        let paths = [("secret_key_file", "key"), ("ca_file", "/srv/ca.pem")];
        let in_file = Settings::at(Place::File("/etc/imtag/config.toml".into()), &paths);
        assert_eq!(
            in_file.secret_key_file.unwrap().path(),
            Ok("/etc/imtag/key".into())
        );
        assert_eq!(in_file.ca_file.unwrap().path(), Ok("/srv/ca.pem".into()));
        let variables = Settings::at(Place::Variable, &paths);
        assert_eq!(variables.secret_key_file.unwrap().path(), Ok("key".into()));
    }

    /// Also, that all but the secrets have a flag, and that each flag and variable is named as its key is.
    #[test]
    fn the_readme_lists_the_settings_as_they_are() {
        let command = Cli::command();
        let row = |key: &str| {
            let variable = format!("IMTAG_{}", key.to_uppercase());
            let arg = command.get_arguments().find(|arg| arg.get_id() == key);
            let (meaning, flag) = match (key, arg) {
                ("secret_key", None) => ("the app's secret key".to_owned(), "none".to_owned()),
                ("usersig", None) => {
                    let meaning = "a UserSig made elsewhere, in place of the key";
                    (meaning.to_owned(), "none".to_owned())
                }
                (_, arg) => {
                    let arg = arg.unwrap();
                    assert_eq!(arg.get_env(), Some(variable.as_ref()));
                    let flag = format!("`--{}`", arg.get_long().unwrap());
                    assert_eq!(flag, format!("`--{}`", key.replace('_', "-")));
                    (arg.get_help().unwrap().to_string(), flag)
                }
            };
            let (meaning, default) = match meaning.split_once(" [default: ") {
                Some((meaning, default)) => (meaning, default.trim_end_matches(']')),
                None => (meaning.as_str(), "none"),
            };
            format!("| {meaning} | {flag} | `{variable}` | `{key}` | {default} |\n")
        };
        let table: String = Settings::keys()[1..].iter().map(|key| row(key)).collect();
        let head =
            "| setting | flag | variable | key in the file | default |\n|---|---|---|---|---|\n";
        assert!(
            include_str!("../../README.md").contains(&format!("{head}{table}\n")),
            "README.md should hold:\n{head}{table}"
        );
    }
}
