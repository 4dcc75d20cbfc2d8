//! What is wrong with the settings: every problem at once, each with the names of the settings that fix it. It never
//! holds the value of a secret.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::Given;
use crate::exit::{CommandError, Exit};

/// Settings that a command cannot work with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("the settings file {} cannot be read: {source}", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The line is named, but never shown: it may hold the key.
    #[error("the settings file {}{} is not TOML: write name = \"value\", a text in quotes", path.display(), at_line(*.line))]
    NotToml { path: PathBuf, line: Option<usize> },
    #[error("{0}")]
    Problems(Problems),
}

impl From<SettingsError> for CommandError {
    fn from(error: SettingsError) -> CommandError {
        CommandError::new(Exit::Settings, error)
    }
}

fn at_line(line: Option<usize>) -> String {
    line.map(|line| format!(", line {line},"))
        .unwrap_or_default()
}

pub(super) const SDKAPPID: &str =
    "set IMTAG_SDKAPPID or --sdkappid (the app's SDKAppID, as the console shows it)";
pub(super) const IDENTIFIER: &str =
    "set IMTAG_IDENTIFIER or --identifier (an administrator of the app, often `administrator`)";
pub(super) const SECRET_KEY: &str = "set IMTAG_SECRET_KEY or IMTAG_SECRET_KEY_FILE or --secret-key-file (the app's secret key; or a file that holds \
     the secret key and nothing else)";
pub(super) const CREDENTIALS: &str = "set IMTAG_SECRET_KEY or IMTAG_SECRET_KEY_FILE or IMTAG_USERSIG or --secret-key-file (the app's secret key; or a \
     file that holds the secret key and nothing else; or a UserSig made elsewhere, in place of the key)";
pub(super) const SERVICE: &str = "set IMTAG_REGION or IMTAG_ENDPOINT or --region or --endpoint (the app's data centre, as the console shows it: \
     `china`, `singapore`, `seoul` …; or an address in place of the region's: https://host:port, or http:// on this \
     machine)";

/// What is wrong, gathered while settings are understood.
#[derive(Debug)]
pub(crate) struct Problems(Vec<Problem>);

#[derive(Debug)]
enum Problem {
    Missing(&'static str),
    Wrong(String),
}

/// One of several settings that exclude each other, and how it is understood.
pub(super) type Alternative<'s, T> = (&'s Option<Given>, fn(&Given) -> Result<T, String>);

impl Problems {
    pub(super) fn new(wrong: &[String]) -> Problems {
        Problems(wrong.iter().cloned().map(Problem::Wrong).collect())
    }

    pub(super) fn wrong(&mut self, name: impl fmt::Display, why: impl fmt::Display) {
        self.0.push(Problem::Wrong(format!("{name}: {why}")));
    }

    /// A setting that need not be there.
    pub(super) fn may<T>(
        &mut self,
        given: &Option<Given>,
        understand: fn(&Given) -> Result<T, String>,
    ) -> Option<T> {
        self.any_of(&[(given, understand)])
    }

    /// One of these must be there. `missing` says what to set.
    pub(super) fn need<T>(
        &mut self,
        missing: &'static str,
        alternatives: &[Alternative<'_, T>],
    ) -> Option<T> {
        if alternatives.iter().all(|(given, _)| given.is_none()) {
            self.0.push(Problem::Missing(missing));
        }
        self.any_of(alternatives)
    }

    /// The first place that has any decides, and has one only.
    pub(super) fn any_of<T>(&mut self, alternatives: &[Alternative<'_, T>]) -> Option<T> {
        let given = alternatives.iter();
        let given = given.filter_map(|(given, understand)| given.as_ref().zip(Some(*understand)));
        let mut given: Vec<_> = given.collect();
        let first_place = given.iter().map(|(it, _)| it.place.clone()).max()?;
        given.retain(|(it, _)| it.place == first_place);
        if let [(given, understand)] = given[..] {
            return understand(given).map_err(|why| self.wrong(given, why)).ok();
        }
        let names: Vec<_> = given.iter().map(|(it, _)| it.to_string()).collect();
        let both = format!("{} are both set: keep one", names.join(" and "));
        self.0.push(Problem::Wrong(both));
        None
    }

    /// What was asked for, or everything that stood in its way.
    pub(super) fn whole<T>(self, value: Option<T>) -> Result<T, SettingsError> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(SettingsError::Problems(self)),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [Problem::Missing(one)] => return write!(f, "a setting is missing: {one}"),
            [Problem::Wrong(one)] => return write!(f, "{one}"),
            _ => {}
        }
        let is_missing = |it: &Problem| matches!(it, Problem::Missing(_));
        let what = if self.0.iter().all(is_missing) {
            "missing"
        } else {
            "missing or wrong"
        };
        write!(f, "settings are {what}:")?;
        self.0.iter().try_for_each(|problem| match problem {
            Problem::Missing(text) => write!(f, "\n  {text}"),
            Problem::Wrong(text) => write!(f, "\n  {text}"),
        })
    }
}

