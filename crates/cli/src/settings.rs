//! The settings that commands work by: the transport's, with flags of the command line before them. What commands make of
//! them beside a client: the rules of its requests, an app that signs, an app that an emulator serves.

#[cfg(feature = "serve")]
use std::path::PathBuf;
use std::time::Duration;

use imtag_core::{CallRate, Generation, Identifier, Rules, SdkAppId, SecretKey};
use imtag_transport::{
    ClientBuilder, Config, KEYS, Kind, Parser, RATES, Setting, SettingsError, parsed,
};
#[cfg(any(test, feature = "emulator"))]
use imtag_transport::{Given, SETTINGS};
#[cfg(feature = "serve")]
use tracing::level_filters::LevelFilter;

#[cfg(feature = "serve")]
use crate::output::Format;

/// An app that UserSigs can be made for.
pub(crate) struct App {
    pub(crate) sdkappid: SdkAppId,
    pub(crate) identifier: Identifier,
    pub(crate) key: SecretKey,
}

/// What is set of the app that an emulator serves. The rest is the emulator's own.
#[cfg(feature = "emulator")]
pub(crate) struct Served {
    pub(crate) sdkappid: Option<SdkAppId>,
    pub(crate) identifier: Option<Identifier>,
    pub(crate) key: Option<SecretKey>,
    pub(crate) calls_per_second: Option<u32>,
}

/// What is set of the daemon beside its client.
#[cfg(feature = "serve")]
pub(crate) struct OfDaemon {
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) log_level: Option<LevelFilter>,
    pub(crate) log_format: Option<Format>,
}

/// What the value of a setting's flag is called, if it has one.
pub(crate) fn flag_value(setting: &Setting) -> Option<&'static str> {
    match setting.kind {
        Kind::Text(name) => Some(name),
        Kind::Secret => None,
        Kind::Path => Some("FILE"),
        Kind::Number => Some("NUMBER"),
        Kind::Switch => Some("true|false"),
    }
}

/// What help says of a setting's flag.
pub(crate) fn help(setting: &Setting) -> String {
    let default = setting.default.map(|it| format!(" [default: {it}]"));
    let default = default.unwrap_or_default();
    format!("{}{default} [env: {}]", setting.meaning, setting.variable())
}

/// What is wrong with a flag that cannot be any setting.
pub(crate) fn wrong_flag(config: &Config) -> Option<String> {
    config.flags().find_map(|it| {
        let text = it.text();
        let is_empty = text.as_ref().is_ok_and(|text| text.is_empty());
        match it.setting.key {
            "config" if is_empty => Some(format!("{it} names no file")),
            "profile" if is_empty => Some(format!("{it} names no profile")),
            "proxy" if text.as_ref().is_ok_and(|url| url.contains('@')) => Some(format!(
                "{it} holds a password, which every process of this machine can read here: set IMTAG_PROXY, or proxy in \
                 the settings file"
            )),
            _ if text.is_err() && it.setting.kind != Kind::Path => {
                Some(format!("{it} is not UTF-8"))
            }
            _ => None,
        }
    })
}

/// The first setting of a client that was given as a flag, for commands that have none.
#[cfg(any(test, feature = "emulator"))]
pub(crate) fn any_flag(config: &Config) -> Option<String> {
    let is_of_client = |it: &&Given| SETTINGS.iter().any(|setting| setting.key == it.setting.key);
    config.flags().find(is_of_client).map(ToString::to_string)
}

/// A client's builder; `timeout` is for each call.
pub(crate) fn builder(config: &Config, timeout: Option<Duration>) -> ClientBuilder {
    let mut builder = config.builder();
    if config.get("fresh_start").is_none() {
        // a shell that ends in `exec imtag` leaves it a start that is not its own
        builder = builder.fresh_start(false);
    }
    match timeout {
        Some(timeout) => builder.timeout(timeout),
        None => builder,
    }
}

/// The rules for this app's requests, and its share of the quota. Nothing need be set, but what is must be right.
pub(crate) fn rules(config: &Config) -> Result<(Rules, CallRate), SettingsError> {
    let mut parser = Parser::new(config);
    let generation: Option<Generation> = parser.may("generation", parsed);
    let calls_per_second = parser.any_of(&RATES).unwrap_or_default();
    let rules = Rules::for_generation(generation.unwrap_or_default());
    parser.finish(Some((rules, calls_per_second)))
}

/// The app and its key. A UserSig that is set as well does not matter: it is not what signs.
pub(crate) fn app(config: &Config) -> Result<App, SettingsError> {
    let mut parser = Parser::new(config);
    let sdkappid = parser.need(&[("sdkappid", parsed)]);
    let identifier = parser.need(&[("identifier", parsed)]);
    let key = parser.need(&KEYS);
    let app = sdkappid.zip(identifier).zip(key);
    parser.finish(app.map(|((sdkappid, identifier), key)| App {
        sdkappid,
        identifier,
        key,
    }))
}

