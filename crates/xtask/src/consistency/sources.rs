//! The form of the source files: each opens with its module's doc, is short, is UTF-8 without tabs, and is named for
//! a concept.

use std::fs;
use std::path::{Path, PathBuf};

use super::{assert_none, read, sorted};
use crate::cargo::root;

/// A file is one concept, whole: most have 150 to 400 lines.
const LINES_AT_MOST: usize = 500;

#[test]
fn every_source_file_has_the_form_that_all_have() {
    let mut faults = Vec::new();
    for path in source_files() {
        let name = path.strip_prefix(root()).unwrap().display();
        match String::from_utf8(fs::read(&path).unwrap()) {
            Ok(text) => faults.extend(ill_formed(&text).map(|fault| format!("{name}{fault}"))),
            Err(_) => faults.push(format!("{name}: not UTF-8")),
        }
    }
    assert_none(faults);
}

#[test]
fn no_file_is_named_for_having_no_concept() {
    let of_none = ["util", "utils", "helper", "helpers", "misc", "common"];
    let files = source_files().into_iter();
    let named = files.filter(|path| of_none.iter().any(|name| is_module(path, name)));
    assert_none(named.map(|path| path.display().to_string()).collect());
}

#[test]
fn contributing_names_files_and_folders_that_exist() {
    let text = read("CONTRIBUTING.md");
    let named = placed(&text);
    assert!(named.len() > 30, "only {} found", named.len());
    let missing = named.into_iter().filter(|it| !root().join(it).exists());
    assert_none(missing.collect());
}

/// The places in the table of what is decided where: `core/src/plan/ · packing.rs` is two, both in `crates/core/src`.
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

/// All `.rs` files that are ours.
pub(super) fn source_files() -> Vec<PathBuf> {
    let files = files("rs");
    assert!(files.len() > 50, "only {} source files found", files.len());
    files
}

/// All files of ours below the root's folders whose names end so.
pub(super) fn files(ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = ["crates", "tests", "bindings", "docs"]
        .map(|it| root().join(it))
        .into();
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(folder).into_iter().flatten();
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == ending)
            {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn is_module(path: &Path, name: &str) -> bool {
    let parent = path.parent().and_then(Path::file_name);
    let is_parent = path.ends_with("mod.rs") && parent.is_some_and(|parent| parent == name);
    is_parent || path.file_stem().is_some_and(|stem| stem == name)
}

/// What is wrong with a source text, each fault as it goes on after the name of the file.
fn ill_formed(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().count();
    let first = text.lines().next().unwrap_or_default();
    let has_doc = first.starts_with("//! ") || first.starts_with("#![doc");
    let tab = text.lines().position(|line| line.contains('\t'));
    let unsorted = sorted::out_of_order(text);
    [
        (!has_doc).then(|| ": does not open with its module's doc".to_owned()),
        (lines > LINES_AT_MOST).then(|| format!(": {lines} lines, at most {LINES_AT_MOST}")),
        tab.map(|line| format!(":{}: a tab", line + 1)),
        unsorted.map(|line| format!(":{line}: not in the order that the list claims")),
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_doc_or_with_a_tab_or_too_long_is_found_out() {
        let faults = |text: &str| ill_formed(text).collect::<Vec<_>>();
        assert!(faults("//! Decides this.\n\nfn f() {}\n").is_empty());
        assert!(faults("#![doc = include_str!(\"../README.md\")]\n").is_empty());
        assert_eq!(
            faults("use a;\n//! Late.\n"),
            [": does not open with its module's doc"]
        );
        assert_eq!(faults("//! Decides this.\n\tx\n"), [":2: a tab"]);
        let long = "//! Decides much.\n".repeat(501);
        assert_eq!(faults(&long), [": 501 lines, at most 500"]);
    }

    #[test]
    fn a_module_is_known_by_its_file_or_its_folder() {
        assert!(is_module(Path::new("src/util.rs"), "util"));
        assert!(is_module(Path::new("src/util/mod.rs"), "util"));
        assert!(!is_module(Path::new("src/utility.rs"), "util"));
    }
}
