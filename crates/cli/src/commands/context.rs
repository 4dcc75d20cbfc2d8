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

    pub(super) fn client(&self) -> Result<Client, CommandError> {
        let builder = settings::builder(&self.settings()?, self.timeout());
        Ok(builder.build()?)
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.cli.timeout
    }
}

impl From<SettingsError> for CommandError {
    fn from(error: SettingsError) -> CommandError {
        CommandError::new(Exit::Settings, error)
    }
}
