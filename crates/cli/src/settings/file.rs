//! The settings file: TOML with the keys of the table, in one level. A key that is not in the table is an error, as a
//! misspelt one would otherwise be silence.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::output::note;

use super::access;
use super::error::{Problem, SettingsError};
use super::layer::{Layer, Place};
use super::similar::similar_key;
use super::table::{SETTINGS, SettingId};

/// The variable that names the file, as `--config` does.
pub(crate) const VARIABLE: &str = "IMTAG_CONFIG";

/// Where the file is looked for when nobody names it.
const IN_HOME: &str = ".config/imtag/config.toml";

/// Reads the file that the flag or the variable names, which must be there, or the one in the home directory, which
/// need not.
pub(crate) fn read(
    flag: Option<&Path>,
    variable: impl Fn(&str) -> Option<OsString>,
    problems: &mut Vec<Problem>,
) -> Result<Option<Layer>, SettingsError> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let named = flag
        .map(Path::to_owned)
        .or_else(|| set(VARIABLE).map(PathBuf::from));
    let in_home = || set("HOME").map(|home| Path::new(&home).join(IN_HOME));
    let must_be_there = named.is_some();
    let Some(path) = named.or_else(in_home) else {
        return Ok(None);
    };
    match fs::read_to_string(&path) {
        Ok(text) => parse(&text, path, problems).map(Some),
        Err(source) if must_be_there => Err(SettingsError::Unreadable { path, source }),
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

fn parse(text: &str, path: PathBuf, problems: &mut Vec<Problem>) -> Result<Layer, SettingsError> {
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            let error: toml::de::Error = error;
            let line = error
                .span()
                .map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            return Err(SettingsError::NotToml { path, line });
        }
    };
    let mut layer = Layer::empty(Place::File(path.clone()));
    for (name, value) in table {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            let known: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
            problems.push(Problem::wrong(
                format!("{name} in {}", path.display()),
                match similar_key(&name) {
                    Some(near) => format!("no such setting: did you mean {near}?"),
                    None => format!("no such setting; there are {}", known.join(", ")),
                },
            ));
            continue;
        };
        match value {
            Value::String(text) => layer.set(setting.id, text),
            Value::Integer(number) => layer.set(setting.id, number.to_string()),
            // with an exponent where Display would write 300 digits
            Value::Float(number) if setting.id == SettingId::CallsPerSecond => {
                layer.set(setting.id, format!("{number:?}"));
            }
            Value::Boolean(on) if setting.is_switch() => layer.set(setting.id, on.to_string()),
            _ if setting.is_switch() => problems.push(Problem::wrong(
                layer.place.name_of(setting),
                "it is neither true nor false",
            )),
            _ if setting.id == SettingId::CallsPerSecond => problems.push(Problem::wrong(
                layer.place.name_of(setting),
                "it is neither a text nor a number",
            )),
            _ => problems.push(Problem::wrong(
                layer.place.name_of(setting),
                "it is neither a text nor a whole number",
            )),
        }
    }
    let holds_secret =
        |it: &&super::table::Setting| it.flag.is_none() && layer.get(it.id).is_some();
    if SETTINGS.iter().any(|setting| holds_secret(&setting)) {
        access::warn_if_others_can_read(&path);
    }
    Ok(layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Result<Layer, SettingsError>, Vec<Problem>) {
        let mut problems = Vec::new();
        let layer = parse(text, "config.toml".into(), &mut problems);
        (layer, problems)
    }

    #[test]
    fn texts_and_whole_numbers_are_taken() {
        let (layer, problems) = parsed("sdkappid = 1400000000\nregion = \"tokyo\"\n");
        let layer = layer.ok().unwrap();
        assert_eq!(layer.get(SettingId::SdkAppId), Some("1400000000"));
        assert_eq!(layer.get(SettingId::Region), Some("tokyo"));
        assert!(problems.is_empty());
    }

    #[test]
    fn calls_per_second_may_be_a_fraction_and_nothing_else_may() {
        for (text, expected) in [
            ("calls_per_second = 0.5", "0.5"),
            ("calls_per_second = \"0.5\"", "0.5"),
            ("calls_per_second = 2.0", "2.0"),
            ("calls_per_second = 2", "2"),
            ("calls_per_second = nan", "NaN"),
            ("calls_per_second = 1e300", "1e300"),
        ] {
            let (layer, problems) = parsed(text);
            let layer = layer.ok().unwrap();
            assert_eq!(layer.get(SettingId::CallsPerSecond), Some(expected));
            assert!(problems.is_empty());
        }
        let (_, problems) = parsed("calls_per_second = [1]\nsdkappid = 1.5\n");
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "calls_per_second in config.toml: it is neither a text nor a number",
                "sdkappid in config.toml: it is neither a text nor a whole number"
            ]
        );
    }

    #[test]
    fn a_bom_and_other_line_ends_change_nothing() {
        let (layer, problems) = parsed("\u{feff}sdkappid = 1400000000\r\nregion = \"tokyo\"\r\n");
        let layer = layer.ok().unwrap();
        assert_eq!(layer.get(SettingId::SdkAppId), Some("1400000000"));
        assert_eq!(layer.get(SettingId::Region), Some("tokyo"));
        assert!(problems.is_empty());
    }

    #[test]
    fn a_switch_is_true_or_false_with_quotes_or_without() {
        for text in ["fresh_start = true", "fresh_start = \"true\""] {
            let (layer, problems) = parsed(text);
            assert_eq!(layer.ok().unwrap().get(SettingId::FreshStart), Some("true"));
            assert!(problems.is_empty());
        }
        let (_, problems) = parsed("fresh_start = [true]\nsecret_key = true\n");
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "fresh_start in config.toml: it is neither true nor false",
                "secret_key in config.toml: it is neither a text nor a whole number"
            ]
        );
    }

    #[test]
    fn unknown_keys_and_other_types_are_named_all_at_once() {
        let (_, problems) = parsed("regoin = \"tokyo\"\nca_file = [1]\n[app]\nsdkappid = 1\n");
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 3);
        assert!(
            texts.contains(
                &"regoin in config.toml: no such setting: did you mean region?".to_owned()
            )
        );
        assert!(texts.contains(
            &"ca_file in config.toml: it is neither a text nor a whole number".to_owned()
        ));
        assert!(texts.iter().any(|text| text.starts_with(
            "app in config.toml: no such setting; there are sdkappid, identifier, secret_key"
        )));
    }

    #[test]
    fn a_line_that_is_not_toml_is_named_but_not_shown() {
        for text in [
            "region = \"tokyo\"\nsecret_key = hush\n",
            "region = \"tokyo\"\nsecret_key = \"hush\n",
            "region = \"tokyo\"\nhush\n",
        ] {
            let (error, _) = parsed(text);
            let error = error.err().unwrap();
            assert_eq!(
                error.to_string(),
                "the settings file config.toml, line 2, is not TOML: write name = \"value\", a text in quotes"
            );
            assert!(!format!("{error:?}").contains("hush"));
        }
    }
}
