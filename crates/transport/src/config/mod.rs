//! Settings from outside the program: variables `IMTAG_…`, and a settings file with the same names as keys. A command line
//! puts its flags before them. What a program sets by itself wins over all of them.
//!
//! ```text
//! flags      of a command line ─┐
//! variables                     │
//! profile    [profile.NAME]     ├─► Config: texts, each with its place ─► parser ─► a client's builder
//! file       TOML              ─┘
//! ```
//!
//! Of settings that exclude each other (three credentials, two ways to say where the service is) the first place that has
//! any decides; two in one place are an error, as either may be meant. `below_alarm = false` is none of them: it only takes
//! away a `true` of a weaker place. A text is understood only when it is asked for.

mod client;
mod file;
pub(crate) mod parser;
pub(crate) mod problems;
pub(crate) mod readable;
pub(crate) mod setting;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use imtag_core::{holds_login, may_be_secret, path_may_be_secret};

use crate::settings_error::SettingsError;
use problems::{Places, in_file};
use setting::{CREDENTIALS, Kind, RATE, Setting, TARGET, TRUST, meant_by};

/// Settings that were found in the environment and in a settings file.
///
/// ```no_run
/// use imtag_transport::Config;
///
/// let config = Config::from_env(Some("staging"))?;
/// for warning in config.warnings() {
///     eprintln!("{warning}");
/// }
/// let client = config.builder().timeout(std::time::Duration::from_secs(3)).build()?;
/// # Ok::<(), imtag_transport::SettingsError>(())
/// ```
#[derive(Clone, Default)]
pub struct Config {
    given: Vec<Given>,
    /// What is wrong with keys of the file that are no settings.
    unknown: Vec<String>,
    warnings: Vec<String>,
    places: Places,
    /// The settings file, if one was read.
    file: Option<PathBuf>,
    /// The profiles that it has.
    profiles: Vec<String>,
}

/// A setting as it was given.
#[derive(Clone)]
pub struct Given {
    /// Which.
    pub setting: &'static Setting,
    place: Place,
    /// Where in a file.
    line: Option<usize>,
    /// Or why it is none, such as "it is neither true nor false".
    value: Result<OsString, String>,
}

/// Where a setting stands. A later one wins.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    File(PathBuf),
    Profile(PathBuf, String),
    Variable,
    Flag,
}

impl Config {
    /// Reads the variables `IMTAG_…` and the settings file, now and once: the file that `IMTAG_CONFIG` names, or else
    /// `~/.config/imtag/config.toml` if it is there. `profile` is the table `[profile.NAME]` of the file whose keys win
    /// over those at its top; if it is `None` or empty, `IMTAG_PROFILE` names it, if set. A variable that is empty counts
    /// as not set.
    ///
    /// What is missing, or wrong in a single setting, is an error of the client's builder, so that a program can set it
    /// by itself.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is not TOML, or if there is no such profile.
    pub fn from_env(profile: Option<&str>) -> Result<Config, SettingsError> {
        let profile = profile.filter(|name| !name.is_empty());
        let config =
            Config::gathered(|key| profile.filter(|_| key == "profile").map(OsString::from));
        config.with_file()
    }

