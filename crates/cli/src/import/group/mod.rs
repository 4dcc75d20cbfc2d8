//! Grouping: the rows of a file become its users, each with all changes to make, in bounded memory and in an order that
//! follows from the file alone.
//!
//! ```text
//! a row ──► entry ──► partitions ──────► grouper ──► users
//!           its tags  by the account's   by user, the last row
//!           numbered  hash; to a spill   on a tag wins
//!                     file once there
//!                     are many
//! ```

pub(crate) mod entry;
pub(crate) mod grouper;
pub(crate) mod interner;
mod partitions;
mod spill_file;
mod users;
pub(crate) mod varint;

pub(crate) use grouper::{TagList, User};
pub(crate) use interner::Interner;
pub(crate) use spill_file::{SpillError, SpillFile};
pub(crate) use users::{CollectedRows, Collector, GroupError};
