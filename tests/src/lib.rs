//! What the checks share, with the tasks of xtask too: an emulator with a client, programs that are started, what this
//! machine has of other languages, the workspace as Cargo sees it, and the cost of work.

#![allow(
    missing_docs,
    reason = "not published: only the tasks of this repository use it"
)]

pub mod cargo;
pub mod cost;
pub mod metadata;
pub mod parallel;
pub mod program;
pub mod scene;
pub mod tools;

/// Why a check or a task failed, in a sentence for the terminal.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
