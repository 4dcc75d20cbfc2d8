#![doc = include_str!("../README.md")]

mod access;
mod call;
mod counts;
mod daemon;
mod data;
mod failure;
mod handler;
mod relay;
mod reply;
mod shared;
mod under_way;

pub use access::Access;
pub use daemon::{Daemon, Settings};
pub use data::{Data, DataError};
pub use imtag_local_server::{Authority, KeptFilesError, Limits, Listener, Names, UnixAccess};
pub use shared::Times;
