//! The flags of the settings, made from the table, for every command.

use clap::Arg;

use super::table::SETTINGS;

const HEADING: &str = "Settings";

/// A flag for each setting that may have one.
pub(crate) fn flags() -> impl Iterator<Item = Arg> {
    SETTINGS.iter().filter_map(|setting| {
        let flag = setting.flag?;
        let default = match setting.default {
            "" => String::new(),
            default => format!("; default: {default}"),
        };
        let arg = Arg::new(setting.name)
            .long(flag)
            .value_name(setting.value)
            // a number below 0 is the setting's to refuse, with its range
            .allow_negative_numbers(true)
            .help(format!(
                "{} [env: {}]{default}",
                setting.meaning, setting.variable
            ))
            .help_heading(HEADING)
            .global(true);
        Some(if setting.is_switch() {
            // with `=` only, or the next argument would be taken for the value
            arg.num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
        } else {
            arg
        })
    })
}

/// The first settings flag that was given, for commands that have none.
#[cfg(feature = "emulator")]
pub(crate) fn any_flag(matches: &clap::ArgMatches) -> Option<String> {
    use clap::parser::ValueSource;
    let given = |name| matches.value_source(name) == Some(ValueSource::CommandLine);
    let setting = SETTINGS
        .iter()
        .find(|it| it.flag.is_some() && given(it.name))?;
    setting.flag.map(|flag| format!("--{flag}"))
}
