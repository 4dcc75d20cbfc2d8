//! What the checks share, with the tasks of xtask too: an emulator with a client, programs that are started, what this
//! machine has of other languages, the workspace as Cargo sees it, and the cost of work.

#![allow(
    missing_docs,
    reason = "not published: only the tasks of this repository use it"
)]

pub mod abi;
pub mod build;
pub mod c;
pub mod cargo;
pub mod chaos;
pub mod checks;
pub mod conformance;
pub mod cost;
pub mod cpp;
pub mod data;
pub mod elf;
pub mod environment;
mod error;
pub mod go;
pub mod installed;
pub mod log;
pub mod metadata;
pub mod other_sdks;
pub mod page;
pub mod parallel;
pub mod program;
pub mod pypi;
pub mod python;
pub mod quota;
mod random;
pub mod readme;
pub mod scene;
pub mod serve_examples;
mod serve_later;
mod serve_outside;
pub mod systemd;
pub mod tools;

pub use error::Error;
