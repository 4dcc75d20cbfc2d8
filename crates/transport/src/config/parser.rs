//! What the texts of settings mean. What cannot be understood becomes a problem, named by the place where it stands.

use std::fs::File;
use std::io::Read;
use std::str::FromStr;

use imtag_core::{CallRate, InvalidSecret, SecretKey};

use super::problems::Problems;
use super::{Config, Given};
use crate::settings_error::SettingsError;

/// No key is longer; a larger file is not a key.
const KEY_BYTES_AT_MOST: u64 = 4096;

/// Understands settings, and gathers what is wrong.
pub struct Parser<'c> {
    config: &'c Config,
    pub(super) problems: Problems,
}

/// A setting, and how it is understood.
pub(crate) type Alternative<T> = (&'static str, fn(&Given) -> Result<T, String>);

/// The key as it is set, or the file that holds it.
pub const KEYS: [Alternative<SecretKey>; 2] =
    [("secret_key", secret_key), ("secret_key_file", key_in_file)];

/// This process's share of the quota.
pub const RATES: [Alternative<CallRate>; 2] =
    [("calls_per_second", parsed), ("below_alarm", below_alarm)];

impl<'c> Parser<'c> {
    /// A parser of these settings.
    #[must_use]
    pub fn new(config: &'c Config) -> Parser<'c> {
        Parser {
            config,
            problems: Problems::new(config.places.clone(), &config.unknown),
        }
    }

    /// A setting that need not be there.
    pub fn may<T>(
        &mut self,
        key: &'static str,
        understand: fn(&Given) -> Result<T, String>,
    ) -> Option<T> {
        self.any_of(&[(key, understand)])
    }

    /// One of these must be there.
    pub fn need<T>(&mut self, alternatives: &[Alternative<T>]) -> Option<T> {
        let keys: Vec<_> = alternatives.iter().map(|(key, _)| *key).collect();
        if keys.iter().all(|key| self.config.get(key).is_none()) {
            self.problems.missing(&keys);
        }
        self.any_of(alternatives)
    }

    /// The first place that has any decides, and has one only.
    pub fn any_of<T>(&mut self, alternatives: &[Alternative<T>]) -> Option<T> {
        let keys: Vec<_> = alternatives.iter().map(|(key, _)| *key).collect();
        let given = self.decisive(&keys)?;
        let (key, understand) = alternatives.iter().find(|it| it.0 == given.setting.key)?;
        let understood = understand(given);
        understood
            .map_err(|why| {
                let why = given.without_secret(why);
                self.problems.wrong(vec![*key], format!("{given}: {why}"));
            })
            .ok()
    }

    /// That of these settings which counts.
    fn decisive(&mut self, keys: &[&'static str]) -> Option<&'c Given> {
        let given = self.config.that_count(keys);
        if given.is_empty() {
            return None;
        }
        if let [given] = given[..] {
            return Some(given);
        }
        let keys = given.iter().map(|it| it.setting.key).collect();
        let names: Vec<_> = given.iter().map(ToString::to_string).collect();
        let both = format!("{} are both set: keep one", names.join(" and "));
        self.problems.wrong(keys, both);
        None
    }

    /// What was asked for.
    ///
    /// # Errors
    /// Names everything that stood in its way.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, SettingsError> {
        let problems = self.problems.in_words();
        match (value, problems) {
            (Some(value), None) => Ok(value),
            (_, problems) => Err(SettingsError::Found(problems.unwrap_or_default())),
        }
    }
}

/// A text of the form that a type has.
///
/// # Errors
/// Says why it has not.
pub fn parsed<T: FromStr<Err: ToString>>(given: &Given) -> Result<T, String> {
    given.text()?.parse().map_err(|why: T::Err| why.to_string())
}

pub(super) fn on_or_off(given: &Given) -> Result<bool, String> {
    let text = given.text()?;
    text.parse()
        .map_err(|_| format!("{text:?} is neither true nor false"))
}

fn below_alarm(given: &Given) -> Result<CallRate, String> {
    // one that is false has been left out: see `Given::says_nothing`
    on_or_off(given).map(|_| CallRate::below_alarm())
}

pub(super) fn secret_key(given: &Given) -> Result<SecretKey, String> {
    SecretKey::new(given.text()?).map_err(|why| why.to_string())
}

pub(super) fn key_in_file(given: &Given) -> Result<SecretKey, String> {
    let path = given.path()?;
    let shown = path.display();
    let mut bytes = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(KEY_BYTES_AT_MOST + 1).read_to_end(&mut bytes))
        .map_err(|error| {
            if given.may_be_secret() {
                return format!(
                    "the file {shown} cannot be read: it looks like the key itself, so set IMTAG_SECRET_KEY to it"
                );
            }
            format!("the file {shown} cannot be read: {error}")
        })?;
    if bytes.len() as u64 > KEY_BYTES_AT_MOST {
        return Err(format!(
            "the file {shown} is too long for a key: it must hold the key and nothing else"
        ));
    }
    SecretKey::from_bytes(&bytes)
        .map_err(|error: InvalidSecret| format!("in the file {shown}, {error}"))
}
