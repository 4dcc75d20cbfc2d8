//! Why an emulator does not start.

use std::io;
use std::net::SocketAddr;

use imtag_core::InvalidIdentifier;

/// Why an emulator does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The administrator's name is none.
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
    /// The system gives no thread.
    #[error("cannot start the emulator's threads")]
    Threads(#[source] io::Error),
}
