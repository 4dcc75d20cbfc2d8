//! What an import keeps beside its input, so that the same command goes on after any crash.
//!
//! ```text
//! tracker ──► store (FILE.journal): which users are settled, and the lines of who failed
//!               │
//!               └──► failed_list (FILE.failed.ndjson): these lines, when a run begins and when it ends
//! ```
//!
//! `files` chooses their paths, `identity` says which import a journal is of, `users` are sets of users, and `list_lines`
//! tells a list that imtag wrote from another file.

pub(crate) mod failed_change;
pub(crate) mod failed_list;
pub(crate) mod files;
pub(crate) mod identity;
pub(crate) mod list_lines;
pub(crate) mod store;
pub(crate) mod tracker;
pub(crate) mod users;
