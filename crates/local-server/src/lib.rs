#![doc = include_str!("../README.md")]

mod body;
mod caller;
mod certificate;
mod connection;
mod guarded;
mod head;
mod kept_files;
mod limits;
mod listener;
mod names;
pub mod notify;
mod process;
mod progress;
mod room;
mod server;
mod shared;
mod socket;
mod tls;

pub use body::{BodyError, RequestBody, read_whole};
pub use caller::Caller;
pub use certificate::is_ca_pem;
pub use connection::Connection;
pub use head::{BadHead, check_head};
pub use kept_files::{KeptFiles, KeptFilesError, random, random_key};
pub use limits::Limits;
pub use listener::{Listener, UnixAccess};
pub use names::{InvalidName, Names, host_of};
pub use process::{raise_open_files, runtime};
pub use server::Server;
pub use socket::{Peer, Socket};
pub use tls::{Authority, TlsError};
