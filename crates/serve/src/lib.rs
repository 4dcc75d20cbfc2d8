#![doc = include_str!("../README.md")]

mod access;
mod call;
mod changes;
mod counts;
mod daemon;
mod data;
mod failure;
mod figures;
mod handler;
mod hold;
mod kept_failure;
mod predecessor;
mod queue_figures;
mod relay;
mod reply;
mod shared;
mod timeout;
mod under_way;

pub use access::Access;
pub use daemon::{Daemon, Settings};
pub use data::{Data, DataError};
pub use imtag_local_server::{Authority, KeptFilesError, Limits, Listener, Names, UnixAccess};
pub use imtag_queue::{
    ChangeId, Filter as PurgeFilter, Purged as QueuePurged, Queue, Refused as QueueRefused,
    Settings as QueueLimits, Store as Stored,
};
pub use kept_failure::write_failure;
pub use predecessor::{Predecessor, Successor};
pub use shared::Times;
