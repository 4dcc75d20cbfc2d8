//! The settings file: TOML with the keys of the settings, in one level. A key that is no setting is an error, as a
//! misspelt one would otherwise be silence.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use toml::{Spanned, Value};

use super::parser::SettingsError;
use super::{Given, Kind, Place, SETTINGS, Settings, misspelt_variables, nearest};
use crate::output::{Shown, note};

/// Where the file is looked for when nobody names it.
const IN_HOME: &str = ".config/imtag/config.toml";

/// The bits by which the group or everybody can read.
const OTHERS_READ: u32 = 0o044;

impl Settings {
    /// Adds what the settings file has, and warns of variables that are probably misspelt.
    pub(crate) fn with_file(&self) -> Result<Settings, SettingsError> {
        // a misspelt one would be silence, but a variable of that prefix may be another program's
        for (name, near) in misspelt_variables(env::vars_os().map(|(name, _)| name)) {
            note(format_args!(
                "warning: {} is no setting: did you mean {near}?",
                Shown(&name)
            ));
        }
        let mut settings = self.clone();
        if let Some(file) = read(self.get("config"))? {
            settings.complete(file);
        }
        Ok(settings)
    }
}

/// Reads the file that the flag or the variable names, which must be there, or the one in the home directory, which
/// need not.
fn read(named: Option<&Given>) -> Result<Option<Settings>, SettingsError> {
    let home = env::var_os("HOME").filter(|home| !home.is_empty());
    let in_home = || Some(Path::new(&home?).join(IN_HOME));
    let Some(path) = named.and_then(|it| it.path().ok()).or_else(in_home) else {
        return Ok(None);
    };
    match fs::read_to_string(&path) {
        Ok(text) => parse(&text, path).map(Some),
        Err(source) if named.is_some() => Err(SettingsError::Unreadable { path, source }),
        Err(source) => {
            // nobody asked for it: a home that is no folder has none, and one that may not be read is passed by
            if !matches!(
                source.kind(),
                ErrorKind::NotFound | ErrorKind::NotADirectory
            ) {
                note(format!("warning: {} is left out: {source}", path.display()));
            }
            Ok(None)
        }
    }
}

fn parse(text: &str, path: PathBuf) -> Result<Settings, SettingsError> {
    let line_at = |at: usize| 1 + text[..at.min(text.len())].matches('\n').count();
    let table: BTreeMap<Spanned<String>, Value> =
        toml::from_str(text).map_err(|error: toml::de::Error| SettingsError::NotToml {
            path: path.clone(),
            line: error.span().map(|span| line_at(span.start)),
        })?;
    let mut settings = Settings::default();
    // the first is where the file is
    let [_, known @ ..] = &SETTINGS;
    for (key, value) in table {
        let name = key.get_ref().as_str();
        if let Some(setting) = known.iter().find(|it| it.key == name) {
            settings.given.push(Given {
                setting,
                place: Place::File(path.clone()),
                value: setting.kind.value(value),
            });
            continue;
        }
        let why = match nearest(name, known) {
            Some(near) => format!("no such setting: did you mean {near}?"),
            None => {
                let keys: Vec<_> = known.iter().map(|it| it.key).collect();
                format!("no such setting; there are {}", keys.join(", "))
            }
        };
        let line = line_at(key.span().start);
        let place = format!("{name} in {}, line {line}", path.display());
        settings.unknown.push(format!("{place}: {why}"));
    }
    if settings.get("secret_key").is_some() || settings.get("usersig").is_some() {
        warn_if_others_can_read(&path);
    }
    Ok(settings)
}

