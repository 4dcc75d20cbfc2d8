//! One place that settings come from: the command line, the environment, or the settings file. A layer holds text;
//! what it means is decided when a command asks for it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ArgMatches;

use super::error::Problem;
use super::table::{SETTINGS, Setting, SettingId};

/// Where a layer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Flags,
    Environment,
    File(PathBuf),
}

impl Place {
    /// The name of a setting here, for messages about it.
    pub(crate) fn name_of(&self, setting: &Setting) -> String {
        match self {
            Place::Flags => format!("--{}", setting.flag.unwrap_or_default()),
            Place::Environment => setting.variable.to_owned(),
            Place::File(path) => format!("{} in {}", setting.name, path.display()),
        }
    }
}

/// What one place says. It may hold secrets, so it has no `Debug`.
pub(crate) struct Layer {
    pub(crate) place: Place,
    values: [Option<String>; SETTINGS.len()],
}

impl Layer {
    pub(crate) fn empty(place: Place) -> Layer {
        Layer {
            place,
            values: [const { None }; SETTINGS.len()],
        }
    }

    pub(crate) fn get(&self, id: SettingId) -> Option<&str> {
        self.values[id as usize].as_deref()
    }

    pub(crate) fn set(&mut self, id: SettingId, value: String) {
        self.values[id as usize] = Some(value);
    }

    pub(crate) fn of_flags(matches: &ArgMatches) -> Layer {
        let mut layer = Layer::empty(Place::Flags);
        for setting in &SETTINGS {
            let given = setting
                .flag
                .and_then(|_| matches.get_one::<String>(setting.name));
            if let Some(value) = given {
                layer.set(setting.id, value.clone());
            }
        }
        layer
    }

    /// A variable that is empty counts as not set: that is how a container says so.
    pub(crate) fn of_environment(
        variable: impl Fn(&str) -> Option<OsString>,
        problems: &mut Vec<Problem>,
    ) -> Layer {
        let mut layer = Layer::empty(Place::Environment);
        for setting in &SETTINGS {
            let Some(value) = variable(setting.variable).filter(|value| !value.is_empty()) else {
                continue;
            };
            match value.into_string() {
                Ok(value) => layer.set(setting.id, value),
                Err(_) => problems.push(Problem::Wrong {
                    name: setting.variable.to_owned(),
                    why: "it is not UTF-8".to_owned(),
                }),
            }
        }
        layer
    }

    /// A path that a settings file names is relative to that file, wherever the command is run.
    pub(crate) fn path(&self, id: SettingId) -> Option<PathBuf> {
        let given = Path::new(self.get(id)?);
        Some(match &self.place {
            Place::File(file) => file.parent().unwrap_or(Path::new("")).join(given),
            Place::Flags | Place::Environment => given.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let mut problems = Vec::new();
        let layer = Layer::of_environment(
            |name| match name {
                "IMTAG_REGION" => Some("".into()),
                "IMTAG_SDKAPPID" => Some("1".into()),
                _ => None,
            },
            &mut problems,
        );
        assert_eq!(layer.get(SettingId::Region), None);
        assert_eq!(layer.get(SettingId::SdkAppId), Some("1"));
        assert!(problems.is_empty());
    }

    #[test]
    fn a_path_in_a_file_is_relative_to_the_file() {
        let mut layer = Layer::empty(Place::File("/etc/imtag/config.toml".into()));
        layer.set(SettingId::SecretKeyFile, "key".to_owned());
        layer.set(SettingId::CaFile, "/srv/ca.pem".to_owned());
        assert_eq!(
            layer.path(SettingId::SecretKeyFile),
            Some("/etc/imtag/key".into())
        );
        assert_eq!(layer.path(SettingId::CaFile), Some("/srv/ca.pem".into()));
        let mut layer = Layer::empty(Place::Environment);
        layer.set(SettingId::CaFile, "ca.pem".to_owned());
        assert_eq!(layer.path(SettingId::CaFile), Some("ca.pem".into()));
    }
}
