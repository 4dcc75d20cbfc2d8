//! What is wrong with the settings: every problem at once, each with the names of the settings that fix it. It never
//! holds the value of a secret.

use std::fmt;
use std::path::PathBuf;

use super::table::SettingId;
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
    #[error("{}", listed(.0))]
    Problems(Vec<Problem>),
}

impl From<SettingsError> for CommandError {
    fn from(error: SettingsError) -> CommandError {
        CommandError::new(Exit::Settings, error)
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// None of these is set, and one must be.
    Missing(&'static [SettingId]),
    /// A value that cannot be used.
    Wrong { name: String, why: String },
    /// Two that exclude each other, in one place.
    Both(Vec<String>),
}

impl Problem {
    pub(crate) fn wrong(name: impl Into<String>, why: impl fmt::Display) -> Problem {
        Problem::Wrong {
            name: name.into(),
            why: why.to_string(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Missing(ids) => {
                let settings = || ids.iter().map(|id| id.setting());
                let meanings: Vec<_> = settings().map(|it| it.meaning).collect();
                let variables: Vec<_> = settings().map(|it| it.variable.to_owned()).collect();
                let flags = settings().filter_map(|it| it.flag);
                let flags: Vec<_> = flags.map(|flag| format!("--{flag}")).collect();
                write!(
                    f,
                    "set {} or {} ({})",
                    variables.join(" or "),
                    flags.join(" or "),
                    meanings.join("; or ")
                )
            }
            Problem::Wrong { name, why } => write!(f, "{name}: {why}"),
            Problem::Both(names) => {
                write!(f, "{} are both set: keep one", names.join(" and "))
            }
        }
    }
}

fn at_line(line: Option<usize>) -> String {
    line.map(|line| format!(", line {line},"))
        .unwrap_or_default()
}

fn listed(problems: &[Problem]) -> String {
    let missing = problems
        .iter()
        .all(|problem| matches!(problem, Problem::Missing(_)));
    let what = if missing {
        "missing"
    } else {
        "missing or wrong"
    };
    match problems {
        [one @ Problem::Missing(_)] => format!("a setting is missing: {one}"),
        [one] => one.to_string(),
        several => {
            let lines: Vec<_> = several.iter().map(|it| format!("\n  {it}")).collect();
            format!("settings are {what}:{}", lines.concat())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_by_variable_and_flag() {
        let error = SettingsError::Problems(vec![Problem::Missing(&[SettingId::SdkAppId])]);
        assert_eq!(
            error.to_string(),
            "a setting is missing: set IMTAG_SDKAPPID or --sdkappid (the app's SDKAppID, as the console shows it)"
        );
    }

    #[test]
    fn several_problems_stand_on_a_line_each() {
        let error = SettingsError::Problems(vec![
            Problem::Missing(&[SettingId::Identifier]),
            Problem::Both(vec!["IMTAG_REGION".to_owned(), "IMTAG_ENDPOINT".to_owned()]),
        ]);
        assert_eq!(
            error.to_string(),
            "settings are missing or wrong:\n  \
             set IMTAG_IDENTIFIER or --identifier (an administrator of the app, often `administrator`)\n  \
             IMTAG_REGION and IMTAG_ENDPOINT are both set: keep one"
        );
    }
}
