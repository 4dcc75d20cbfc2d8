//! The commands, each in a file of its own, and which of them was asked for.

mod call;
mod clear;
mod context;
#[cfg(feature = "serve")]
mod data_folder;
mod doctor;
#[cfg(feature = "emulator")]
mod emulator;
mod explain;
#[cfg(any(feature = "emulator", feature = "serve"))]
mod exports;
mod import;
#[cfg(feature = "serve")]
mod queue;
#[cfg(feature = "serve")]
mod serve;
mod usersig;

use imtag_core::{AddTags, GetTags, RemoveTags};

use crate::args::{Cli, Command};
use crate::exit::{CommandError, Exit};
use crate::output::Output;
use call::Caller;
use context::Context;

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
        #[cfg(feature = "serve")]
        Command::Serve(arguments) => serve::run(&context, arguments),
        #[cfg(feature = "serve")]
        Command::Queue(arguments) => queue::run(&context, arguments),
        Command::Doctor => doctor::run(&context),
        Command::Explain { code } => explain::run(output, *code),
    }
}
