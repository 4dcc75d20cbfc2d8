//! The settings file: TOML with the keys of the settings at its top, and in tables `[profile.NAME]` those of profiles. A
//! key that is no setting is an error in all of them, as a misspelt one would otherwise be silence.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::parser::key_in_file;
use super::problems::in_file;
use super::readable::readable_secret;
use super::setting::{DAEMON_SETTINGS, Kind, OF_APP, Setting, nearest};
use super::{Config, Given, Place};
use crate::settings_error::SettingsError;

/// Where the file is looked for when nobody names it.
const IN_HOME: &str = ".config/imtag/config.toml";

/// No settings are longer; a device has no end.
const BYTES_AT_MOST: u64 = 1 << 20;

/// The key whose value is the table of all profiles.
const PROFILES: &str = "profile";

impl Config {
    /// Reads the file that the flag or the variable names, which must be there, or the one in the home directory, which
    /// need not unless a profile is asked for.
    pub(super) fn read_file(&mut self) -> Result<(), SettingsError> {
        let profile = self.get("profile").map(|given| {
            let name = given.text().map(str::to_owned);
            name.map_err(|why| SettingsError::Found(format!("{given}: {why}")))
        });
        let profile = profile.transpose()?;
        let named = self.get("config").and_then(|it| it.path().ok());
        let is_named = named.is_some();
        let home = env::var_os("HOME").filter(|home| !home.is_empty());
        let in_home = || Some(Path::new(&home?).join(IN_HOME));
        let path = named.or_else(in_home);
        self.places.file.clone_from(&path);
        self.places.profile.clone_from(&profile);
        let Some(path) = path else {
            // without a home there is none to read; `~` is for people, and a folder of that name may be anybody's
            let it = Path::new("~").join(IN_HOME);
            return match profile {
                Some(profile) => Err(self.no_file(profile, &it)),
                None => Ok(()),
            };
        };
        match (read_bounded(&path), profile) {
            (Ok(text), profile) => self.read(&text, &path, profile.as_deref()),
            (Err(error), Some(profile)) if !is_named && is_missing(&error) => {
                Err(self.no_file(profile, &path))
            }
            (Err(source), profile) if is_named || profile.is_some() => {
                let path = self.shown("config", path.display().to_string());
                let path = path.into();
                Err(SettingsError::Unreadable { path, source })
            }
            (Err(error), _) => {
                // nobody asked for it: a home that is no folder has none, and one that may not be read is passed by
                if !is_missing(&error) {
                    let path = path.display();
                    self.warnings.push(format!("{path} is left out: {error}"));
                }
                Ok(())
            }
        }
    }

    fn read(
        &mut self,
        text: &str,
        path: &Path,
        profile: Option<&str>,
    ) -> Result<(), SettingsError> {
        let document = DeTable::parse(text).map_err(|error| SettingsError::NotToml {
            path: path.to_owned(),
            line: error.span().map(|span| line_at(text, span.start)),
        })?;
        let mut file = Reader {
            text,
            path,
            config: self,
            has_secret: false,
        };
        let profiles = file.profiles(document.get_ref());
        let names = profiles.iter().map(|it| it.0.to_owned()).collect();
        if let Some(wanted) = profile {
            let named = profiles.iter().find(|it| it.0 == wanted);
            let Some((_, table)) = named else {
                let wanted = file.config.shown("profile", wanted.to_owned());
                return Err(no_such_profile(&wanted, path, &profiles));
            };
            file.table(table, Some(wanted), true);
        }
        file.table(document.get_ref(), None, true);
        for (name, table) in &profiles {
            if Some(*name) != profile {
                file.table(table, Some(name), false);
            }
        }
        let has_secret = file.has_secret;
        if let Some((name, table)) = profiles.iter().find(|it| Some(it.0) == profile) {
            let value = |key| {
                let (_, value) = table.get_key_value(key)?;
                Some((key, Setting::named(key)?.kind.value(value.get_ref())))
            };
            self.warn_of_beaten_profile(name, OF_APP.into_iter().filter_map(value));
        }
        self.file = Some(path.to_owned());
        self.profiles = names;
        if has_secret {
            self.warnings.extend(readable_secret(path));
        }
        Ok(())
    }