impl Kind {
    /// What a value of the file is as a text. A number or a switch needs no quotes.
    fn value(self, value: Value) -> Result<OsString, String> {
        let text = match (self, value) {
            (_, Value::String(text)) => text,
            (_, Value::Integer(number)) => number.to_string(),
            // with an exponent where Display would write 300 digits
            (Kind::Number, Value::Float(number)) => format!("{number:?}"),
            (Kind::Switch, Value::Boolean(on)) => on.to_string(),
            (Kind::Number, _) => return Err("it is neither a text nor a number".to_owned()),
            (Kind::Switch, _) => return Err("it is neither true nor false".to_owned()),
            _ => return Err("it is neither a text nor a whole number".to_owned()),
        };
        Ok(text.into())
    }
}

/// Only a warning: containers mount secrets readable, and must still work.
pub(super) fn warn_if_others_can_read(path: &Path) {
    if fs::metadata(path).is_ok_and(|file| file.permissions().mode() & OTHERS_READ != 0) {
        note(format_args!(
            "warning: others can read {}, which holds a secret: chmod 600 it",
            path.display()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::parser::Parser;
    use super::*;

    fn parsed(text: &str) -> Settings {
        parse(text, "config.toml".into()).ok().unwrap()
    }

    #[test]
    fn a_value_is_a_text_or_a_number_and_a_switch_is_true_or_false() {
        // also with a BOM and with other line ends
        let no_text = Err("it is neither a text nor a whole number");
        let no_number = Err("it is neither a text nor a number");
        let no_switch = Err("it is neither true nor false");
        for (key, value, expected) in [
            ("sdkappid", "1400000000", Ok("1400000000")),
            ("region", "\"tokyo\"", Ok("tokyo")),
            ("ca_file", "[1]", no_text),
            ("secret_key", "true", no_text),
            ("identifier", "1.5", no_text),
            ("calls_per_second", "0.5", Ok("0.5")),
            ("calls_per_second", "\"0.5\"", Ok("0.5")),
            ("calls_per_second", "2.0", Ok("2.0")),
            ("calls_per_second", "2", Ok("2")),
            ("calls_per_second", "nan", Ok("NaN")),
            ("calls_per_second", "1e300", Ok("1e300")),
            ("calls_per_second", "[1]", no_number),
            ("fresh_start", "true", Ok("true")),
            ("fresh_start", "\"true\"", Ok("true")),
            ("fresh_start", "[true]", no_switch),
        ] {
            let settings = parsed(&format!("\u{feff}# a comment\r\n{key} = {value}\r\n"));
            let given = settings.get(key).unwrap();
            let expected = expected.map_err(str::to_owned);
            assert_eq!(given.text(), expected, "{key} = {value}");
            assert_eq!(given.to_string(), format!("{key} in config.toml"));
        }
    }

    #[test]
    fn unknown_keys_are_named_all_at_once_with_their_lines() {
        let file = parsed("config = \"x\"\nregoin = \"tokyo\"\n\n[app]\nsdkappid = 1\n");
        let error = Parser::new(&file).finish(Some(())).unwrap_err();
        let keys = "sdkappid, identifier, secret_key, secret_key_file, usersig, region, endpoint, generation, \
                    calls_per_second, fresh_start, ca_file";
        assert_eq!(
            error.to_string(),
            format!(
                "settings are missing or wrong:\n  \
                 app in config.toml, line 4: no such setting; there are {keys}\n  \
                 config in config.toml, line 1: no such setting; there are {keys}\n  \
                 regoin in config.toml, line 2: no such setting: did you mean region?"
            )
        );
    }

    #[test]
    fn a_line_that_is_not_toml_is_named_but_not_shown() {
        for text in [
            "region = \"tokyo\"\nsecret_key = hush\n",
            "region = \"tokyo\"\nsecret_key = \"hush\n",
            "region = \"tokyo\"\nhush\n",
        ] {
            let error = parse(text, "config.toml".into()).err().unwrap();
            assert_eq!(
                error.to_string(),
                "the settings file config.toml, line 2, is not TOML: write name = \"value\", a text in quotes"
            );
            assert!(!format!("{error:?}").contains("hush"));
        }
    }
}
