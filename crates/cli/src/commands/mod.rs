//! The commands, each in a file of its own, and which of them was asked for.

mod call;
mod clear;
#[cfg(feature = "emulator")]
mod emulator;
mod explain;
mod import;
mod usersig;

use std::time::Duration;

use imtag_core::{AddTags, GetTags, RemoveTags};

use crate::args::{Cli, Command};
use crate::exit::{CommandError, Exit};
use crate::output::Output;
use crate::settings::{Connection, Settings, SettingsError};
use call::Caller;

/// What every command may need.
pub(crate) struct Context<'a> {
    cli: &'a Cli,
    output: Output,
}

impl Context<'_> {
    fn settings(&self) -> Result<Settings, CommandError> {
        Ok(self.cli.settings.with_file()?)
    }

    fn connection(&self) -> Result<Connection, CommandError> {
        Ok(self.settings()?.client(self.timeout())?)
    }

    fn timeout(&self) -> Option<Duration> {
        self.cli.timeout
    }
}

impl From<SettingsError> for CommandError {
    fn from(error: SettingsError) -> CommandError {
        CommandError::new(Exit::Settings, error)
    }
}

/// Carries out what was asked for.
pub(crate) fn run(cli: &Cli, output: Output) -> Result<Exit, CommandError> {
    let context = Context { cli, output };
    match &cli.command {
        Command::Add(user) => {
            let caller = Caller::new(&context)?;
            let users = [(&user.account, &user.tags)];
            caller.call(&AddTags::with_rules(caller.rules(), users)?)
        }
        Command::Remove(user) => {
            let caller = Caller::new(&context)?;
            let users = [(&user.account, &user.tags)];
            caller.call(&RemoveTags::with_rules(caller.rules(), users)?)
        }
        Command::Get(users) => {
            let caller = Caller::new(&context)?;
            caller.call(&GetTags::with_rules(caller.rules(), &users.accounts)?)
        }
        Command::Clear { accounts, yes } => clear::run(&context, &accounts.accounts, *yes),
        Command::Import(arguments) => import::run(&context, arguments),
        Command::Usersig(arguments) => usersig::run(&context, arguments),
        #[cfg(feature = "emulator")]
        Command::Emulator(arguments) => emulator::run(&context, arguments),
        Command::Explain { code } => explain::run(output, *code),
    }
}
