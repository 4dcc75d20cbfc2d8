//! What an import keeps beside its input, so that the same command goes on after any crash.
//!
//! ```text
//! tracker ──► failed_list   who failed, with the reason: safe first
//!    │              │
//!    └────────► journal     which users are settled: safe second, with the length of the list
//! ```
//!
//! `files` chooses their paths, `lock` gives each to one import at a time, `own_list` tells a list that imtag wrote from
//! another file, and `disk` is what they ask of a disk.

pub(crate) mod disk;
pub(crate) mod failed_change;
pub(crate) mod failed_list;
pub(crate) mod files;
pub(crate) mod journal;
pub(crate) mod lock;
pub(crate) mod own_list;
pub(crate) mod tracker;
