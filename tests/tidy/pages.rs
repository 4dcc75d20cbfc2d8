//! The pages: those that a project has are there, the changelog tells first what is in this version, all that name a
//! minimum Rust name the same, what CONTRIBUTING places is there, and the README's example is one that is built.

use crate::files::{assert_none, read};
use imtag_checks::cargo::root;

#[test]
fn the_pages_are_there() {
    let pages = [
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "SECURITY.md",
    ];
    let missing = pages.iter().filter(|page| !root().join(page).is_file());
    assert_none(missing.map(|page| format!("{page} is missing")).collect());
}

/// In a section that has its day, or none yet.
#[test]
fn the_changelog_tells_first_what_is_in_this_version() {
    let changelog = read("CHANGELOG.md");
    let newest = changelog
        .lines()
        .find(|line| line.starts_with("## ["))
        .unwrap();
    let this = concat!("## [", env!("CARGO_PKG_VERSION"), "] - ");
    let day = newest
        .strip_prefix(this)
        .unwrap_or_else(|| panic!("{newest}"));
    let is_day = day.split('-').map(str::len).eq([4, 2, 2]);
    assert!(is_day || day == "Unreleased", "{newest}");
}

#[test]
fn every_paper_states_the_same_minimum_rust_version() {
    let minimum = env!("CARGO_PKG_RUST_VERSION");
    for page in ["CONTRIBUTING.md", "README.md"] {
        let text = read(page);
        let named: Vec<_> = rust_versions(&text).collect();
        let all_same = named.iter().all(|version| *version == minimum);
        assert!(
            all_same && !named.is_empty(),
            "{page} names {named:?}, not {minimum}"
        );
    }
}

/// The file in the client's examples, to the letter.
#[test]
fn the_readmes_rust_example_is_the_one_that_is_built() {
    let readme = read("README.md");
    let shown = readme.split("```rust\n").nth(1);
    let shown = shown.and_then(|rest| rest.split("```").next());
    let built = read("crates/transport/examples/tag_one_user.rs");
    let from_first_use = built.find("use ").map(|start| &built[start..]);
    assert_eq!(shown, from_first_use);
}

#[test]
fn contributing_names_files_and_folders_that_exist() {
    let text = read("CONTRIBUTING.md");
    let mut named = placed(&text);
    assert!(named.len() > 30, "only {} found", named.len());
    let quoted = text.split('`').skip(1).step_by(2);
    let folders = ["bindings/", "crates/", "docs/", "include/", "tests/"];
    let of_ours = quoted.filter(|it| folders.iter().any(|folder| it.starts_with(folder)));
    named.extend(of_ours.filter(|it| !it.contains('…')).map(str::to_owned));
    let missing = named.into_iter().filter(|it| !root().join(it).exists());
    assert_none(missing.collect());
}

/// The places in the table of what is decided where: `core/src/plan/ · text.rs` is two, both in `crates/core/src`.
fn placed(text: &str) -> Vec<String> {
    let rows = text.lines().filter(|it| it.starts_with("| "));
    let cells = rows.filter_map(|row| row.trim_end_matches(" |").rsplit_once("| "));
    let cells = cells.filter_map(|(_, cell)| cell.split_once("/src/"));
    let cells = cells.filter(|(crate_, _)| !crate_.contains(' '));
    let places = cells.flat_map(|(crate_, rest)| {
        let names = rest.split(" · ");
        names.map(move |name| format!("crates/{crate_}/src/{name}"))
    });
    places.collect()
}

/// The versions that a text names as `Rust 1.…`.
fn rust_versions(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.match_indices("Rust 1.");
    starts.map(|(at, _)| {
        let rest = &text[at + "Rust ".len()..];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        rest[..end.unwrap_or(rest.len())].trim_end_matches('.')
    })
}

#[test]
fn versions_are_found_wherever_a_text_names_them() {
    let found = rust_versions("Rust 1.85 or newer. With Rust 1.90.1. Rust alone.");
    assert_eq!(found.collect::<Vec<_>>(), ["1.85", "1.90.1"]);
}
