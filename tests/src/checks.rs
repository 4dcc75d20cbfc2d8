//! Every check there is, as a trial: its name, and what does it. A failing check does not stop the others. What a machine
//! lacks is installed, and where it cannot be, the check is skipped with the reason; with `CI=true` in the environment
//! that is a failure.
//!
//! The checks of Rust come first, one at a time, as Cargo does one thing at a time; then those of other languages, side
//! by side. All share one profile and the features of the whole workspace (except the lints of the command line
//! without its emulator), so that hardly anything is built twice.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::cargo::cargo;
use crate::cost::Start;
use crate::error::Error;
use crate::log::Log;
use crate::program::Missing;
use crate::{c, chaos, conformance, cpp, go, installed, other_sdks, python, readme, tools};

type Check = fn(&Log) -> Result<(), Error>;

const OF_RUST: &[(&str, Check)] = &[
    ("formatting", |log| {
        tools::component("rustfmt", "fmt")?;
        log.run(&mut cargo(["fmt", "--all", "--check"]))
    }),
    ("lints", |log| lint(&["--workspace", "--all-targets"], log)),
    // The command line has one feature, on by default. Nothing else here compiles it without, nor alone, which shows that
    // it asks for all that it needs of its dependencies; its tests are the same with the feature.
    ("lints without the emulator", |log| {
        lint(&["-p", "imtag-cli", "--no-default-features"], log)
    }),
    ("tests", |log| {
        // without it the client's system calls go uncounted
        let strace = tools::strace();
        log.run(cargo(["test", "--workspace", "--quiet"]).arg("--no-fail-fast"))?;
        strace
    }),
    ("documentation", |log| {
        let mut doc = cargo(["doc", "--workspace", "--no-deps"]);
        log.run(doc.env("RUSTDOCFLAGS", "-D warnings"))
    }),
    // what of the crates that others build on would be published: their files, metadata and dependencies
    ("packages", |log| log.run(packaged().arg("--no-verify"))),
    // the same, unpacked and compiled with their own features alone
    ("packages compiled", |log| {
        forget_packages();
        log.run(&mut packaged())
    }),
];

const OF_LANGUAGES: &[(&str, Check)] = &[
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
    ("installed", installed::installed),
    ("README in C", |_| readme::example("C")),
    ("README in C++", |_| readme::example("C++")),
    ("README in Python", |_| readme::example("Python")),
    ("README in Go", |_| readme::example("Go")),
    ("other SDKs in curl", |_| {
        tools::program("curl", "curl")?;
        other_sdks::example("curl")
    }),
    ("other SDKs in Java", |_| {
        tools::java()?;
        other_sdks::example("Java")
    }),
    ("other SDKs in Python", |_| {
        tools::program("python3", "python3")?;
        other_sdks::example("Python")
    }),
    ("other SDKs in Node", |_| {
        tools::program("node", "nodejs")?;
        other_sdks::example("Node")
    }),
    ("other SDKs in Go", |_| {
        tools::any_go()?;
        other_sdks::example("Go")
    }),
    ("other SDKs in PHP", |_| {
        tools::php()?;
        other_sdks::example("PHP")
    }),
    ("other SDKs in Rust", |_| other_sdks::example("Rust")),
    ("chaos", |_| chaos::short()), // the long one is `cargo xtask chaos`
    ("conformance", |_| conformance::all()),
];

/// What a run without words and without `--long` leaves out, as it costs much and another check holds most of it.
const LONG: [&str; 2] = [
    "C++",               // C++ with sanitizers: the same tests
    "packages compiled", // packages: what is in them
];

/// Runs the checks whose names hold one of the words, or all; the long ones if asked for, or by a word of their name.
pub fn run(words: &[String], long: bool) -> ExitCode {
    tools::install_what_is_missing();
    let start = Start::now();
    let is_chosen = |name: &str| {
        let mut words = words.iter();
        words.any(|word| name.contains(word.as_str()))
    };
    let mut totals = [0; 3];
    for (checks, threads) in [(OF_RUST, Some(1)), (OF_LANGUAGES, None)] {
        let chosen = checks.iter().filter(|(name, _)| {
            is_chosen(name) || words.is_empty() && (long || !LONG.contains(name))
        });
        let trials: Vec<Trial> = chosen.map(|&(name, check)| trial(name, check)).collect();
        if trials.is_empty() {
            continue;
        }
        let arguments = Arguments {
            test_threads: threads,
            ..Arguments::default()
        };
        let ended = libtest_mimic::run(&arguments, trials);
        let counts = [ended.num_passed, ended.num_failed, ended.num_ignored];
        totals = [0, 1, 2].map(|at| totals[at] + counts[at]);
    }
    let [passed, failed, skipped] = totals;
    if totals == [0; 3] {
        eprintln!("error: there is no such check\n\n{}", names());
        return ExitCode::FAILURE;
    }
    println!(
        "{passed} passed, {failed} failed, {skipped} skipped in {}; what they printed is in target/checks",
        start.until_now()
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// All names, a line each.
pub fn names() -> String {
    let names = OF_RUST.iter().chain(OF_LANGUAGES).map(|(name, _)| {
        let long = if LONG.contains(name) { " (long)" } else { "" };
        format!("  {name}{long}\n")
    });
    names.collect()
}

fn trial(name: &'static str, check: Check) -> Trial {
    Trial::ignorable_test(name, move || {
        let log = Log::new(name)?;
        let start = Start::now();
        let outcome = check(&log);
        log.say(&start.until_now());
        let must_run = std::env::var_os("CI").is_some_and(|value| value == "true");
        judged(outcome, must_run).map_err(|why| Failed::from(format!("{why}\n{}", log.shown())))
    })
}

fn judged(outcome: Result<(), Error>, must_run: bool) -> Result<Completion, String> {
    match outcome {
        Ok(()) => Ok(Completion::Completed),
        Err(why) if !why.is::<Missing>() => Err(why.to_string()),
        Err(why) if must_run => Err(format!("skipped, which is a failure where CI=true: {why}")),
        Err(why) => Ok(Completion::ignored_with(why)),
    }
}

fn lint(what: &[&str], log: &Log) -> Result<(), Error> {
    tools::component("clippy", "clippy")?;
    log.run(cargo(["clippy"]).args(what).args(["--", "-D", "warnings"]))
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

    #[test]
    fn each_check_has_a_name_of_its_own_and_each_long_one_is_a_check() {
        let mut names: Vec<&str> = OF_RUST.iter().chain(OF_LANGUAGES).map(|it| it.0).collect();
        assert!(LONG.iter().all(|long| names.contains(long)));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn what_is_skipped_has_its_reason_and_is_a_failure_where_all_must_run() {
        let missing = || Err(Missing("there is no clippy".to_owned()).into());
        let judged = |outcome, must_run| match judged(outcome, must_run) {
            Ok(Completion::Completed) => "passed".to_owned(),
            Ok(Completion::Ignored { reason }) => format!("skipped: {}", reason.unwrap()),
            Err(why) => why,
        };
        assert_eq!(judged(Ok(()), true), "passed");
        assert_eq!(judged(Err("no".into()), false), "no");
        assert_eq!(judged(missing(), false), "skipped: there is no clippy");
        let failed = "skipped, which is a failure where CI=true: there is no clippy";
        assert_eq!(judged(missing(), true), failed);
    }
}
