//! The setting that a misspelt name was probably meant for.

use std::ffi::OsString;

use super::file;
use super::table::SETTINGS;

/// What the names of all variables begin with.
const PREFIX: &str = "IMTAG_";

/// How alike two names are, of 1, for one to be taken for the other. At 0.8 `regoin` is `region`, and `port`, which an
/// orchestrator sets for a service called imtag, is none.
const ALIKE: f64 = 0.8;

/// The key of the setting whose name is nearest, if any is near.
pub(super) fn similar_key(name: &str) -> Option<&'static str> {
    nearest(name, SETTINGS.iter().map(|setting| setting.name))
}

/// Variables that no setting has and one is probably meant by, each with that one.
pub(super) fn misspelt_variables(
    names: impl Iterator<Item = OsString>,
) -> Vec<(String, &'static str)> {
    let known = || {
        let settings = SETTINGS.iter().map(|setting| setting.variable);
        settings.chain([file::VARIABLE])
    };
    let mut misspelt = Vec::new();
    for name in names.filter_map(|name| name.into_string().ok()) {
        let Some(own) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let is_known = known().any(|it| it == name);
        let near = nearest(own, known().map(|it| &it[PREFIX.len()..]));
        let near = near.and_then(|own| known().find(|it| it.ends_with(own)));
        if let Some(near) = near.filter(|_| !is_known) {
            misspelt.push((name, near));
        }
    }
    misspelt.sort_unstable();
    misspelt
}

fn nearest(name: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let plain = |name: &str| name.replace('-', "_").to_ascii_lowercase();
    let name = plain(name);
    let alike = names.map(|it| (strsim::jaro(&name, &plain(it)), it));
    let nearest = alike.max_by(|one, other| one.0.total_cmp(&other.0));
    nearest.filter(|it| it.0 >= ALIKE).map(|it| it.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_finds_its_setting_and_another_name_none() {
        for (name, expected) in [
            ("regoin", Some("region")),
            ("Region", Some("region")),
            ("secret-key", Some("secret_key")),
            ("sdk_app_id", Some("sdkappid")),
            ("SDKAppID", Some("sdkappid")),
            ("calls_per_sec", Some("calls_per_second")),
            ("user_sig", Some("usersig")),
            ("app", None),
            ("timeout", None),
            ("proxy", None),
        ] {
            assert_eq!(similar_key(name), expected, "{name}");
        }
    }

    #[test]
    fn a_misspelt_variable_finds_its_setting_and_those_of_others_none() {
        let names = [
            "IMTAG_REGOIN",
            "IMTAG_SDK_APP_ID",
            "IMTAG_REGION",
            "IMTAG_CONFIG",
            "IMTAG_CONFG",
            "IMTAG_PORT",
            "IMTAG_SERVICE_HOST",
            "IMTAG_SERVICE_PORT",
            "IMTAG_PORT_80_TCP_ADDR",
            "IMTAG_VERSION",
            "IMTAG_LOG",
            "TMPDIR",
        ];
        let found = misspelt_variables(names.into_iter().map(OsString::from));
        let expected = [
            ("IMTAG_CONFG".to_owned(), "IMTAG_CONFIG"),
            ("IMTAG_REGOIN".to_owned(), "IMTAG_REGION"),
            ("IMTAG_SDK_APP_ID".to_owned(), "IMTAG_SDKAPPID"),
        ];
        assert_eq!(found, expected);
    }
}
