//! Why a command could not be carried out: a sentence for people, an object for programs, and the exit code.

use std::io;

use imtag_core::Invalid;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::import::{JournalError, ReadError, StateFileError};
use crate::settings::SettingsError;
use crate::shown::without_secrets;

/// A command that ends before it has a result to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The command line asks for something that cannot be done so.
    #[error("{0}")]
    Usage(String),
    /// The request breaks limits.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Nothing can be done for the file to import.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The journal or the list of failed users cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The list of bad rows cannot be written.
    #[error(transparent)]
    BadRows(#[from] StateFileError),
    /// A file that imtag did not make stands where one is to be written.
    #[cfg(feature = "emulator")]
    #[error(transparent)]
    Foreign(#[from] crate::ownership::ForeignFile),
    /// Settings are missing or wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A UserSig that does not verify, or none to look at.
    #[error("{0}")]
    UserSig(String),
    /// The emulator does not start.
    #[cfg(feature = "emulator")]
    #[error("the emulator does not start: {0}")]
    Emulator(String),
    /// This machine denies something that the command needs.
    #[error("{what}: {source}")]
    Machine {
        /// What was denied.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// The result cannot be written, or what it is to tell cannot be read.
    #[error("{what}: {0}", what = not_shown(.0))]
    Output(io::Error),
    /// Ctrl-C came before anything was sent.
    #[error("interrupted; nothing was sent")]
    Interrupted,
    /// The answer to a question was no.
    #[error("not confirmed; nothing was sent")]
    Declined,
}

impl CommandError {
    /// For what this machine denies: `cannot make a folder for the key: …`.
    pub(crate) fn machine(what: impl Into<String>) -> impl FnOnce(io::Error) -> CommandError {
        let what = what.into();
        move |source| CommandError::Machine { what, source }
    }

    /// For an emulator that does not start: its errors name their causes only in the chain.
    #[cfg(feature = "emulator")]
    pub(crate) fn emulator(error: &dyn std::error::Error) -> CommandError {
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        CommandError::Emulator(text)
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            CommandError::Read(ReadError::File(error)) if error.is_of_this_machine() => {
                Exit::Unavailable
            }
            CommandError::Usage(_)
            | CommandError::Invalid(_)
            | CommandError::Read(ReadError::File(_)) => Exit::Usage,
            CommandError::Read(ReadError::Group(_)) => Exit::Unavailable,
            CommandError::Journal(error) if error.is_of_this_machine() => Exit::Unavailable,
            CommandError::BadRows(error) if error.is_of_this_machine() => Exit::Unavailable,
            CommandError::Journal(_) | CommandError::BadRows(_) => Exit::Usage,
            #[cfg(feature = "emulator")]
            CommandError::Foreign(_) => Exit::Usage,
            CommandError::Settings(_) | CommandError::UserSig(_) => Exit::Settings,
            #[cfg(feature = "emulator")]
            CommandError::Emulator(_) => Exit::Unavailable,
            CommandError::Machine { .. } | CommandError::Output(_) => Exit::Unavailable,
            CommandError::Interrupted | CommandError::Declined => Exit::Interrupted,
        }
    }

    /// The one JSON object of a command that has no result.
    pub(crate) fn object(&self) -> Value {
        object(self.exit(), &self.message())
    }

    /// The sentence, as it is shown.
    pub(crate) fn message(&self) -> String {
        without_secrets(&self.to_string())
    }
}

/// Only what the system denies has to do with standard output.
fn not_shown(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(_) => "cannot write the result to standard output",
        None => "cannot tell the whole result",
    }
}

/// `{"error": {"exit_code": …, "message": …}}`.
pub(crate) fn object(exit: Exit, message: &str) -> Value {
    json!({"error": {"exit_code": exit.code(), "message": message}})
}
