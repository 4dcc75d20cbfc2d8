//! A lock: what is installed from PyPI, a file of `requirements`, in the form that pip reads. Each package has an exact
//! version and the hashes of its files, for every Python from 3.9 on and every platform. `NAME.in` is what is asked
//! for, written by hand; `NAME.txt` is what that pulls in, written by `cargo xtask lock`.

use std::fs;
use std::path::PathBuf;

use crate::Error;
use crate::cargo::root;

/// All locks. A later one has the versions of the first where both have a package.
pub(crate) const LOCKS: [&str; 4] = [BUILD, TEST, DIST, LOCK];

/// What our wheel is built with.
pub(crate) const BUILD: &str = "build";

/// What the binding for Python is tested with.
pub(crate) const TEST: &str = "test";

/// What `cargo xtask dist` needs.
pub(crate) const DIST: &str = "dist";

/// What `cargo xtask lock` needs.
pub(crate) const LOCK: &str = "lock";

/// A file of a lock, each package of which is pinned.
#[derive(Debug)]
pub(super) struct Lock {
    pub(super) file: PathBuf,
    pub(super) text: String,
    /// `name==version` each.
    pins: Vec<String>,
}

/// Where the locks are.
pub(super) fn folder() -> PathBuf {
    root().join("crates/xtask/requirements")
}

impl Lock {
    pub(super) fn read(name: &str) -> Result<Lock, Error> {
        let file = folder().join(format!("{name}.txt"));
        let text = fs::read_to_string(&file)
            .map_err(|error| format!("{}: {error}: run `cargo xtask lock`", file.display()))?;
        let pins = pins(&text).map_err(|why| format!("{}: {why}", file.display()))?;
        Ok(Lock { file, text, pins })
    }

    /// Which of these, a `name==version` a line, it does not have. What a new environment has is no concern of it, nor
    /// is our own package.
    pub(super) fn lacks(&self, installed: &str) -> Vec<String> {
        let installed = installed.lines().filter_map(normal);
        let others =
            installed.filter(|(name, _)| !["pip", "setuptools", "imtag"].contains(&name.as_str()));
        let others = others.map(|(name, version)| format!("{name}=={version}"));
        others.filter(|pin| !self.pins.contains(pin)).collect()
    }
}

/// `Name_Of==1.0` as `name-of` and `1.0`: PyPI takes the spellings of a name for one.
fn normal(pin: &str) -> Option<(String, &str)> {
    let (name, version) = pin.split_once("==")?;
    Some((name.to_lowercase().replace(['_', '.'], "-"), version))
}

/// The packages of a lock. An error names a line that is not `name==version`, perhaps with a condition, or that has no
/// hash.
fn pins(text: &str) -> Result<Vec<String>, String> {
    let mut pins = Vec::new();
    let text = text.replace("\\\n", " ");
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (requirement, hashes) = line.split_once("--hash=").unwrap_or((line, ""));
        let requirement = requirement.split(';').next().unwrap_or_default().trim();
        let is_exact = |version: &str| !version.is_empty() && !version.contains(['*', ' ', ',']);
        let pin = normal(requirement).filter(|(_, version)| is_exact(version));
        let (name, version) = pin.ok_or_else(|| format!("{requirement:?} is no exact version"))?;
        let are_hashes = |hash: &str| {
            let digits = hash.trim().strip_prefix("sha256:").unwrap_or_default();
            digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        };
        if !hashes.split("--hash=").all(are_hashes) {
            return Err(format!("{requirement} has no hash"));
        }
        pins.push(format!("{name}=={version}"));
    }
    Ok(pins)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "08695f5cb7ed6e0531a20572697297273c47b8cae5a63ffc6d6ed5c201be6e44";

    fn asked_for(name: &str) -> Vec<String> {
        let text = fs::read_to_string(folder().join(format!("{name}.in"))).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn every_lock_pins_each_package_with_hashes_and_has_what_is_asked_for() {
        for name in LOCKS {
            let lock = Lock::read(name).unwrap();
            for asked in asked_for(name) {
                let is_there = match asked.strip_prefix("-r ") {
                    Some(other) => asked_for(other.trim_end_matches(".in"))
                        .iter()
                        .all(|asked| lock.pins.contains(asked)),
                    None => lock.pins.contains(&asked),
                };
                assert!(is_there, "{name}.txt lacks {asked}: run `cargo xtask lock`");
            }
            assert!(!lock.text.contains("://"), "{name}.txt names a host");
        }
    }

    #[test]
    fn there_is_no_list_of_packages_that_is_no_lock() {
        let mut files: Vec<String> = fs::read_dir(folder())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let both = |name: &&str| [format!("{name}.in"), format!("{name}.txt")];
        let mut expected: Vec<String> = LOCKS.iter().flat_map(both).collect();
        expected.sort();
        assert_eq!(files, expected);
    }

    #[test]
    fn packages_that_two_locks_have_are_of_one_version() {
        let build = Lock::read(BUILD).unwrap();
        for name in [TEST, DIST] {
            let lock = Lock::read(name).unwrap();
            assert_eq!(lock.lacks(&build.pins.join("\n")), [""; 0], "{name}");
        }
    }

    #[test]
    fn a_package_without_an_exact_version_or_a_hash_is_named() {
        let with_hash = |requirement: &str| format!("{requirement} \\\n    --hash=sha256:{HASH}\n");
        assert_eq!(
            pins(&with_hash("Ab_c==1.0 ; python_version < '3.11'")).unwrap(),
            ["ab-c==1.0"]
        );
        for loose in ["abc", "abc>=1.0", "abc==1.*", "abc @ file:///a"] {
            let why = pins(&with_hash(loose)).unwrap_err();
            assert!(why.ends_with("is no exact version"), "{why}");
        }
        assert_eq!(pins("abc==1.0\n").unwrap_err(), "abc==1.0 has no hash");
        let short = format!("abc==1.0 --hash=sha256:{HASH} --hash=sha256:12\n");
        assert_eq!(pins(&short).unwrap_err(), "abc==1.0 has no hash");
    }

    #[test]
    fn what_is_installed_and_not_locked_is_named() {
        let lock = Lock::read(BUILD).unwrap();
        let installed = "pip==23.2.1\nsetuptools==65.5.0\nimtag==0.1.0\nHatchling==1.27.0\n";
        assert_eq!(lock.lacks(installed), [""; 0]);
        assert_eq!(
            lock.lacks("hatchling==1.28.0\nsix==1.0"),
            ["hatchling==1.28.0", "six==1.0"]
        );
    }
}
