//! Settings: the command line before the environment, the environment before the settings file. Of settings that
//! exclude each other (three ways to give a credential, two to say where the service is) the first place that has
//! any of them decides; two in one place are an error, since nobody can tell which was meant.

mod access;
mod app;
mod client;
mod error;
mod file;
mod flags;
mod layer;
#[cfg(feature = "emulator")]
mod served;
mod similar;
mod table;

use std::path::{Path, PathBuf};

use clap::ArgMatches;

pub(crate) use app::App;
pub(crate) use client::Connection;
pub(crate) use error::SettingsError;
#[cfg(feature = "emulator")]
pub(crate) use flags::any_flag;
pub(crate) use flags::flags;
pub(crate) use table::SettingId;

use error::Problem;
use layer::Layer;

use crate::output::{Shown, note};

/// Everything that was set, the strongest place first, and what is wrong with it so far.
pub(crate) struct Settings {
    layers: Vec<Layer>,
    problems: Vec<Problem>,
}

/// A value, and what it is called where it was set.
struct Given<'s> {
    id: SettingId,
    name: String,
    text: &'s str,
    path: PathBuf,
}

impl Settings {
    /// Reads the settings of this process.
    pub(crate) fn load(
        matches: &ArgMatches,
        config: Option<&Path>,
    ) -> Result<Settings, SettingsError> {
        let mut problems = Vec::new();
        let variable = |name: &str| std::env::var_os(name);
        let mut layers = vec![
            Layer::of_flags(matches),
            Layer::of_environment(variable, &mut problems),
        ];
        // a misspelt one would be silence, but a variable of that prefix may be another program's
        let names = std::env::vars_os().map(|(name, _)| name);
        for (name, near) in similar::misspelt_variables(names) {
            note(format_args!(
                "warning: {} is no setting: did you mean {near}?",
                Shown(&name)
            ));
        }
        layers.extend(file::read(config, variable, &mut problems)?);
        Ok(Settings { layers, problems })
    }

    /// The value of a setting that excludes no other.
    fn get(&self, id: SettingId) -> Option<Given<'_>> {
        self.layers.iter().find_map(|layer| given(layer, id))
    }

    /// The one that is set of several that exclude each other; `None` where none is, or where two are in the same
    /// place, which is then a problem.
    fn choose(&self, ids: &'static [SettingId], problems: &mut Vec<Problem>) -> Option<Given<'_>> {
        let of_layer =
            |layer| -> Vec<Given<'_>> { ids.iter().filter_map(|id| given(layer, *id)).collect() };
        let first = self
            .layers
            .iter()
            .map(of_layer)
            .find(|given| !given.is_empty());
        match first {
            None => {
                problems.push(Problem::Missing(ids));
                None
            }
            Some(mut given) if given.len() == 1 => given.pop(),
            Some(given) => {
                problems.push(Problem::Both(given.into_iter().map(|it| it.name).collect()));
                None
            }
        }
    }

    /// A setting that must be there, as `parse` understands it.
    fn need<T, E: std::fmt::Display>(
        &self,
        ids: &'static [SettingId],
        parse: impl Fn(&str) -> Result<T, E>,
        problems: &mut Vec<Problem>,
    ) -> Option<T> {
        let given = self.choose(ids, problems)?;
        parsed(&given, parse, problems)
    }

    /// A setting that need not be there.
    fn may<T, E: std::fmt::Display>(
        &self,
        id: SettingId,
        parse: impl Fn(&str) -> Result<T, E>,
        problems: &mut Vec<Problem>,
    ) -> Option<T> {
        let given = self.get(id)?;
        parsed(&given, parse, problems)
    }
}

fn given(layer: &Layer, id: SettingId) -> Option<Given<'_>> {
    Some(Given {
        id,
        name: layer.place.name_of(id.setting()),
        text: layer.get(id)?,
        path: layer.path(id)?,
    })
}

fn parsed<T, E: std::fmt::Display>(
    given: &Given<'_>,
    parse: impl Fn(&str) -> Result<T, E>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    match parse(given.text) {
        Ok(value) => Some(value),
        Err(why) => {
            problems.push(Problem::wrong(given.name.as_str(), why));
            None
        }
    }
}

/// What was asked for, or everything that stood in its way.
fn whole<T>(value: Option<T>, problems: Vec<Problem>) -> Result<T, SettingsError> {
    match value {
        Some(value) if problems.is_empty() => Ok(value),
        _ => Err(SettingsError::Problems(problems)),
    }
}

#[cfg(test)]
mod tests;