/// What the names of all variables begin with.
const PREFIX: &str = "IMTAG_";

/// How alike two names are, of 1, for one to be taken for the other. At 0.8 `regoin` is `region`, and `port`, which an
/// orchestrator sets for a service called imtag, is none.
const ALIKE: f64 = 0.8;

/// Variables that no setting has and one is probably meant by, each with that one.
pub(super) fn misspelt_variables(
    names: impl Iterator<Item = OsString>,
    known: &[&'static str],
) -> Vec<(String, String)> {
    let variable = |key: &str| format!("{PREFIX}{}", key.to_uppercase());
    let names = names.filter_map(|name| name.into_string().ok());
    let mut misspelt: Vec<_> = names
        .filter(|name| !known.iter().any(|key| variable(key) == *name))
        .filter_map(|name| {
            let near = nearest(name.strip_prefix(PREFIX)?, known)?;
            Some((name, variable(near)))
        })
        .collect();
    misspelt.sort_unstable();
    misspelt
}

/// The key that is most like a name, if any is like it.
pub(super) fn nearest(name: &str, keys: &[&'static str]) -> Option<&'static str> {
    let name = name.replace('-', "_").to_ascii_lowercase();
    let alike = keys.iter().map(|key| (strsim::jaro(&name, key), *key));
    let nearest = alike.max_by(|one, other| one.0.total_cmp(&other.0));
    nearest.filter(|it| it.0 >= ALIKE).map(|it| it.1)
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    #[test]
    fn a_misspelt_key_finds_its_setting_and_another_name_none() {
        for (name, expected) in [
            ("regoin", Some("region")),
            ("Region", Some("region")),
            ("secret-key", Some("secret_key")),
            ("sdk_app_id", Some("sdkappid")),
            ("SDKAppID", Some("sdkappid")),
            ("calls_per_sec", Some("calls_per_second")),
            ("user_sig", Some("usersig")),
            ("app", None),
            ("timeout", None),
            ("proxy", None),
        ] {
            assert_eq!(nearest(name, &Settings::keys()), expected, "{name}");
        }
    }

    #[test]
    fn a_misspelt_variable_finds_its_setting_and_those_of_others_none() {
        let names = [
            "IMTAG_REGOIN",
            "IMTAG_SDK_APP_ID",
            "IMTAG_REGION",
            "IMTAG_CONFIG",
            "IMTAG_CONFG",
            "IMTAG_PORT",
            "IMTAG_SERVICE_HOST",
            "IMTAG_SERVICE_PORT",
            "IMTAG_PORT_80_TCP_ADDR",
            "IMTAG_VERSION",
            "IMTAG_LOG",
            "TMPDIR",
        ];
        let found = misspelt_variables(names.into_iter().map(OsString::from), &Settings::keys());
        let expected = [
            ("IMTAG_CONFG", "IMTAG_CONFIG"),
            ("IMTAG_REGOIN", "IMTAG_REGION"),
            ("IMTAG_SDK_APP_ID", "IMTAG_SDKAPPID"),
        ];
        assert_eq!(
            found,
            expected.map(|(it, near)| (it.to_owned(), near.to_owned()))
        );
    }
}
