//! Cargo builds a dependency anew for each set of features. This crate, which is built first and alone, asks for those
//! that the tests of the workspace have, so that theirs are built once.

use std::collections::BTreeSet;

use crate::cargo::cargo;
use crate::program::output;

#[test]
fn what_this_crate_needs_is_built_with_the_features_that_all_tests_have() {
    let alone = features(&["--package", "xtask", "--edges", "normal,build"]);
    let of_all = features(&["--workspace"]);
    let built_twice: Vec<_> = alone.difference(&of_all).collect();
    assert!(
        built_twice.is_empty(),
        "add the features of the others to crates/xtask/Cargo.toml: {built_twice:#?}"
    );
}

/// Each package that is selected and what it needs, with its features.
fn features(selection: &[&str]) -> BTreeSet<String> {
    let mut command = cargo(["tree", "--prefix", "none", "--format", "{p} {f}"]);
    let text = output(command.args(selection)).unwrap();
    let lines = text.lines().map(|line| line.trim_end_matches(" (*)"));
    lines.map(|line| line.trim_end().to_owned()).collect()
}
