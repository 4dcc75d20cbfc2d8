//! The settings file: TOML with the keys of [`Settings`], in one level. A key that is no setting is an error, as a
//! misspelt one would otherwise be silence.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use toml::Spanned;

use super::messages::{SettingsError, misspelt_variables, nearest};
use super::{Given, Place, Settings};
use crate::output::{Shown, note};

/// Where the file is looked for when nobody names it.
const IN_HOME: &str = ".config/imtag/config.toml";

/// The bits by which the group or everybody can read.
const OTHERS_READ: u32 = 0o044;

impl Settings {
    /// Adds what the settings file has, and warns of variables that are probably misspelt.
    pub(crate) fn with_file(&self) -> Result<Settings, SettingsError> {
        // a misspelt one would be silence, but a variable of that prefix may be another program's
        let names = env::vars_os().map(|(name, _)| name);
        for (name, near) in misspelt_variables(names, &Settings::keys()) {
            note(format_args!(
                "warning: {} is no setting: did you mean {near}?",
                Shown(&name)
            ));
        }
        let mut settings = self.clone();
        if let Some(file) = read(self.config.as_ref())? {
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
    let not_toml = |error: toml::de::Error| SettingsError::NotToml {
        path: path.clone(),
        line: error.span().map(|span| line_at(span.start)),
    };
    let present: BTreeMap<Spanned<String>, IgnoredAny> = toml::from_str(text).map_err(not_toml)?;
    let mut settings: Settings = toml::from_str(text).map_err(not_toml)?;
    // the first is where the file is
    let [_, known @ ..] = Settings::keys();
    for key in present.keys() {
        let name = key.get_ref().as_str();
        if !known.contains(&name) {
            let line = line_at(key.span().start);
            let place = format!("{name} in {}, line {line}", path.display());
            let why = match nearest(name, &known) {
                Some(near) => format!("no such setting: did you mean {near}?"),
                None => format!("no such setting; there are {}", known.join(", ")),
            };
            settings.unknown.push(format!("{place}: {why}"));
        }
    }
    settings.locate(|_| Place::File(path.clone()));
    if settings.secret_key.is_some() || settings.usersig.is_some() {
        warn_if_others_can_read(&path);
    }
    Ok(settings)
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
    use super::super::messages::Problems;
    use super::*;

    fn parsed(text: &str) -> Settings {
        parse(text, "config.toml".into()).ok().unwrap()
    }

    #[test]
    fn a_value_is_a_text_or_a_number_and_a_switch_is_true_or_false() {
        // also with a BOM and with other line ends
        let mut file = parsed(
            "\u{feff}sdkappid = 1400000000\r\nregion = \"tokyo\"\r\nca_file = [1]\r\nsecret_key = true\r\n\
             identifier = 1.5\r\n",
        );
        let texts = file
            .by_key()
            .map(|(_, given)| given.take())
            .into_iter()
            .flatten();
        let texts: Vec<_> = texts.map(|it| format!("{it}: {:?}", it.text())).collect();
        let wrong = "Err(\"it is neither a text nor a whole number\")";
        assert_eq!(
            texts,
            [
                "sdkappid in config.toml: Ok(\"1400000000\")".to_owned(),
                format!("identifier in config.toml: {wrong}"),
                format!("secret_key in config.toml: {wrong}"),
                "region in config.toml: Ok(\"tokyo\")".to_owned(),
                format!("ca_file in config.toml: {wrong}"),
            ]
        );
        for (text, expected) in [
            ("0.5", Ok("0.5")),
            ("\"0.5\"", Ok("0.5")),
            ("2.0", Ok("2.0")),
            ("2", Ok("2")),
            ("nan", Ok("NaN")),
            ("1e300", Ok("1e300")),
            ("[1]", Err("it is neither a text nor a number".to_owned())),
        ] {
            let file = parsed(&format!("calls_per_second = {text}"));
            assert_eq!(file.calls_per_second.unwrap().text(), expected);
        }
        for (text, expected) in [
            ("true", Ok("true")),
            ("\"true\"", Ok("true")),
            ("[true]", Err("it is neither true nor false".to_owned())),
        ] {
            let file = parsed(&format!("fresh_start = {text}"));
            assert_eq!(file.fresh_start.unwrap().text(), expected);
        }
    }

    #[test]
    fn unknown_keys_are_named_all_at_once_with_their_lines() {
        let file = parsed("config = \"x\"\nregoin = \"tokyo\"\n\n[app]\nsdkappid = 1\n");
        let error = Problems::new(&file.unknown).whole(Some(())).unwrap_err();
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
