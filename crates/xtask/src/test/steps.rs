//! The steps, each by the name that the summary gives it. A new check is a row and a function.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::summary::{Outcome, Step};
use crate::cargo::cargo;
use crate::program::run;
use crate::{chaos, conformance, errors, sample};
use imtag_checks::{c, cpp, go, installed, other_sdks, python, readme, tools};

/// What a run without words and without `--long` leaves out, as it costs much and another step holds most of it.
pub(super) const LONG: [&str; 2] = [
    "C++",               // C++ with sanitizers: the same tests
    "packages compiled", // packages: what is in them
];

pub(super) const STEPS: &[(&str, Step)] = &[
    // first, as every later command would bring a stale Cargo.lock up to date without a word
    ("lock file", || run(&mut resolved_as_locked())),
    ("generated files", || {
        errors::page().check()?;
        sample::demo().check()
    }),
    ("formatting", || {
        tools::component("rustfmt", "fmt")?;
        run(&mut cargo(["fmt", "--all", "--check"]))
    }),
    ("lints", || {
        clippy(cargo(["clippy", "--workspace", "--all-targets"]))
    }),
    // The command line has one feature, on by default. Nothing else here compiles it without, nor alone, which shows that
    // it asks for all that it needs of its dependencies; its tests are the same with the feature.
    ("lints without the emulator", || {
        clippy(cargo([
            "clippy",
            "-p",
            "imtag-cli",
            "--no-default-features",
        ]))
    }),
    // not a check, but what one needs: without strace the client's system calls go uncounted
    ("strace", tools::strace),
    ("tests", || {
        run(cargo(["test", "--workspace", "--all-targets"]).arg("--no-fail-fast"))
    }),
    ("doc tests", || {
        run(cargo(["test", "--workspace", "--doc"]).arg("--no-fail-fast"))
    }),
    ("documentation", || {
        let mut command = cargo(["doc", "--workspace", "--no-deps"]);
        run(command.env("RUSTDOCFLAGS", "-D warnings"))
    }),
    // what of the crates that others build on would be published: their files, metadata and dependencies
    ("packages", || run(packaged().arg("--no-verify"))),
    // the same, unpacked and compiled with their own features alone
    ("packages compiled", || {
        forget_packages();
        run(&mut packaged())
    }),
    ("C", c::plain),
    ("C under valgrind", c::under_valgrind),
    ("C with sanitizers", c::sanitized),
    ("C++", || cpp::tested(cpp::PLAIN)),
    ("C++ with sanitizers", || cpp::tested(cpp::SANITIZED)),
    ("Python lints", python::linted),
    ("Python", python::tested),
    ("Go", go::tested),
    ("Go with collections of garbage", go::with_collections),
    ("Go with the static library", go::linked_statically),
    ("installed", || installed::installed("dev")),
    ("installed as shipped", || installed::installed("dist")),
    ("README's examples", readme::examples),
    ("other SDKs", other_sdks::examples),
    ("chaos", chaos::short), // the long one is `cargo xtask chaos`
    // last, as its table says at a glance what all languages do
    ("conformance", conformance::all),
];

/// Resolves all dependencies, and fails where Cargo.lock would have to change. What it prints is for programs.
fn resolved_as_locked() -> Command {
    let mut command = cargo(["metadata", "--format-version", "1"]);
    command.stdout(Stdio::null());
    command
}

fn clippy(mut command: Command) -> Outcome {
    tools::component("clippy", "clippy")?;
    run(command.args(["--", "-D", "warnings"]))
}

/// All at once, as each needs the ones before it. Transport is tested with the emulator.
fn packaged() -> Command {
    let mut command = cargo(["package", "--allow-dirty"]);
    for package in ["imtag-core", "imtag-transport", "imtag-emulator"] {
        command.args(["-p", package]);
    }
    command
}

/// Removes what Cargo has unpacked of these crates for an earlier check in this folder: it takes a crate of the same
/// version for the same, and would check the others against what it was. It keeps them by a registry without a host.
fn forget_packages() {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let Some(cargo) = std::env::var_os("CARGO_HOME").map(PathBuf::from).or(home) else {
        return;
    };
    for kept in ["src", "cache"] {
        for registry in entries(&cargo.join("registry").join(kept), "-") {
            for ours in entries(&registry, "imtag-") {
                // what cannot be removed shows in the check
                let _ = std::fs::remove_dir_all(&ours).or_else(|_| std::fs::remove_file(&ours));
            }
        }
    }
}

/// What in a folder has a name that starts so; nothing of a folder that is not there.
fn entries(folder: &Path, start: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start));
    named.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::as_typed;

    #[test]
    fn each_long_step_is_one_of_the_steps() {
        for long in LONG {
            assert!(STEPS.iter().any(|(name, _)| *name == long), "{long}");
        }
    }

    #[test]
    fn the_lock_file_is_checked_before_anything_could_fix_it() {
        assert_eq!(STEPS[0].0, "lock file");
        assert!(as_typed(&resolved_as_locked()).contains(" --locked "));
    }

    #[test]
    fn a_lock_file_that_is_not_up_to_date_fails_its_step() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("src");
        std::fs::create_dir_all(&source).unwrap();
        let manifest = "[package]\nname = \"x\"\nedition = \"2024\"\n[workspace]\n";
        std::fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
        std::fs::write(source.join("lib.rs"), "").unwrap();
        assert!(run(resolved_as_locked().current_dir(folder.path())).is_err());
    }
}
