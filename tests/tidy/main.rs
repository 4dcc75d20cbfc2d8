//! What must agree across the repository, held by tests: the crates' manifests and dependencies, the form and the words
//! of every file, and what pages print. Each check lists all faults that it finds, so that one run shows everything.

#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod crates;
mod ffi;
mod files;
mod imports;
mod installers;
mod layers;
mod observing;
mod pages;
mod source;
mod text;
