//! What settings mean, and what is wrong with them: every problem at once, each with the names of the settings that fix
//! it. A message never holds the value of a secret.

use std::fmt;
use std::path::PathBuf;

use super::{Given, SETTINGS, Settings, flag, variable};

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
    #[error("{}", list(.0))]
    Problems(Vec<Problem>),
}

fn at_line(line: Option<usize>) -> String {
    line.map(|line| format!(", line {line},"))
        .unwrap_or_default()
}

#[derive(Debug)]
pub(crate) enum Problem {
    /// What to set.
    Missing(String),
    Wrong(String),
}

/// Understands settings, and gathers what is wrong.
pub(super) struct Parser<'s> {
    pub(super) settings: &'s Settings,
    problems: Vec<Problem>,
}

/// A setting, and how it is understood.
pub(super) type Alternative<T> = (&'static str, fn(&Given) -> Result<T, String>);

impl Parser<'_> {
    pub(super) fn new(settings: &Settings) -> Parser<'_> {
        let unknown = settings.unknown.iter().cloned();
        Parser {
            settings,
            problems: unknown.map(Problem::Wrong).collect(),
        }
    }

    pub(super) fn wrong(&mut self, name: impl fmt::Display, why: impl fmt::Display) {
        let wrong = format!("{name}: {why}");
        self.problems.push(Problem::Wrong(wrong));
    }

    /// A setting that need not be there.
    pub(super) fn may<T>(
        &mut self,
        key: &'static str,
        understand: fn(&Given) -> Result<T, String>,
    ) -> Option<T> {
        self.any_of(&[(key, understand)])
    }

    /// One of these must be there.
    pub(super) fn need<T>(&mut self, alternatives: &[Alternative<T>]) -> Option<T> {
        let is_set = |(key, _): &Alternative<T>| self.settings.get(key).is_some();
        if !alternatives.iter().any(is_set) {
            let keys: Vec<_> = alternatives.iter().map(|(key, _)| *key).collect();
            self.problems.push(Problem::Missing(what_to_set(&keys)));
        }
        self.any_of(alternatives)
    }

    /// The first place that has any decides, and has one only.
    pub(super) fn any_of<T>(&mut self, alternatives: &[Alternative<T>]) -> Option<T> {
        let given = alternatives.iter();
        let given =
            given.filter_map(|(key, understand)| Some((self.settings.get(key)?, *understand)));
        let mut given: Vec<_> = given.collect();
        let first_place = given.iter().map(|(it, _)| it.place.clone()).max()?;
        given.retain(|(it, _)| it.place == first_place);
        if let [(given, understand)] = given[..] {
            return understand(given).map_err(|why| self.wrong(given, why)).ok();
        }
        let names: Vec<_> = given.iter().map(|(it, _)| it.to_string()).collect();
        let both = format!("{} are both set: keep one", names.join(" and "));
        self.problems.push(Problem::Wrong(both));
        None
    }

    /// What was asked for, or everything that stood in its way.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, SettingsError> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(SettingsError::Problems(self.problems)),
        }
    }
}

/// `set IMTAG_REGION or --region (the app's data centre)`.
fn what_to_set(keys: &[&str]) -> String {
    let settings = || SETTINGS.iter().filter(|it| keys.contains(&it.key));
    let variables = settings().map(|it| variable(it.key));
    let flags = settings().filter(|it| it.flag_value().is_some());
    let flags = flags.map(|it| format!("--{}", flag(it.key)));
    let names: Vec<_> = variables.chain(flags).collect();
    let meanings: Vec<_> = settings().map(|it| it.meaning).collect();
    format!("set {} ({})", names.join(" or "), meanings.join("; or "))
}

fn list(problems: &[Problem]) -> String {
    let mut is_missing = problems.iter().map(|it| matches!(it, Problem::Missing(_)));
    let what = match problems {
        [Problem::Missing(one)] => return format!("a setting is missing: {one}"),
        [Problem::Wrong(one)] => return one.clone(),
        _ if is_missing.all(|it| it) => "missing",
        _ => "missing or wrong",
    };
    let mut text = format!("settings are {what}:");
    for Problem::Missing(problem) | Problem::Wrong(problem) in problems {
        text.push_str("\n  ");
        text.push_str(problem);
    }
    text
}
