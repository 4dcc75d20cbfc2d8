//! What is missing or wrong in settings that were found: every problem at once, each with all places where the setting
//! could stand. A message never holds the value of a secret.

use std::path::{Path, PathBuf};

use super::setting::Setting;

/// Where settings could stand.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// True for a command line.
    pub(super) has_flags: bool,
    /// The settings file that is looked for, also if it is not there.
    pub(super) file: Option<PathBuf>,
    pub(super) profile: Option<String>,
}

/// The problems of a config. A client's builder keeps them until it builds, as what a program sets itself settles some.
#[derive(Debug, Clone, Default)]
pub(crate) struct Problems {
    missing: Vec<String>,
    wrong: Vec<Wrong>,
    places: Places,
}

#[derive(Debug, Clone)]
struct Wrong {
    /// The keys of the settings that it is about. None for a key that is no setting.
    keys: Vec<&'static str>,
    sentence: String,
}

impl Problems {
    /// None yet, but what is wrong with keys of the file that are no settings.
    pub(super) fn new(places: Places, unknown: &[String]) -> Problems {
        let unknown = unknown.iter().map(|sentence| Wrong {
            keys: Vec::new(),
            sentence: sentence.clone(),
        });
        Problems {
            missing: Vec::new(),
            wrong: unknown.collect(),
            places,
        }
    }

    /// One of these must be set, and is not.
    pub(super) fn missing(&mut self, keys: &[&str]) {
        self.missing.push(self.places.what_to_set(keys));
    }

    pub(super) fn wrong(&mut self, keys: Vec<&'static str>, sentence: String) {
        self.wrong.push(Wrong { keys, sentence });
    }

    /// The same, unless one is set that is wrong.
    pub(crate) fn missing_unless_wrong(&mut self, keys: &[&str]) {
        if !self.wrong.iter().any(|it| it.is_about(keys)) {
            self.missing(keys);
        }
    }

    /// Forgets what is wrong with these, as the program has set one of them.
    pub(crate) fn settle(&mut self, keys: &[&str]) {
        self.wrong.retain(|it| !it.is_about(keys));
    }

    /// All of them in words, if there are any.
    pub(crate) fn in_words(&self) -> Option<String> {
        let what = match (&self.missing[..], &self.wrong[..]) {
            ([], []) => return None,
            ([one], []) => return Some(format!("a setting is missing: {one}")),
            ([], [one]) => return Some(one.sentence.clone()),
            (_, []) => "missing",
            ([], _) => "wrong",
            _ => "missing or wrong",
        };
        // a misspelt key is why another is missing
        let (known, unknown): (Vec<_>, Vec<_>) =
            self.wrong.iter().partition(|it| !it.keys.is_empty());
        let [unknown, known] =
            [unknown, known].map(|wrong| wrong.into_iter().map(|it| &it.sentence));
        let lines = unknown.chain(&self.missing).chain(known);
        let lines: String = lines.map(|line| format!("\n  {line}")).collect();
        Some(format!("settings are {what}:{lines}"))
    }
}

impl Wrong {
    fn is_about(&self, keys: &[&str]) -> bool {
        self.keys.iter().any(|key| keys.contains(key))
    }
}

impl Places {
    /// `set IMTAG_REGION or --region, or region in config.toml (the app's data centre)`.
    fn what_to_set(&self, keys: &[&str]) -> String {
        let settings: Vec<_> = keys.iter().filter_map(|key| Setting::named(key)).collect();
        let mut names: Vec<_> = settings.iter().map(|it| it.variable()).collect();
        if self.has_flags {
            names.extend(settings.iter().filter_map(|it| it.flag()));
        }
        let in_file = self.file.as_ref().map(|file| {
            let place = in_file(self.profile.as_deref(), file);
            format!(", or {} {place}", keys.join(" or "))
        });
        let meanings: Vec<_> = settings.iter().map(|it| it.meaning).collect();
        format!(
            "set {}{} ({})",
            names.join(" or "),
            in_file.unwrap_or_default(),
            meanings.join("; or ")
        )
    }
}

/// `in config.toml`, `in [profile.live] of config.toml`.
pub(super) fn in_file(profile: Option<&str>, file: &Path) -> String {
    let file = file.display();
    match profile {
        Some(profile) => format!("in [profile.{}] of {file}", profile.escape_debug()),
        None => format!("in {file}"),
    }
}
