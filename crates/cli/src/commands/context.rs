//! What every command may need.

use std::time::Duration;

use imtag_transport::{Client, Config, SettingsError};

use crate::args::Cli;
use crate::exit::{CommandError, Exit};
use crate::output::{Output, note_warning};
use crate::settings;

pub(crate) struct Context<'a> {
    pub(super) cli: &'a Cli,
    pub(super) output: Output,
}

impl Context<'_> {
    pub(super) fn settings(&self) -> Result<Config, CommandError> {
        let config = self.cli.settings.with_file()?;
        for warning in config.warnings() {
            note_warning(warning);
        }
        Ok(config)
    }

    /// Refuses settings beside `--demo`, which would be relied on and not used.
    #[cfg(feature = "emulator")]
    pub(super) fn refuse_settings_of_a_demo(&self) -> Result<(), CommandError> {
        match settings::any_flag(&self.cli.settings) {
            None => Ok(()),
            Some(flag) => Err(CommandError::usage(format!(
                "--demo brings its own service, and uses no settings: leave {flag} out"
            ))),
        }
    }

    pub(super) fn client(&self) -> Result<Client, CommandError> {
        let builder = settings::builder(&self.settings()?, self.timeout());
        Ok(builder.build()?)
    }

    /// The same for a command that needs no settings with `--demo`.
    pub(super) fn client_or_demo(&self) -> Result<Client, CommandError> {
        self.client().map_err(or_demo)
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.cli.timeout
    }
}

/// The error of a command that needs no settings with `--demo`, which says so where some are missing.
pub(super) fn or_demo(mut error: CommandError) -> CommandError {
    let is_missing = ["a setting is missing", "settings are missing"]
        .iter()
        .any(|start| error.sentence.starts_with(start));
    if is_missing && cfg!(feature = "emulator") {
        error.sentence += "\n  or try it without any of them, by --demo";
    }
    error
}

impl From<SettingsError> for CommandError {
    fn from(error: SettingsError) -> CommandError {
        CommandError::new(Exit::Settings, error)
    }
}
