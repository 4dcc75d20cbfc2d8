#![doc = include_str!("../README.md")]

mod args;
mod commands;
mod exit;
mod import;
mod interrupt;
mod output;
mod ownership;
mod settings;
mod size;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::AtomicU32;

use exit::Exit;
use output::{Format, Output, log, print_error, print_line, without_secrets};

/// It keeps its number, as it never forks: the programs that it starts do not run its code.
static PROCESS: AtomicU32 = AtomicU32::new(0);

fn main() -> ExitCode {
    imtag_transport::keep_process_id(&PROCESS);
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let wants_json = arguments.iter().any(|argument| argument == "--json");
    let cli = match args::parse(arguments) {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error, wants_json).into(),
    };
    log::set(
        log::level(cli.verbose),
        cli.log_format.unwrap_or(Format::Text),
    );
    let output = Output::new(cli.json);
    output.finish(commands::run(&cli, output)).into()
}

/// Help that was asked for, or what is wrong with the command line.
fn misunderstood(error: &clap::Error, wants_json: bool) -> Exit {
    if args::is_help(error) {
        let printed = print_line(error.to_string().trim_end());
        return Output::new(wants_json).finish(printed.map(|()| Exit::Done));
    }
    let message = in_our_words(&without_secrets(&error.to_string()));
    // where standard error is closed, nothing can be said
    let _ = write!(io::stderr(), "{message}");
    if wants_json {
        // the missing arguments stand in lines of their own; how to use the command is for people
        let lines = message.lines().map(str::trim);
        let lines =
            lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
        let sentence: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
        let sentence = sentence
            .join(" ")
            .replace(" did you mean", "; did you mean");
        let sentence = sentence.trim_start_matches("error: ");
        print_error(Exit::Usage, sentence);
    }
    Exit::Usage
}

/// Words clap's hint at a mistyped name as our own messages do.
fn in_our_words(message: &str) -> String {
    let mut message = message.to_owned();
    for what in ["subcommand", "argument", "value"] {
        let one = format!("tip: a similar {what} exists:");
        let some = format!("tip: some similar {what}s exist:");
        message = message.replace(&one, "did you mean");
        message = message.replace(&some, "did you mean one of");
    }
    message
}