    /// A profile is asked for, and there is no file that could have it.
    fn no_file(&self, profile: String, path: &Path) -> SettingsError {
        let path = path.display();
        SettingsError::NoSuchProfile {
            profile: self.shown("profile", profile),
            why: format!("there is no settings file: write {path}, or name one with IMTAG_CONFIG"),
        }
    }

    pub(super) fn warn_of_readable_key(&mut self) {
        let given = self.get("secret_key_file");
        let path = given.and_then(|it| it.path().ok());
        let warning = path.and_then(|path| readable_secret(&path));
        // what is no key, such as a certificate, is for others too
        let has_key = |_: &String| given.is_some_and(|it| key_in_file(it).is_ok());
        let warning = warning.filter(has_key);
        self.warnings.extend(warning);
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut file = File::open(path)?.take(BYTES_AT_MOST + 1);
    if file.read_to_string(&mut text)? as u64 > BYTES_AT_MOST {
        return Err(io::Error::other("it has more than 1 MiB"));
    }
    Ok(text)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn line_at(text: &str, at: usize) -> usize {
    1 + text[..at.min(text.len())].matches('\n').count()
}

fn no_such_profile(wanted: &str, path: &Path, there: &[Profile<'_>]) -> SettingsError {
    let names = there.iter().map(|it| it.0.escape_debug().to_string());
    let names: Vec<_> = names.collect();
    let path = path.display();
    SettingsError::NoSuchProfile {
        profile: wanted.to_owned(),
        why: match &names[..] {
            [] => format!("{path} has none: write a table [profile.NAME]"),
            names => format!("{path} has {}", names.join(", ")),
        },
    }
}

/// True for the URL of a proxy with its user and password.
fn holds_password(url: &OsStr) -> bool {
    url.as_encoded_bytes().contains(&b'@')
}

/// A profile's name and table.
type Profile<'t> = (&'t str, &'t DeTable<'t>);

/// Takes settings out of a file's tables.
struct Reader<'f> {
    text: &'f str,
    path: &'f Path,
    config: &'f mut Config,
    /// True if any table has one, also that of another profile.
    has_secret: bool,
}

impl Reader<'_> {
    /// The profiles, by their names.
    fn profiles<'t>(&mut self, document: &'t DeTable<'t>) -> Vec<Profile<'t>> {
        const WHY: &str = "it is no profile: write a table [profile.NAME]";
        let Some((key, profiles)) = document.get_key_value(PROFILES) else {
            return Vec::new();
        };
        let Some(profiles) = profiles.get_ref().as_table() else {
            self.unknown(PROFILES, None, key.span().start, WHY);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (name, value) in profiles {
            match value.get_ref().as_table() {
                Some(table) => tables.push((name.get_ref().as_ref(), table)),
                None => {
                    let key = format!("{PROFILES}.{}", name.get_ref());
                    self.unknown(&key, None, name.span().start, WHY);
                }
            }
        }
        tables
    }

    /// Takes the settings of a table, if it is one in use, and finds its faults in any case.
    fn table(&mut self, table: &DeTable<'_>, profile: Option<&str>, is_used: bool) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let known = Setting::in_file();
            let all = known.iter().chain(&DAEMON_SETTINGS);
            if let Some(setting) = all.clone().find(|it| it.key == name) {
                let value = setting.kind.value(value.get_ref());
                self.has_secret |= match setting.key {
                    "proxy" => value.as_ref().is_ok_and(|url| holds_password(url)),
                    _ => setting.kind == Kind::Secret,
                };
                if is_used {
                    let path = self.path.to_owned();
                    self.config.add(Given {
                        setting,
                        place: match profile {
                            Some(profile) => Place::Profile(path, profile.to_owned()),
                            None => Place::File(path),
                        },
                        line: Some(line_at(self.text, key.span().start)),
                        value,
                    });
                }
            } else if profile.is_some() || name != PROFILES {
                let why = match nearest(name, all) {
                    Some(near) => format!("no such setting: did you mean {}?", near.key),
                    None => {
                        let keys: Vec<_> = known.iter().map(|it| it.key).collect();
                        format!("no such setting; there are {}", keys.join(", "))
                    }
                };
                self.unknown(name, profile, key.span().start, &why);
            }
        }
    }

