//! The steps, each by the name that the summary gives it. A new check is a row and a function.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::summary::Outcome;
use super::{c, conformance, cpp, go, install, other_sdks, python, readme, tools};
use crate::cargo::cargo;
use crate::chaos::Chaos;
use crate::generated::Generated;
use crate::{errors, sample};

type Step = fn() -> Outcome;

/// What a run without words and without `--long` leaves out, as it costs much and another step holds most of it.
pub(super) const LONG: [&str; 2] = [
    "C++",               // C++ with sanitizers: the same tests
    "packages compiled", // packages: what is in them
];

pub(super) const STEPS: &[(&str, Step)] = &[
    ("lock file", lock_file),
    ("generated files", generated_files),
    ("formatting", formatting),
    ("lints", lints),
    ("lints without the emulator", lints_without_the_emulator),
    ("strace", strace),
    ("tests", tests),
    ("doc tests", doc_tests),
    ("documentation", documentation),
    ("packages", packages),
    ("packages compiled", packages_compiled),
    ("C", c::plain),
    ("C under valgrind", c::under_valgrind),
    ("C with sanitizers", c::sanitized),
    ("C++", cpp::plain),
    ("C++ with sanitizers", cpp::sanitized),
    ("Python lints", python::linted),
    ("Python", python::tested),
    ("Go", go::tested),
    ("Go with collections of garbage", go::with_collections),
    ("Go with the static library", go::linked_statically),
    ("installed", install::as_built),
    ("installed as shipped", install::as_shipped),
    ("README's examples", readme::examples),
    ("other SDKs", other_sdks::examples),
    ("chaos", chaos),
    // last, as its table says at a glance what all languages do
    ("conformance", conformance::cases),
];

/// First, as every later command would bring a stale Cargo.lock up to date without a word.
fn lock_file() -> Outcome {
    run(resolved_as_locked())
}

/// Resolves all dependencies, and fails where Cargo.lock would have to change. What it prints is for programs.
fn resolved_as_locked() -> Command {
    let mut command = cargo(["metadata", "--format-version", "1"]);
    command.stdout(Stdio::null());
    command
}

fn generated_files() -> Outcome {
    let files: [Generated; 2] = [errors::page(), sample::demo()];
    let faults = files.iter().filter_map(|file| file.check().err());
    let faults: Vec<String> = faults.map(|fault| fault.to_string()).collect();
    if faults.is_empty() {
        Outcome::Ok
    } else {
        Outcome::Failed(faults.join("; "))
    }
}

fn formatting() -> Outcome {
    if let Err(why) = tools::component("rustfmt", "fmt") {
        return Outcome::Skipped(why);
    }
    run(cargo(["fmt", "--all", "--check"]))
}

fn lints() -> Outcome {
    clippy(cargo(["clippy", "--workspace", "--all-targets"]))
}

/// The command line has one feature, on by default; nothing else here compiles it without. Alone, as nothing else here
/// shows that it asks for all that it needs of its dependencies; its tests are the same with the feature.
fn lints_without_the_emulator() -> Outcome {
    clippy(cargo([
        "clippy",
        "-p",
        "imtag-cli",
        "--no-default-features",
    ]))
}

fn clippy(mut command: Command) -> Outcome {
    if let Err(why) = tools::component("clippy", "clippy") {
        return Outcome::Skipped(why);
    }
    command.args(["--", "-D", "warnings"]);
    run(command)
}

/// Not a check, but what one needs: without strace the client's system calls go uncounted.
fn strace() -> Outcome {
    match tools::strace() {
        Ok(()) => Outcome::Ok,
        Err(why) => Outcome::Skipped(why),
    }
}

fn tests() -> Outcome {
    run(cargo([
        "test",
        "--workspace",
        "--all-targets",
        "--no-fail-fast",
    ]))
}

fn doc_tests() -> Outcome {
    run(cargo(["test", "--workspace", "--doc", "--no-fail-fast"]))
}

fn documentation() -> Outcome {
    let mut command = cargo(["doc", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    run(command)
}

/// What of the crates that others build on would be published: their files, metadata and dependencies.
fn packages() -> Outcome {
    let mut command = packaged();
    command.arg("--no-verify");
    run(command)
}

/// The same, unpacked and compiled with their own features alone.
fn packages_compiled() -> Outcome {
    forget_packages();
    run(packaged())
}

/// All at once, as each needs the ones before it.
fn packaged() -> Command {
    let mut command = cargo(["package", "--allow-dirty"]);
    command.args(["-p", "imtag-core", "-p", "imtag-transport"]);
    command.args(["-p", "imtag-emulator"]); // what transport is tested with
    command
}

/// The long one is `cargo xtask chaos`.
fn chaos() -> Outcome {
    match Chaos::SHORT.cause() {
        Ok(()) => Outcome::Ok,
        Err(why) => Outcome::Failed(why.to_string()),
    }
}

/// What Cargo has unpacked of these crates for an earlier check in this folder: it takes a crate of the same version for
/// the same, and would check the others against what it was. It keeps them by a registry without a host.
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

/// Runs a command whose output goes to the terminal as it is.
fn run(mut command: Command) -> Outcome {
    println!("{}", written_out(&command));
    match command.status() {
        Ok(status) if status.success() => Outcome::Ok,
        Ok(status) => Outcome::Failed(format!("{}: {status}", written_out(&command))),
        Err(error) => Outcome::Failed(format!("cannot start cargo: {error}")),
    }
}

/// The command as a person would type it.
fn written_out(command: &Command) -> String {
    let arguments = command
        .get_args()
        .map(|argument| argument.to_string_lossy());
    let words: Vec<_> = std::iter::once("cargo".into()).chain(arguments).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_written_as_a_person_would_type_it() {
        assert_eq!(written_out(&cargo(["fmt", "--all"])), "cargo fmt --all");
    }

    #[test]
    fn each_long_step_is_one_of_the_steps() {
        for long in LONG {
            assert!(STEPS.iter().any(|(name, _)| *name == long), "{long}");
        }
    }

    #[test]
    fn the_lock_file_is_checked_before_anything_could_fix_it() {
        assert_eq!(STEPS[0].0, "lock file");
        assert!(written_out(&resolved_as_locked()).contains(" --locked "));
    }

    #[test]
    fn a_lock_file_that_is_not_up_to_date_fails_its_step() {
        let crate_without = std::env::temp_dir().join(format!("xtask-lock-{}", std::process::id()));
        let source = crate_without.join("src");
        std::fs::create_dir_all(&source).unwrap();
        let manifest = "[package]\nname = \"x\"\nedition = \"2024\"\n[workspace]\n";
        std::fs::write(crate_without.join("Cargo.toml"), manifest).unwrap();
        std::fs::write(source.join("lib.rs"), "").unwrap();
        let mut command = resolved_as_locked();
        command.current_dir(&crate_without);
        let outcome = run(command);
        std::fs::remove_dir_all(&crate_without).unwrap();
        assert_eq!(outcome.word(), "failed");
    }

    #[test]
    fn a_command_that_fails_or_cannot_be_started_fails_its_step() {
        for program in ["false", "no-such-program"] {
            assert_eq!(run(Command::new(program)).word(), "failed", "{program}");
        }
        assert_eq!(run(Command::new("true")), Outcome::Ok);
    }
}
