//! The settings, as data: what each is called on the command line, in the environment and in the settings file.
//! Flags, look-ups, the message about a missing one, and the README's table come from here.

/// Names a row of [`SETTINGS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SettingId {
    SdkAppId,
    Identifier,
    SecretKey,
    SecretKeyFile,
    UserSig,
    Region,
    Endpoint,
    Generation,
    CallsPerSecond,
    FreshStart,
    CaFile,
}

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) id: SettingId,
    /// Its key in the settings file.
    pub(crate) name: &'static str,
    /// Without dashes. A secret has none, as every process of the machine can read a command line.
    pub(crate) flag: Option<&'static str>,
    pub(crate) variable: &'static str,
    pub(crate) value: &'static str,
    pub(crate) default: &'static str,
    pub(crate) meaning: &'static str,
}

/// The value of a setting that is on or off; as a flag it may stand alone.
const SWITCH: &str = "true|false";

impl Setting {
    pub(crate) fn is_switch(&self) -> bool {
        self.value == SWITCH
    }
}

impl SettingId {
    pub(crate) fn setting(self) -> &'static Setting {
        &SETTINGS[self as usize]
    }
}

const fn open(
    id: SettingId,
    name: &'static str,
    flag: &'static str,
    variable: &'static str,
    value: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting {
        id,
        name,
        flag: Some(flag),
        variable,
        value,
        default,
        meaning,
    }
}

const fn secret(
    id: SettingId,
    name: &'static str,
    variable: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting {
        id,
        name,
        flag: None,
        variable,
        value: "",
        default: "",
        meaning,
    }
}

/// In the order of [`SettingId`], which a test holds.
#[rustfmt::skip]
pub(crate) const SETTINGS: [Setting; 11] = [
    open(SettingId::SdkAppId, "sdkappid", "sdkappid", "IMTAG_SDKAPPID", "NUMBER", "", "the app's SDKAppID, as the console shows it"),
    open(SettingId::Identifier, "identifier", "identifier", "IMTAG_IDENTIFIER", "ACCOUNT", "", "an administrator of the app, often `administrator`"),
    secret(SettingId::SecretKey, "secret_key", "IMTAG_SECRET_KEY", "the app's secret key"),
    open(SettingId::SecretKeyFile, "secret_key_file", "secret-key-file", "IMTAG_SECRET_KEY_FILE", "FILE", "", "a file that holds the secret key and nothing else"),
    secret(SettingId::UserSig, "usersig", "IMTAG_USERSIG", "a UserSig made elsewhere, in place of the key"),
    open(SettingId::Region, "region", "region", "IMTAG_REGION", "REGION", "", "the app's data centre, as the console shows it: `china`, `singapore`, `seoul` …"),
    open(SettingId::Endpoint, "endpoint", "endpoint", "IMTAG_ENDPOINT", "URL", "", "an address in place of the region's: https://host:port, or http:// on this machine"),
    open(SettingId::Generation, "generation", "generation", "IMTAG_GENERATION", "NAME", "all_member_push", "the paths to call: `all_member_push` or `timpush`"),
    open(SettingId::CallsPerSecond, "calls_per_second", "calls-per-second", "IMTAG_CALLS_PER_SECOND", "NUMBER", "100", "this process's share of the app's quota, 0.001 to 100000: 0.5 is one call in 2 s, 2.5 is two in any second"),
    open(SettingId::FreshStart, "fresh_start", "fresh-start", "IMTAG_FRESH_START", SWITCH, "false", "`true`: no other process of the app called in the last second, so no call is held back at the start"),
    open(SettingId::CaFile, "ca_file", "ca-file", "IMTAG_CA_FILE", "FILE", "public roots", "certificates (PEM) to trust in place of the public ones"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_finds_its_own_row() {
        for (index, setting) in SETTINGS.iter().enumerate() {
            assert_eq!(setting.id as usize, index);
            assert_eq!(setting.id.setting().name, setting.name);
            assert_eq!(
                setting.variable,
                format!("IMTAG_{}", setting.name.to_uppercase())
            );
            let flag = setting.name.replace('_', "-");
            assert!(setting.flag.is_none_or(|it| it == flag));
        }
    }

    #[test]
    fn no_secret_has_a_flag_and_everything_else_has() {
        let secrets: Vec<_> = SETTINGS.iter().filter(|it| it.flag.is_none()).collect();
        let names: Vec<_> = secrets.iter().map(|it| it.name).collect();
        assert_eq!(names, ["secret_key", "usersig"]);
    }

    #[test]
    fn the_readme_lists_the_settings_as_they_are() {
        let row = |it: &Setting| {
            let flag = it
                .flag
                .map_or("none".to_owned(), |flag| format!("`--{flag}`"));
            let default = if it.default.is_empty() {
                "none"
            } else {
                it.default
            };
            format!(
                "| {} | {flag} | `{}` | `{}` | {default} |\n",
                it.meaning, it.variable, it.name
            )
        };
        let table: String = SETTINGS.iter().map(row).collect();
        let head =
            "| setting | flag | variable | key in the file | default |\n|---|---|---|---|---|\n";
        assert!(
            include_str!("../../README.md").contains(&format!("{head}{table}\n")),
            "README.md should hold:\n{head}{table}"
        );
    }
}
