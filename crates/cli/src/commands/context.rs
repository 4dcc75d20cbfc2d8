//! What every command may need.

use std::time::Duration;

use crate::args::Cli;
use crate::exit::{CommandError, Exit};
use crate::output::Output;
use crate::settings::Settings;
use crate::settings::client::Connection;
use crate::settings::parser::SettingsError;

pub(crate) struct Context<'a> {
    pub(super) cli: &'a Cli,
    pub(super) output: Output,
}

impl Context<'_> {
    pub(super) fn settings(&self) -> Result<Settings, CommandError> {
        Ok(self.cli.settings.with_file()?)
    }

    pub(super) fn connection(&self) -> Result<Connection, CommandError> {
        Ok(self.settings()?.client(self.timeout())?)
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
