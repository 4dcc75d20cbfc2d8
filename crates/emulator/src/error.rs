//! Why an emulator does not start.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use imtag_core::InvalidIdentifier;
use imtag_local_server::{InvalidName, KeptFilesError};

/// Why an emulator does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The administrator's name cannot be one.
    #[error("the emulator's identifier cannot be used")]
    Identifier(#[source] InvalidIdentifier),
    /// The address cannot be resolved.
    #[error("{address:?} is no address to listen on: give one such as 127.0.0.1:8443")]
    Address {
        /// What was given.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// A given name is no name of a host.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// Plain HTTP shows UserSigs to the network.
    #[error(
        "{address} is not a loopback address, and plain HTTP would show UserSigs to the network: \
         listen on 127.0.0.1 or [::1], or turn TLS on"
    )]
    NotLoopback {
        /// What was given.
        address: SocketAddr,
    },
    /// The port is taken, or not allowed.
    #[error("cannot listen on {address}: use another port, or 0 for a free one")]
    Listen {
        /// What was given.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate")]
    Certificate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The system gives no random numbers for a key.
    #[error("the system gives no random numbers for a secret key: give a key")]
    Random,
    /// The folder of its data cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The system gives no thread.
    #[error("cannot start the emulator's threads")]
    Threads(#[source] io::Error),
}

/// Why a folder cannot be used for an emulator's data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Its files cannot be kept there.
    #[error(transparent)]
    Files(#[from] KeptFilesError),
    /// A later version wrote it.
    #[error(
        "the data in {path} are of format {format}, which this version does not know: use a later one"
    )]
    Format {
        /// The folder.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// An earlier version wrote it, in a database that this one does not read.
    #[error(
        "the data in {path} are of an earlier version, which kept users in fjall: start anew in another folder, or \
         use that version"
    )]
    Outdated {
        /// The folder.
        path: PathBuf,
    },
    /// The data are of another app or administrator than the ones that were asked for.
    #[error(
        "the data in {path} are of SDKAppID {sdkappid} and identifier {identifier:?}: \
         set these or none, or use another folder"
    )]
    OtherApp {
        /// The folder.
        path: PathBuf,
        /// The app that the data are of.
        sdkappid: u32,
        /// Its administrator.
        identifier: String,
    },
    /// What is there is not what was written.
    #[error(
        "{path} is damaged: restore the folder from a copy, or remove the folder to start anew"
    )]
    Damaged {
        /// The file, or the folder of the store.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Users are gone that were there: the database's log was cut, removed or damaged, or a power cut took its end.
    #[error(
        "{path} lacks the last {lost} of its rows of users, which {counter} counts: restore the folder from a copy, \
         or remove {counter} to go on without them"
    )]
    Lost {
        /// The file of the users.
        path: PathBuf,
        /// How many rows; one has the users of a request, or some that were written again.
        lost: u64,
        /// The file that says which row was the last one.
        counter: PathBuf,
    },
    /// The file that says which row was the last one says no number.
    #[error(
        "{path} is damaged: restore the folder from a copy, or remove {path} to go on with the users that are there"
    )]
    NoNumber {
        /// That file.
        path: PathBuf,
    },
}

impl From<KeptFilesError> for StartError {
    fn from(error: KeptFilesError) -> StartError {
        StartError::Data(error.into())
    }
}

impl DataError {
    pub(crate) fn cannot(action: &'static str, path: &Path, source: io::Error) -> DataError {
        KeptFilesError::cannot(action, path, source).into()
    }

    pub(crate) fn damaged(path: &Path, source: impl Error + Send + Sync + 'static) -> DataError {
        DataError::Damaged {
            path: path.to_owned(),
            source: source.into(),
        }
    }
}
