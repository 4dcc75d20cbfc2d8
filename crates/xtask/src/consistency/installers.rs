//! What a check installs comes from a lock, so each installer is started in one place, which has the lock, or says why
//! there is none.

use std::fs;

use super::sources::source_files;
use super::{assert_none, read};
use crate::cargo::root;

/// A word as the code has it where it starts an installer, and the only file that does.
const PLACES: [(&str, &str); 5] = [
    // hashes
    ("\"pip\"", "crates/xtask/src/pypi/"),
    // writes the locks, and is locked
    ("program(\"uv\")", "crates/xtask/src/pypi/renew.rs"),
    // told to fetch nothing
    ("Command::new(\"go\")", "crates/xtask/src/test/"),
    // a component is of the toolchain's own version
    ("\"rustup\"", "crates/xtask/src/test/tools.rs"),
    // no version is locked: a mirror has only the newest, which the system's release chooses
    ("\"apt-get\"", "crates/xtask/src/test/tools.rs"),
];

#[test]
fn every_installer_is_started_where_its_lock_is() {
    let mut faults = Vec::new();
    for path in source_files() {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        faults.extend(misplaced(&name, &text));
    }
    assert_none(faults);
}

/// FetchContent takes what lies here already.
#[test]
fn cmake_fetches_nothing() {
    for folder in ["", "bindings/cpp/tests/", "tests/install/"] {
        let text = read(&format!("{folder}CMakeLists.txt"));
        for way in ["GIT_REPOSITORY", "URL", "file(DOWNLOAD", "ExternalProject"] {
            assert!(!text.contains(way), "{folder}CMakeLists.txt has {way}");
        }
    }
}

fn misplaced(file: &str, text: &str) -> Vec<String> {
    let is_this_list = file.ends_with("consistency/installers.rs");
    let words = PLACES
        .iter()
        .filter(|(word, place)| text.contains(word) && !file.starts_with(place) && !is_this_list);
    let words = words.map(|(word, place)| format!("{file} has {word}, which is of {place}"));
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installer_in_another_place_is_named() {
        let text = "let mut pip = python([\"-m\", \"pip\"]);";
        assert_eq!(
            misplaced("crates/xtask/src/bench.rs", text),
            ["crates/xtask/src/bench.rs has \"pip\", which is of crates/xtask/src/pypi/"]
        );
        assert_eq!(misplaced("crates/xtask/src/pypi/mod.rs", text), [""; 0]);
    }
}