    /// The flags of a command line, by the keys of their settings, and the variables; not the file yet.
    pub fn with_flags(flag: impl Fn(&'static str) -> Option<OsString>) -> Config {
        let mut config = Config::gathered(flag);
        config.places.has_flags = true;
        config
    }

    fn gathered(flag: impl Fn(&'static str) -> Option<OsString>) -> Config {
        let mut config = Config::default();
        for setting in Setting::all() {
            let flag = setting.flag().and_then(|_| flag(setting.key));
            let variable = || env::var_os(setting.variable()).filter(|it| !it.is_empty());
            let flag = flag.map(|value| (Place::Flag, value));
            if let Some((place, value)) = flag.or_else(|| Some((Place::Variable, variable()?))) {
                config.add(Given {
                    setting,
                    place,
                    line: None,
                    value: Ok(value),
                });
            }
        }
        config
    }

    /// The same with what the settings file has.
    ///
    /// # Errors
    /// As [`from_env`](Config::from_env).
    pub fn with_file(&self) -> Result<Config, SettingsError> {
        let mut config = self.clone();
        config.warn_of_misspelt_variables();
        config.read_file()?;
        config.warn_of_readable_key();
        Ok(config)
    }

    /// What is no error and probably a mistake, a sentence each: a variable that seems misspelt, a file with a secret
    /// that others can read, a settings file in the home directory that may not be read, a profile that was asked for and
    /// whose app variables replace by another.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The settings file that was read.
    #[doc(hidden)] // for the command line
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The profiles of the settings file that was read.
    #[doc(hidden)] // for the command line
    #[must_use]
    pub fn profiles(&self) -> &[String] {
        &self.profiles
    }

    /// The settings that were given as flags.
    pub fn flags(&self) -> impl Iterator<Item = &Given> {
        self.given.iter().filter(|it| it.place == Place::Flag)
    }

    /// A setting by its key, if it is set.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Given> {
        self.given.iter().find(|it| it.setting.key == key)
    }

    /// The setting that counts in place of this one, which it excludes: of several that are set, it stands in the strongest
    /// place. Of a spare endpoint it is the region or the endpoint that it does not belong to.
    #[must_use]
    pub fn in_place_of(&self, key: &str) -> Option<&Given> {
        if key == "spare_endpoint" {
            return self.target_of_another_spare();
        }
        let mut groups = [&CREDENTIALS[..], &TARGET, &TRUST, &RATE].into_iter();
        let group = groups.find(|keys| keys.contains(&key))?;
        let counts = *self.that_count(group).last()?;
        (counts.setting.key != key).then_some(counts)
    }

    /// Those of these settings that stand in the strongest place that has any: more than one is an error.
    fn that_count(&self, keys: &[&str]) -> Vec<&Given> {
        let given = keys.iter().filter_map(|key| self.get(key));
        let mut given: Vec<_> = given.filter(|it| !it.says_nothing()).collect();
        let strongest = given.iter().map(|it| it.place.clone()).max();
        given.retain(|it| Some(&it.place) == strongest.as_ref());
        given
    }

    /// What is found beside a region or an endpoint is a spare host for that one: a stronger place that sets another leaves
    /// it out. `none` is for any.
    fn target_of_another_spare(&self) -> Option<&Given> {
        let spare = self.get("spare_endpoint")?;
        if spare.text().is_ok_and(|text| text.trim() == "none") {
            return None;
        }
        let targets = self.that_count(&TARGET).into_iter();
        targets.rev().find(|target| target.place > spare.place)
    }

    /// Adds a setting of a place, unless a stronger one has it.
    fn add(&mut self, given: Given) {
        if self.get(given.setting.key).is_none() {
            self.given.push(given);
        }
    }

    /// A profile was asked for, and variables win over these values of it, which say which app it is: another app is called.
    fn warn_of_beaten_profile(
        &mut self,
        profile: &str,
        values: impl Iterator<Item = (&'static str, Result<OsString, String>)>,
    ) {
        let (mut keys, mut variables) = (Vec::new(), Vec::new());
        for (key, value) in values {
            let given = self.get(key).filter(|it| it.value != value);
            let wins = given.or_else(|| self.in_place_of(key));
            if let Some(wins) = wins.filter(|it| it.place == Place::Variable) {
                keys.push(key);
                variables.push(wins.to_string());
            }
        }
        variables.dedup();
        if !keys.is_empty() {
            let profile = self.shown("profile", profile.escape_debug().to_string());
            let (keys, variables) = (keys.join(", "), variables.join(", "));
            self.warnings.push(format!(
                "the profile {profile} gives {keys}, but the environment wins: unset {variables} to call its app"
            ));
        }
    }

    /// A setting's value for a message: a key may stand in its place.
    fn shown(&self, key: &str, value: String) -> String {
        match self.get(key) {
            Some(given) => given.without_secret(value),
            None => value,
        }
    }

    /// A misspelt one would be silence, but a variable of that prefix may be another program's.
    fn warn_of_misspelt_variables(&mut self) {
        for (name, _) in env::vars_os() {
            let Some(name) = name.to_str() else { continue };
            if let Some(meant) = meant_by(name) {
                let name = name.escape_debug();
                let warning = format!("{name} is no setting: did you mean {meant}?");
                self.warnings.push(warning);
            }
        }
    }
}

impl Given {
    /// The text.
    ///
    /// # Errors
    /// Says why it is none.
    pub fn text(&self) -> Result<&str, String> {
        let value = self.value.as_ref().map_err(String::clone)?;
        let text = value.to_str();
        text.ok_or_else(|| "it is not UTF-8".to_owned())
    }

    /// The path. One that a settings file names is relative to that file, wherever the program runs.
    ///
    /// # Errors
    /// Says why it is none.
    pub fn path(&self) -> Result<PathBuf, String> {
        let path = self.value.as_ref().map_err(String::clone)?;
        Ok(match &self.place {
            Place::File(file) | Place::Profile(file, _) => {
                file.parent().unwrap_or(Path::new("")).join(path)
            }
            Place::Variable | Place::Flag => path.into(),
        })
    }
}

impl Given {
    /// It only says that another setting's number counts, and that needs no saying.
    fn says_nothing(&self) -> bool {
        self.setting.key == "below_alarm" && self.text() == Ok("false")
    }

    /// True if the value may be a key or a password that stands in the wrong place: it has another form than the setting's.
    fn may_be_secret(&self) -> bool {
        let Ok(text) = self.text() else {
            return false;
        };
        let is_over = |letters| text.trim().chars().count() > letters;
        let has_another_form = match (self.setting.kind, self.setting.key) {
            (Kind::Secret, _) => true,
            (Kind::Path, _) => path_may_be_secret(text),
            (Kind::Text(_), "endpoint" | "spare_endpoint") => !text.contains("://") && is_over(40),
            (Kind::Text(_), "profile") => is_over(40),
            (Kind::Number | Kind::Switch | Kind::Text(_), _) => may_be_secret(text),
        };
        has_another_form || self.may_hold_login()
    }

    /// True if the value may be an address with a user and a password. A path and an identifier may have an `@` of their
    /// own.
    #[doc(hidden)] // for the command line
    #[must_use]
    pub fn may_hold_login(&self) -> bool {
        let text = self.text().unwrap_or_default();
        let may_have_at = self.setting.kind == Kind::Path || self.setting.key == "identifier";
        holds_login(text) || !may_have_at && text.contains('@')
    }

    /// A sentence about the value, in which `***` stands for one that may be a secret.
    fn without_secret(&self, sentence: String) -> String {
        let Some(text) = self.text().ok().filter(|_| self.may_be_secret()) else {
            return sentence;
        };
        let bare = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        if bare.is_empty() {
            return sentence;
        }
        let escaped = format!("{bare:?}");
        let escaped = escaped.trim_matches('"');
        sentence.replace(escaped, "***").replace(bare, "***")
    }

    /// The line of the settings file that it begins in, if it stands there.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}

/// What it is called where it stands.
impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_file = |profile: Option<&str>, file: &Path| {
            format!("{} {}", self.setting.key, in_file(profile, file))
        };
        f.write_str(&match &self.place {
            Place::Flag => self.setting.flag().unwrap_or_default(),
            Place::Variable => self.setting.variable(),
            Place::File(file) => in_file(None, file),
            Place::Profile(file, profile) => in_file(Some(profile), file),
        })
    }
}

/// Where the settings stand, without their values, which may be secrets.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.given.iter().map(ToString::to_string);
        f.debug_set().entries(names).finish()
    }
}
