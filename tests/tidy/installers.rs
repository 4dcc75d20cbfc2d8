//! What a check installs comes from a lock, so each installer is started in one place, which has the lock, or says why
//! there is none. A page's commands are checks too.

use crate::files::{File, assert_none, files_of, read};

/// A word as the code has it where it starts an installer, and the only files that do.
const PLACES: [(&str, &[&str]); 5] = [
    // hashes
    ("\"pip\"", &["tests/src/pypi/mod.rs"]),
    // writes the locks, and is locked
    ("program(\"uv\")", &["crates/xtask/src/lock.rs"]),
    // told to fetch nothing, and asked for its version alone
    (
        "Command::new(\"go\")",
        &["tests/src/go.rs", "tests/src/tools.rs"],
    ),
    // a component is of the toolchain's own version
    ("\"rustup\"", &["tests/src/tools.rs"]),
    // no version is locked: a mirror has only the newest, which the system's release chooses
    ("\"apt-get\"", &["tests/src/tools.rs"]),
];

/// How a command that a page prints begins if it installs something.
const TYPED: [&str; 16] = [
    // keep sorted
    "apt ",
    "apt-get ",
    "brew ",
    "cargo add ",
    "cargo install ",
    "cargo update",
    "composer ",
    "gem ",
    "go get ",
    "go install ",
    "mvn ",
    "npm ",
    "pip ",
    "pip3 ",
    "python3 -m pip ",
    "rustup ",
];

/// The pages that print such commands, each with what keeps it to a lock where a check runs it.
const PRINTED: [(&str, &str); 3] = [
    // the README's step has pip fetch nothing, and gives it the wheels of the lock
    ("README.md", "pip install \"$LIBIMTAG/bindings/python\""),
    // no check runs it
    ("bindings/python/README.md", "pip install ./bindings/python"),
    // the step leaves it out, and takes the example other_sdk
    ("docs/other-sdks.md", "cargo add --quiet ureq@3"),
];

#[test]
fn every_installer_that_a_page_prints_is_kept_to_a_lock() {
    let found = files_of("md").flat_map(|File { name, text }| {
        let commands = typed(text);
        commands.map(move |command| (name.as_str(), command))
    });
    assert_eq!(found.collect::<Vec<_>>(), PRINTED);
}

/// The commands of a page that install something: in its fences, or indented.
fn typed(page: &str) -> impl Iterator<Item = &str> {
    let mut in_fence = false;
    page.lines().filter_map(move |line| {
        if line.starts_with("```") {
            in_fence = !in_fence;
        }
        let command = line.strip_prefix("    ").or(in_fence.then_some(line))?;
        let command = command.trim_start();
        let command = command.strip_prefix("sudo ").unwrap_or(command);
        let installs = TYPED.iter().any(|start| command.starts_with(start));
        installs.then_some(command)
    })
}

#[test]
fn every_installer_is_started_where_its_lock_is() {
    let faults = files_of("rs").flat_map(|File { name, text }| misplaced(name, text));
    assert_none(faults.collect());
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
    let is_this_list = file.ends_with("tidy/installers.rs");
    let misplaced = PLACES
        .iter()
        .filter(|(word, places)| text.contains(word) && !places.contains(&file) && !is_this_list);
    let say =
        |(word, places): &(&str, &[&str])| format!("{file} has {word}, which is of {places:?}");
    misplaced.map(say).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_installs_in_fences_and_indented_lines_and_not_in_its_text() {
        let page = "cargo add a\n\n```sh\ncargo add b\n  sudo apt-get install c\n```\n\npip d\n\n    pip e\n    cargo build\n";
        let found: Vec<_> = typed(page).collect();
        assert_eq!(found, ["cargo add b", "apt-get install c", "pip e"]);
    }

    #[test]
    fn an_installer_in_another_place_is_named() {
        let text = "let mut pip = python([\"-m\", \"pip\"]);";
        assert_eq!(
            misplaced("crates/xtask/src/bench.rs", text),
            ["crates/xtask/src/bench.rs has \"pip\", which is of [\"tests/src/pypi/mod.rs\"]"]
        );
        assert_eq!(misplaced("tests/src/pypi/mod.rs", text), [""; 0]);
        let text = "Command::new(\"go\")";
        assert_eq!(misplaced("tests/src/go.rs", text), [""; 0]);
        assert_eq!(misplaced("tests/src/page.rs", text).len(), 1);
    }
}
