//! A lock: what is installed from PyPI, a file of `requirements`, in the form that pip reads. Each package has an exact
//! version and the hashes of its files, for every Python from 3.9 on and every platform. `NAME.in` is what is asked
//! for, written by hand; `NAME.txt` is what that pulls in, written by `cargo xtask lock`.

use std::fs;
use std::path::PathBuf;

use crate::cargo::root;
use crate::error::Error;

/// All locks. A later one has the versions of the first where both have a package.
pub const LOCKS: [&str; 4] = [BUILD, TEST, DIST, LOCK];

/// What our wheel is built with.
pub const BUILD: &str = "build";

/// What the binding for Python is tested with.
pub const TEST: &str = "test";

/// What `cargo xtask dist` needs.
pub const DIST: &str = "dist";

/// What `cargo xtask lock` needs.
pub const LOCK: &str = "lock";

/// Where the locks are.
pub fn folder() -> PathBuf {
    root().join("crates/xtask/requirements")
}

/// The file of a lock, and its text.
pub fn read(name: &str) -> Result<(PathBuf, String), Error> {
    let file = folder().join(format!("{name}.txt"));
    let text = fs::read_to_string(&file)
        .map_err(|error| format!("{}: {error}: run `cargo xtask lock`", file.display()))?;
    Ok((file, text))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What a file asks for.
    fn asked_for(name: &str) -> Vec<String> {
        let text = fs::read_to_string(folder().join(format!("{name}.in"))).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let asked = lines.flat_map(|line| match line.strip_prefix("-r ") {
            Some(other) => asked_for(other.trim_end_matches(".in")),
            None => vec![line.to_owned()],
        });
        asked.collect()
    }

    /// The version of each package of a lock.
    fn versions(name: &str) -> BTreeMap<String, String> {
        let (_, text) = read(name).unwrap();
        let text = text.replace("\\\n", " ");
        let lines = text.lines().map(str::trim);
        let packages = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let packages = packages.map(|line| {
            let (requirement, hash) = line.split_once("--hash=sha256:").expect(line);
            assert!(hash.len() >= 64, "{line}");
            let (package, version) = requirement.split_once("==").expect(line);
            let version = version.split(';').next().unwrap_or_default().trim();
            assert!(!version.contains('*'), "{line}");
            (package.to_owned(), version.to_owned())
        });
        packages.collect()
    }

    #[test]
    fn every_lock_pins_each_package_with_hashes_and_has_what_is_asked_for() {
        for name in LOCKS {
            let versions = versions(name);
            for asked in asked_for(name) {
                let (package, version) = asked.split_once("==").expect("an exact version");
                let locked = versions.get(package).map(String::as_str);
                let to_do = format!("{name}.txt lacks {asked}: run `cargo xtask lock`");
                assert_eq!(locked, Some(version), "{to_do}");
            }
            let (_, text) = read(name).unwrap();
            assert!(!text.contains("://"), "{name}.txt names a host");
        }
    }

    #[test]
    fn there_is_no_list_of_packages_that_is_no_lock() {
        let files = fs::read_dir(folder()).unwrap();
        let names = files.map(|file| file.unwrap().file_name());
        let mut files: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        files.sort();
        let both = |name: &&str| [format!("{name}.in"), format!("{name}.txt")];
        let mut expected: Vec<String> = LOCKS.iter().flat_map(both).collect();
        expected.sort();
        assert_eq!(files, expected);
    }

    #[test]
    fn packages_that_two_locks_have_are_of_one_version() {
        let build = versions(BUILD);
        for name in [TEST, DIST] {
            for (package, version) in versions(name) {
                let of_build = build.get(&package).unwrap_or(&version);
                assert_eq!(*of_build, version, "{package} of {name}");
            }
        }
    }
}
