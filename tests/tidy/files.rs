//! The files of the repository that people read.

use std::fs;
use std::sync::OnceLock;

use imtag_checks::cargo::root;

/// A file of ours with text that people read.
pub(crate) struct File {
    /// Its path from the root.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// The folders and the files in the root that are ours.
const PLACES: [&str; 9] = [
    "crates",
    "tests",
    "bindings",
    "docs",
    "include",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
];

/// The endings of text that people read.
const ENDINGS: [&str; 9] = ["c", "cpp", "go", "h", "hpp", "json", "md", "py", "rs"];

/// All such files, read once.
pub(crate) fn files() -> &'static [File] {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut files = Vec::new();
        let mut paths = PLACES.map(|place| root().join(place)).to_vec();
        while let Some(path) = paths.pop() {
            let ending = path.extension().unwrap_or_default();
            if path.is_dir() && !path.ends_with("target") {
                let entries = fs::read_dir(&path).unwrap();
                paths.extend(entries.map(|entry| entry.unwrap().path()));
            } else if ENDINGS.iter().any(|it| ending == *it) && path.is_file() {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                let text = read(&name);
                files.push(File { name, text });
            }
        }
        files.sort_by(|one, next| one.name.cmp(&next.name));
        files
    })
}

/// Those whose names end so.
pub(crate) fn files_of(ending: &str) -> impl Iterator<Item = &'static File> {
    let of_ending = move |file: &&File| file.name.rsplit_once('.').is_some_and(|it| it.1 == ending);
    assert!(files().len() > 400, "only {} files found", files().len());
    files().iter().filter(of_ending)
}

/// Fails with all faults at once, a line each.
#[track_caller]
pub(crate) fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n  {}\n", faults.join("\n  "));
}

/// The text of a file, by its path from the root.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