/// The app to serve. Nothing need be set, but what is must be right.
#[cfg(feature = "emulator")]
pub(crate) fn served(config: &Config) -> Result<Served, SettingsError> {
    let mut parser = Parser::new(config);
    let served = Served {
        sdkappid: parser.may("sdkappid", parsed),
        identifier: parser.may("identifier", parsed),
        key: parser.any_of(&KEYS),
        calls_per_second: parser.may("calls_per_second", whole_calls),
    };
    parser.finish(Some(served))
}

/// How the daemon is to work. Nothing need be set, but what is must be right.
#[cfg(feature = "serve")]
pub(crate) fn of_daemon(config: &Config) -> Result<OfDaemon, SettingsError> {
    let mut parser = Parser::new(config);
    let daemon = OfDaemon {
        token_file: parser.may("token_file", imtag_transport::Given::path),
        log_level: parser.may("log_level", level),
        log_format: parser.may("log_format", format),
    };
    parser.finish(Some(daemon))
}

#[cfg(feature = "serve")]
fn level(given: &imtag_transport::Given) -> Result<LevelFilter, String> {
    Ok(match given.text()? {
        "off" => LevelFilter::OFF,
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        other => {
            let levels = "off, error, warn, info, debug and trace";
            return Err(format!("{other:?} is no level: there are {levels}"));
        }
    })
}

#[cfg(feature = "serve")]
fn format(given: &imtag_transport::Given) -> Result<Format, String> {
    match given.text()? {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        other => Err(format!("{other:?} is no form: there are text and json")),
    }
}

/// The emulator counts as the service does, whole calls in each second. A client's fraction in the same place is no
/// quota of an app.
#[cfg(feature = "emulator")]
fn whole_calls(given: &imtag_transport::Given) -> Result<u32, String> {
    let rate: CallRate = parsed(given)?;
    if CallRate::try_from(f64::from(rate.calls().get())) == Ok(rate) {
        Ok(rate.calls().get())
    } else {
        Err(format!(
            "{rate} calls per second: the emulator counts whole calls: set 1 to 100000, the app's quota"
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use imtag_transport::DAEMON_SETTINGS;

    fn with(flags: &[(&'static str, &str)]) -> Config {
        Config::with_flags(|key| {
            let flag = flags.iter().find(|it| it.0 == key);
            flag.map(|it| OsString::from(it.1))
        })
    }

    #[test]
    fn the_readme_lists_the_settings_as_they_are() {
        let row = |setting: &Setting| {
            let (key, meaning) = (setting.key, setting.meaning);
            let flag = setting.flag().map(|flag| format!("`{flag}`"));
            let flag = flag.as_deref().unwrap_or("none");
            let default = setting.default.unwrap_or("none");
            let variable = setting.variable();
            format!("| {meaning} | {flag} | `{variable}` | `{key}` | {default} |\n")
        };
        let table: String = Setting::in_file().iter().map(row).collect();
        let head =
            "| setting | flag | variable | key in the file | default |\n|---|---|---|---|---|\n";
        assert!(
            include_str!("../README.md").contains(&format!("{head}{table}\n")),
            "README.md should hold:\n{head}{table}"
        );
        assert_eq!(SETTINGS.len(), Setting::in_file().len() + 2);
        let table: String = DAEMON_SETTINGS.iter().map(row).collect();
        // its flags count how often they are given, and say the form of all commands' messages
        let table = table.replace("`--log-level`", "`-v`");
        assert!(
            include_str!("../README.md").contains(&format!("{head}{table}\n")),
            "README.md should hold:\n{head}{table}"
        );
    }

    #[test]
    fn a_start_is_fresh_only_where_it_is_said_to_be() {
        const APP: [(&str, &str); 3] = [
            ("sdkappid", "1400000000"),
            ("identifier", "administrator"),
            ("region", "singapore"),
        ];
        for (set, expected) in [
            (None, "fresh_start: Some(false)"),
            (Some("false"), "fresh_start: Some(false)"),
            (Some("true"), "fresh_start: Some(true)"),
        ] {
            let set = set.map(|text| ("fresh_start", text));
            let flags: Vec<_> = APP.into_iter().chain(set).collect();
            let shown = format!("{:?}", builder(&with(&flags), None));
            assert!(shown.contains(expected), "{shown}");
        }
    }

    #[test]
    #[cfg(feature = "emulator")]
    fn an_emulator_counts_whole_calls_and_says_so_of_a_fraction() {
        for (text, expected) in [
            ("100", Ok(Some(100))),
            ("1.0", Ok(Some(1))),
            ("0.5", Err("0.5")),
            ("2.5", Err("2.5")),
        ] {
            let served = served(&with(&[("calls_per_second", text)]));
            let served = served.map(|it| it.calls_per_second);
            let served = served.map_err(|error| error.to_string());
            let expected = expected.map_err(|rate| {
                format!(
                    "--calls-per-second: {rate} calls per second: the emulator counts whole calls: set 1 to 100000, \
                     the app's quota"
                )
            });
            assert_eq!(served, expected);
        }
    }
}
