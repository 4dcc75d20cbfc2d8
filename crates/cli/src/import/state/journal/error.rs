//! Why an import cannot begin or resume a journal.

use std::path::PathBuf;

use super::header;
use crate::exit::CommandError;
use crate::import::state::disk::DiskError;
use crate::import::state::failed_list::FailedListError;
use crate::import::state::lock::StateFileError;

/// Why an import cannot be begun or resumed with a journal. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error(transparent)]
    File(#[from] StateFileError),
    /// The list of failed users.
    #[error(transparent)]
    Failed(#[from] FailedListError),
    #[error(
        "another import{} is at work with {}: wait for its end, or give this one a journal and a list of failed users \
         of its own",
        process(*holder),
        path.display()
    )]
    Busy { path: PathBuf, holder: Option<u32> },
    #[error(
        "{} is the journal of another import, as {difference}: give what that import was begun with, or delete the \
         journal to begin afresh",
        path.display()
    )]
    Other { path: PathBuf, difference: String },
    #[error(
        "{} has format version {version}, and this imtag knows version {}: resume the import with the imtag that \
         began it, or delete the journal to begin afresh",
        path.display(),
        header::VERSION
    )]
    Version { path: PathBuf, version: u16 },
    #[error("the start of {} is damaged: delete it to begin the import afresh", path.display())]
    Damaged { path: PathBuf },
    #[error("{} cannot be the journal and the list of failed users: give the journal another path", path.display())]
    Same { path: PathBuf },
}

impl JournalError {
    /// True if this machine denies something, and the file is the right one.
    pub(crate) fn is_of_this_machine(&self) -> bool {
        match self {
            JournalError::File(error) | JournalError::Failed(FailedListError::File(error)) => {
                error.is_of_this_machine()
            }
            _ => false,
        }
    }
}

impl From<JournalError> for CommandError {
    fn from(error: JournalError) -> CommandError {
        CommandError::file(error.is_of_this_machine(), error)
    }
}

impl From<DiskError> for JournalError {
    fn from(error: DiskError) -> JournalError {
        JournalError::File(error.into())
    }
}

fn process(holder: Option<u32>) -> String {
    holder.map_or(String::new(), |holder| format!(" (process {holder})"))
}
