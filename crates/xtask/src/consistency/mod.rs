//! What must agree across the repository, held by tests: versions and papers, the dependencies between crates, the
//! form and the words of every source file. Each check is a function that lists all faults it finds, so that one run shows everything.

mod dependencies;
mod ffi;
mod installers;
mod manifests;
mod metadata;
mod one_build;
mod readme;
mod rust_version;
mod sorted;
mod sources;
mod versions;
mod words;

use std::fs;

use crate::cargo::root;

/// Fails with all faults at once, a line each.
#[track_caller]
pub(crate) fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n  {}\n", faults.join("\n  "));
}

/// The text of a file, by its path from the root.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
