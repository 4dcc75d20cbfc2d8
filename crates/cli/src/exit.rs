//! How a command ends: by an exit code and, where it could not be carried out, by a sentence. Which codes there are
//! is decided here: the help text is made from this table, and a test holds the README to it. An import's is chosen in
//! `import/report`.

use std::fmt::{self, Write};
use std::io;
use std::process::ExitCode;

use imtag_core::Invalid;
use imtag_transport::{Cause, Error, Scope};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    SomeFailed = 1,
    Usage = 2,
    Settings = 3,
    Unavailable = 4,
    Interrupted = 130,
}

impl Exit {
    pub(crate) const ALL: [Exit; 6] = [
        Exit::Done,
        Exit::SomeFailed,
        Exit::Usage,
        Exit::Settings,
        Exit::Unavailable,
        Exit::Interrupted,
    ];

    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "all done",
            Exit::SomeFailed => {
                "some rows or users failed: counted by reason and effect, and each named in a list"
            }
            Exit::Usage => {
                "the command line, a limit, the input file, the journal of another import, or a file that imtag may not write: nothing was sent"
            }
            Exit::Settings => {
                "credentials or settings are missing, wrong, or refused by the service"
            }
            Exit::Unavailable => {
                "the service or the network was unavailable, or this machine denied something: the same import command goes on"
            }
            Exit::Interrupted => {
                "interrupted: the same import command goes on; or a question answered with no"
            }
        }
    }

    /// The exit code of a command whose one call failed.
    pub(crate) fn from_call(error: &Error) -> Exit {
        match error.cause() {
            Cause::Invalid(_) => Exit::Usage,
            Cause::Cancelled { .. } => Exit::Interrupted,
            _ => match error.scope() {
                Scope::Request | Scope::Account | Scope::Tag => Exit::SomeFailed,
                Scope::App => Exit::Settings,
                Scope::Service => Exit::Unavailable,
            },
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// The table for the end of the help text.
pub(crate) fn help() -> String {
    Exit::ALL
        .iter()
        .fold("Exit codes:".to_owned(), |mut text, exit| {
            write!(text, "\n  {:<4} {}", exit.code(), exit.meaning())
                .expect("a String takes all that is written to it");
            text
        })
}

/// A command that ends before it has a result to show: its exit code, and why.
#[derive(Debug)]
pub(crate) struct CommandError {
    pub(crate) exit: Exit,
    pub(crate) sentence: String,
    /// True if standard output did not take the result. It then gets no JSON object about that either.
    pub(crate) output_failed: bool,
}

impl CommandError {
    pub(crate) fn new(exit: Exit, why: impl fmt::Display) -> CommandError {
        CommandError {
            exit,
            sentence: why.to_string(),
            output_failed: false,
        }
    }

    /// A file cannot be used: because this machine denies it, or because it is the wrong file.
    pub(crate) fn file(is_denied: bool, why: impl fmt::Display) -> CommandError {
        let exit = if is_denied {
            Exit::Unavailable
        } else {
            Exit::Usage
        };
        CommandError::new(exit, why)
    }

    /// The command line asks for something that cannot be done.
    pub(crate) fn usage(why: impl fmt::Display) -> CommandError {
        CommandError::new(Exit::Usage, why)
    }

    /// This machine denies something: `cannot make a folder for the key: …`.
    pub(crate) fn machine(what: impl fmt::Display) -> impl FnOnce(io::Error) -> CommandError {
        move |error| CommandError::new(Exit::Unavailable, format_args!("{what}: {error}"))
    }

    /// The emulator does not start. Its errors name their causes only in the chain.
    #[cfg(feature = "emulator")]
    pub(crate) fn emulator(error: &dyn std::error::Error) -> CommandError {
        let sentence = format_args!("the emulator does not start: {}", with_causes(error));
        CommandError::new(Exit::Unavailable, sentence)
    }

    /// The result cannot be written, or its failures cannot be read back. An error of the system is one of standard
    /// output; any other is one of the result.
    pub(crate) fn output(error: io::Error) -> CommandError {
        let what = match error.raw_os_error() {
            Some(_) => "cannot write the result to standard output",
            None => "cannot tell the whole result",
        };
        CommandError {
            output_failed: true,
            ..CommandError::machine(what)(error)
        }
    }
}

/// An error that names its causes only in the chain, with them.
#[cfg(any(feature = "emulator", feature = "serve"))]
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The request breaks limits.
impl From<Invalid> for CommandError {
    fn from(invalid: Invalid) -> CommandError {
        CommandError::usage(invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_the_exit_codes_as_they_are() {
        let readme = include_str!("../README.md");
        let table: String = Exit::ALL
            .iter()
            .map(|exit| format!("| {} | {} |\n", exit.code(), exit.meaning()))
            .collect();
        assert!(
            readme.contains(&format!("| exit code | meaning |\n|---|---|\n{table}\n")),
            "README.md should hold:\n{table}"
        );
    }

    #[test]
    fn the_numbers_are_fixed_for_ever() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 3, 4, 130]);
    }
}
