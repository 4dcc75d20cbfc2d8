//! The store: posts, their changes until they are settled, failures until they are deleted, and keys.
//!
//! ```text
//! post ──► block (a row of at most 100 changes) ──► partly (what is settled of it) ──► gone, once all is settled
//!  │                     └ failed ──► failure, until it is deleted
//!  └──► kept for a time once all its blocks are gone, and its key with it
//! ```
//!
//! What a change's state is follows from these rows, so there is none to write for each change: with its bit in no block it
//! is settled, and then it is done unless a failure or a bit of its post says otherwise.
//!
//! All changes are made in transactions, which write the facts too. So a crash, `kill -9` or power cut leaves all of a
//! commit or nothing, and a start reads no blocks.

mod bits;
mod clock;
mod database;
mod facts;
mod failures;
mod file;
#[cfg(test)]
mod model_tests;
mod posts;
mod purge;
mod retention;
mod settle;

pub(crate) use clock::now;
pub(crate) use database::{Store, is_damage, refused, unreadable};
pub(crate) use file::damaged;
pub(crate) use posts::Fed;
pub(crate) use purge::{PurgeJob, Span};
pub(crate) use settle::{Open, Settled, Settling};
