//! Where a setting stands, or could stand, in words.

use imtag_transport::{Config, Given, SETTINGS, Setting};

/// `--region`, `IMTAG_REGION`, `config.toml, line 3`, `[profile.live] of config.toml, line 7`.
pub(super) fn place(given: &Given) -> String {
    let name = given.to_string();
    let in_file = name.strip_prefix(&format!("{} in ", given.setting.key));
    let line = given.line().map(|line| format!(", line {line}"));
    in_file.unwrap_or(&name).to_owned() + &line.unwrap_or_default()
}

/// A sentence, and where each of these settings stands. Of those that exclude each other the one that counts is named; if
/// none of all is set, where the first could stand.
pub(super) fn with_places(config: &Config, sentence: &str, keys: &[&str]) -> String {
    let given = keys.iter().filter_map(|key| config.get(key));
    let counts = given.filter(|it| config.in_place_of(it.setting.key).is_none());
    let mut places: Vec<_> = counts
        .map(|it| format!("{}: {}", it.setting.key, place(it)))
        .collect();
    let settings = SETTINGS.iter().filter(|it| keys.contains(&it.key));
    if places.is_empty() {
        places.extend(settings.take(1).map(could_stand));
    }
    format!("{sentence} ({})", places.join("; "))
}

/// `ca_file: IMTAG_CA_FILE, --ca-file, or the settings file`.
fn could_stand(setting: &Setting) -> String {
    let flag = setting.flag().map(|flag| format!(", {flag}"));
    let (key, variable) = (setting.key, setting.variable());
    format!(
        "{key}: {variable}{}, or the settings file",
        flag.unwrap_or_default()
    )
}
