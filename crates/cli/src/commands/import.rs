//! `imtag import`: settings first, then the file, and only then a request.

use super::context::Context;
use crate::args::ImportArgs;
use crate::exit::{CommandError, Exit};
use crate::import::{self, Files, ReadLimits, Run};
use crate::interrupt::{Busy, Interrupt};
use crate::settings;

pub(super) fn run(context: &Context<'_>, arguments: &ImportArgs) -> Result<Exit, CommandError> {
    let (journal, failed) = (arguments.journal.as_deref(), arguments.failed.as_deref());
    let bad_rows = arguments.bad_rows.as_deref();
    let files = || Files::new(&arguments.file, journal, failed, bad_rows);
    if arguments.list_failed {
        return import::list_failed(files()?, context.output);
    }
    let limits = ReadLimits {
        memory: arguments.memory,
        folder: arguments
            .temp_dir
            .clone()
            .unwrap_or_else(std::env::temp_dir),
    };
    if arguments.dry_run {
        return dry_run(context, arguments, limits);
    }
    #[cfg(feature = "emulator")]
    if arguments.demo {
        return demo(context, arguments, limits);
    }
    let interrupt = Interrupt::install(context.output)?;
    let client = context.client_or_demo()?;
    let files = files()?;
    let read = import::read(&arguments.file, *client.rules(), limits)?;
    let run = Run {
        client: &client,
        timeout: context.timeout(),
        interrupt: &interrupt,
        output: context.output,
        files,
        demo: None,
    };
    run.import(read)
}

/// Says what would be sent, by the generation and the quota that are set. Neither needs to be.
fn dry_run(
    context: &Context<'_>,
    arguments: &ImportArgs,
    limits: ReadLimits,
) -> Result<Exit, CommandError> {
    let interrupt = Interrupt::install(context.output)?;
    let (rules, calls_per_second) = settings::rules(&context.settings()?)?;
    let read = import::read(&arguments.file, rules, limits)?;
    interrupt.busy_with(Busy::Reporting);
    let list = arguments.bad_rows.as_deref();
    import::dry_run(read, calls_per_second, list, context.output)
}

/// The same as `run` against an emulator of its own, and then all tags are read back and compared with the file.
#[cfg(feature = "emulator")]
fn demo(
    context: &Context<'_>,
    arguments: &ImportArgs,
    limits: ReadLimits,
) -> Result<Exit, CommandError> {
    context.refuse_settings_of_a_demo()?;
    let interrupt = Interrupt::install(context.output)?;
    let read = import::read(&arguments.file, imtag_core::Rules::default(), limits)?;
    // from here on there is a temporary file, which must go before the process ends
    interrupt.busy_with(Busy::Importing);
    let demo = import::Demo::start()?;
    let run = Run {
        client: &demo.client,
        timeout: context.timeout(),
        interrupt: &interrupt,
        output: context.output,
        files: Files {
            bad_rows: arguments.bad_rows.clone(),
            ..demo.files()
        },
        demo: Some(demo.introduction()),
    };
    run.import(read)
}
