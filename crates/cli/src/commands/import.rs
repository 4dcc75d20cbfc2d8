//! `imtag import`: settings first, then the file, and only then a request.

use std::path::Path;

use super::Context;
use crate::exit::Exit;
use crate::failure::CommandError;
use crate::import::{self, Run};
#[cfg(feature = "emulator")]
use crate::interrupt::Busy;
use crate::interrupt::Interrupt;

pub(super) fn run(context: &Context<'_>, file: &Path) -> Result<Exit, CommandError> {
    let interrupt = Interrupt::install(context.output)?;
    let connection = context.connection()?;
    let read = import::read(file, *connection.client.rules())?;
    let run = Run {
        connection: &connection,
        timeout: context.timeout(),
        interrupt: &interrupt,
        output: context.output,
        demo: None,
    };
    run.import(read)
}

/// The same against an emulator of its own, and then all tags are read back and compared with the file.
#[cfg(feature = "emulator")]
pub(super) fn demo(context: &Context<'_>, file: &Path) -> Result<Exit, CommandError> {
    let config = context.asked.cli.config.as_ref();
    let config = config.map(|_| "--config".to_owned());
    if let Some(flag) = crate::settings::any_flag(&context.asked.matches).or(config) {
        return Err(CommandError::Usage(format!(
            "--demo brings its own service, and uses no settings: leave {flag} out"
        )));
    }
    let interrupt = Interrupt::install(context.output)?;
    let read = import::read(file, imtag_core::Rules::default())?;
    // from here on there is a temporary file, which is to go before the process ends
    interrupt.busy_with(Busy::Importing);
    let demo = import::Demo::start()?;
    let run = Run {
        connection: &demo.connection,
        timeout: context.timeout(),
        interrupt: &interrupt,
        output: context.output,
        demo: Some(demo.introduction()),
    };
    run.import(read)
}