    fn unknown(&mut self, key: &str, profile: Option<&str>, at: usize, why: &str) {
        let (key, line) = (key.escape_debug(), line_at(self.text, at));
        let place = in_file(profile, self.path);
        self.config
            .unknown
            .push(format!("{key} {place}, line {line}: {why}"));
    }
}

impl Kind {
    /// What a value of the file is as a text. A number or a switch needs no quotes.
    fn value(self, value: &DeValue<'_>) -> Result<OsString, String> {
        let text = match (self, value) {
            (_, DeValue::String(text)) => text.to_string(),
            (_, DeValue::Integer(number)) => {
                let whole = i64::from_str_radix(number.as_str(), number.radix());
                whole.map_err(|error| error.to_string())?.to_string()
            }
            // with an exponent where Display would write 300 digits
            (Kind::Number, DeValue::Float(number)) => {
                let number: f64 = number
                    .as_str()
                    .parse()
                    .map_err(|error: std::num::ParseFloatError| error.to_string())?;
                format!("{number:?}")
            }
            (Kind::Switch, DeValue::Boolean(on)) => on.to_string(),
            (Kind::Number, _) => return Err("it is neither a text nor a number".to_owned()),
            (Kind::Switch, _) => return Err("it is neither true nor false".to_owned()),
            _ => return Err("it is neither a text nor a whole number".to_owned()),
        };
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::parser::Parser;

    fn read(text: &str, profile: Option<&str>) -> Result<Config, SettingsError> {
        let mut config = Config::default();
        config
            .read(text, Path::new("config.toml"), profile)
            .map(|()| config)
    }

    #[test]
    fn a_key_in_the_place_of_a_profile_or_a_file_is_not_shown() {
        const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
        for key in ["profile", "config"] {
            let flag = |it: &str| (it == key).then(|| KEY.into());
            let refused = Config::with_flags(flag).with_file().unwrap_err();
            for shown in [refused.to_string(), format!("{refused:?}")] {
                assert!(!shown.contains("5bd2850f"), "{shown}");
                assert!(shown.contains("***"), "{shown}");
            }
        }
    }

    fn problems(config: &Config) -> String {
        Parser::new(config)
            .finish(Some(()))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_value_is_a_text_or_a_number_and_a_switch_is_true_or_false() {
        // also with a BOM and with other line ends
        let no_text = Err("it is neither a text nor a whole number");
        let no_number = Err("it is neither a text nor a number");
        let no_switch = Err("it is neither true nor false");
        for (key, value, expected) in [
            ("sdkappid", "1400000000", Ok("1400000000")),
            ("sdkappid", "1_400_000_000", Ok("1400000000")),
            ("sdkappid", "0x10", Ok("16")),
            ("sdkappid", "-1", Ok("-1")),
            ("region", "\"tokyo\"", Ok("tokyo")),
            ("ca_file", "[1]", no_text),
            ("secret_key", "true", no_text),
            ("identifier", "1.5", no_text),
            ("calls_per_second", "0.5", Ok("0.5")),
            ("calls_per_second", "\"0.5\"", Ok("0.5")),
            ("calls_per_second", "2.0", Ok("2.0")),
            ("calls_per_second", "2", Ok("2")),
            ("calls_per_second", "nan", Ok("NaN")),
            ("calls_per_second", "-inf", Ok("-inf")),
            ("calls_per_second", "1e300", Ok("1e300")),
            ("calls_per_second", "[1]", no_number),
            ("fresh_start", "true", Ok("true")),
            ("fresh_start", "\"true\"", Ok("true")),
            ("fresh_start", "[true]", no_switch),
        ] {
            let text = format!("\u{feff}# a comment\r\n{key} = {value}\r\n");
            let config = read(&text, None).unwrap();
            let given = config.get(key).unwrap();
            let expected = expected.map_err(str::to_owned);
            assert_eq!(
                given.text().map(str::to_owned),
                expected.map(str::to_owned),
                "{key} = {value}"
            );
            assert_eq!(given.to_string(), format!("{key} in config.toml"));
        }
    }

    #[test]
    fn unknown_keys_are_named_all_at_once_with_their_lines_also_in_profiles_that_are_not_asked_for()
    {
        let text = "config = \"x\"\nregoin = \"tokyo\"\n\n[app]\nsdkappid = 1\n\n\
                    [profile.live]\nprofile = 1\n\n[profile.\"a\\nb\"]\nuser_sig = \"hush\"\n";
        let config = read(text, Some("live")).unwrap();
        let keys = "sdkappid, identifier, secret_key, secret_key_file, usersig, region, endpoint, generation, \
                    calls_per_second, below_alarm, fresh_start, ca_file, roots, proxy, spare_endpoint";
        assert_eq!(
            problems(&config),
            format!(
                "settings are wrong:\n  \
                 profile in [profile.live] of config.toml, line 8: no such setting; there are {keys}\n  \
                 app in config.toml, line 4: no such setting; there are {keys}\n  \
                 config in config.toml, line 1: no such setting; there are {keys}\n  \
                 regoin in config.toml, line 2: no such setting: did you mean region?\n  \
                 user_sig in [profile.a\\nb] of config.toml, line 11: no such setting: did you mean usersig?"
            )
        );
    }

    #[test]
    fn what_is_no_table_is_no_profile() {
        let why = "it is no profile: write a table [profile.NAME]";
        for (text, expected) in [
            (
                "profile = \"live\"",
                format!("profile in config.toml, line 1: {why}"),
            ),
            (
                "[profile]\nlive = 1",
                format!("profile.live in config.toml, line 2: {why}"),
            ),
        ] {
            assert_eq!(problems(&read(text, None).unwrap()), expected);
        }
    }

    #[test]
    fn the_keys_of_a_profile_win_over_those_at_the_top() {
        let text = "identifier = \"top\"\ngeneration = \"timpush\"\n\
                    [profile.live]\nidentifier = \"live\"\n[profile.test]\nidentifier = \"test\"\n";
        for (profile, identifier, place) in [
            (None, "top", "identifier in config.toml"),
            (
                Some("live"),
                "live",
                "identifier in [profile.live] of config.toml",
            ),
            (
                Some("test"),
                "test",
                "identifier in [profile.test] of config.toml",
            ),
        ] {
            let config = read(text, profile).unwrap();
            let given = config.get("identifier").unwrap();
            assert_eq!(
                (given.text(), given.to_string().as_str()),
                (Ok(identifier), place)
            );
            assert_eq!(config.get("generation").unwrap().text(), Ok("timpush"));
        }
    }

    #[test]
    fn an_unknown_profile_is_answered_with_those_that_there_are() {
        for (text, expected) in [
            (
                "[profile.live]\n[profile.\"日 本\"]\n",
                "there is no profile \"liv\": config.toml has live, 日 本",
            ),
            (
                "region = \"tokyo\"",
                "there is no profile \"liv\": config.toml has none: write a table [profile.NAME]",
            ),
        ] {
            assert_eq!(read(text, Some("liv")).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_file_that_others_can_read_gets_a_warning_where_any_of_its_tables_holds_a_secret() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path();
        for (text, mode, is_warned) in [
            ("secret_key = 1", 0o644, true),
            ("secret_key = 1", 0o640, true),
            ("secret_key = 1", 0o600, false),
            ("usersig = 1", 0o604, true),
            ("[profile.live]\nsecret_key = 1", 0o644, true),
            ("proxy = \"http://me:hush@proxy:1\"", 0o644, true),
            ("proxy = \"http://proxy:1\"", 0o644, false),
            ("secret_key_file = 1", 0o644, false),
        ] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            let mut config = Config::default();
            config.read(text, path, None).unwrap();
            let shown = path.display();
            let warning = format!("others can read {shown}, which holds a secret: chmod 600 it");
            let expected = is_warned.then_some(warning);
            assert_eq!(config.warnings, Vec::from_iter(expected), "{text} {mode:o}");
        }
    }

    #[test]
    fn a_line_that_is_not_toml_is_named_but_not_shown() {
        for text in [
            "region = \"tokyo\"\nsecret_key = hush\n",
            "region = \"tokyo\"\nsecret_key = \"hush\n",
            "region = \"tokyo\"\nhush\n",
            "region = \"tokyo\"\nregion = \"hush\"\n",
        ] {
            let error = read(text, None).unwrap_err();
            assert_eq!(
                error.to_string(),
                "the settings file config.toml, line 2, is not TOML: write name = \"value\", a text in quotes"
            );
            assert!(!format!("{error:?}").contains("hush"));
        }
    }
}
