//! The minimum Rust version: no crate that ours are built with asks for a newer one, and every paper that names it
//! names the same.

use std::collections::BTreeSet;

use super::metadata::{Metadata, workspace};
use super::{assert_none, read};

/// What others install, and so may build with the oldest Rust.
const SHIPPED: [&str; 4] = ["imtag-cli", "imtag-core", "imtag-ffi", "imtag-transport"];

#[test]
fn nothing_that_is_shipped_needs_a_newer_rust_than_stated() {
    assert_none(too_new(workspace()));
}

#[test]
fn every_paper_states_the_same_minimum_rust_version() {
    let minimum = env!("CARGO_PKG_RUST_VERSION");
    let stated = |paper| (paper, read(paper));
    let papers = ["CONTRIBUTING.md", "README.md"].map(stated);
    let faults = papers.iter().flat_map(|(paper, text)| {
        let named: Vec<_> = rust_versions(text).collect();
        let wrong = named.iter().filter(|version| **version != minimum);
        let wrong = wrong.map(|version| format!("{paper} names Rust {version}, not {minimum}"));
        let none = named
            .is_empty()
            .then(|| format!("{paper} does not name Rust {minimum}"));
        wrong.chain(none).collect::<Vec<_>>()
    });
    assert_none(faults.collect());
}

fn too_new(metadata: &Metadata) -> Vec<String> {
    let mut to_visit: Vec<&str> = Vec::new();
    let mut minimum = None;
    for package in metadata
        .ours()
        .filter(|package| SHIPPED.contains(&package.name()))
    {
        to_visit.push(package.id());
        minimum = package.field("rust_version").map(parts).max(minimum);
    }
    let mut seen = BTreeSet::new();
    while let Some(id) = to_visit.pop() {
        if seen.insert(id) {
            to_visit.extend(metadata.built_with(id));
        }
    }
    let graph = metadata
        .packages()
        .filter(|package| seen.contains(package.id()));
    let stated = graph.filter_map(|package| Some((package, package.field("rust_version")?)));
    let too_new = stated.filter(|(_, version)| Some(parts(version)) > minimum);
    too_new
        .map(|(package, version)| format!("{} needs Rust {version}", package.name()))
        .collect()
}

/// A version as numbers that can be compared: `1.85` is `1.85.0`.
fn parts(version: &str) -> [u32; 3] {
    let mut parts = version.split('.').map(|part| part.parse().unwrap());
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

/// The versions that a text names as `Rust 1.…`.
fn rust_versions(text: &str) -> impl Iterator<Item = &str> {
    let starts = text
        .match_indices("Rust 1.")
        .map(|(at, _)| &text[at + "Rust ".len()..]);
    starts.map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        rest[..end.unwrap_or(rest.len())].trim_end_matches('.')
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_crate_deep_in_the_graph_that_needs_a_newer_rust_is_named() {
        let package = |id: &str, source: Option<&str>, rust_version: &str| json!({ "id": id, "name": id, "source": source, "rust_version": rust_version });
        let node = |id: &str, to: &str, kind: Option<&str>| json!({ "id": id, "deps": [{ "pkg": to, "dep_kinds": [{ "kind": kind }] }] });
        let leaf = |id: &str| json!({ "id": id, "deps": [] });
        let metadata = |kind| {
            Metadata(json!({
                "packages": [package("imtag-core", None, "1.85"), package("near", Some("r"), "1.85.0"), package("far", Some("r"), "1.86")],
                "resolve": { "nodes": [node("imtag-core", "near", None), node("near", "far", kind), leaf("far")] },
            }))
        };
        assert_eq!(too_new(&metadata(None)), ["far needs Rust 1.86"]);
        assert_eq!(too_new(&metadata(Some("build"))), ["far needs Rust 1.86"]);
        assert!(too_new(&metadata(Some("dev"))).is_empty());
    }

    #[test]
    fn versions_are_found_wherever_a_text_names_them() {
        let found: Vec<_> =
            rust_versions("Rust 1.85 or newer. With Rust 1.90.1. Rust alone.").collect();
        assert_eq!(found, ["1.85", "1.90.1"]);
    }
}
