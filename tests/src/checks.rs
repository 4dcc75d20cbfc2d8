//! Every check there is, as a trial: its name, and what does it. A failing check does not stop the others. What a machine
//! lacks is installed, and where it cannot be, the check is skipped with the reason; with `CI=true` in the environment
//! that is a failure.
//!
//! The checks of Rust come first, one at a time, as Cargo does one thing at a time; then those of other languages, side
//! by side; at last what measures time or counts attempts, alone. What a group needs is installed before its first check
//! begins, as installers do not wait for each other. All share one profile and the features of the whole workspace
//! (except the lints of the command line without its emulator), so that hardly anything is built twice.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::cargo::cargo;
use crate::cost::Start;
use crate::error::Error;
use crate::log::Log;
use crate::program::Missing;
use crate::{
    c, chaos, conformance, cpp, go, installed, other_sdks, python, readme, serve_examples, systemd,
    tools,
};

/// A name, what must be installed, and what is done.
type Check = (&'static str, Needs, fn(&Log) -> Result<(), Error>);

/// Looks for what a check needs, and installs it. It fails with [`Missing`] where that cannot be.
type Needs = fn() -> Result<(), Error>;

const NOTHING: Needs = || Ok(());
const CLIPPY: Needs = || tools::component("clippy", "clippy");
const VENV: Needs = || python::Venv::ready().map(drop);
const CURL: Needs = || tools::program("curl", "curl");
const NODE: Needs = || tools::program("node", "nodejs");
const PYTHON: Needs = || tools::program("python3", "python3");
const CURL_AND_JQ: Needs = || tools::programs(&[("curl", "curl"), ("jq", "jq")]);
const PHP: Needs = || tools::program("php", "php-cli");
const C_AND_PKG_CONFIG: Needs = || {
    tools::c()?;
    tools::program("pkg-config", "pkg-config")
};
const C_AND_VALGRIND: Needs = || {
    tools::c()?;
    tools::program("valgrind", "valgrind")
};

const OF_RUST: &[Check] = &[
    (
        "formatting",
        || tools::component("rustfmt", "fmt"),
        |log| log.run(&mut cargo(["fmt", "--all", "--check"])),
    ),
    ("lints", CLIPPY, |log| {
        lint(&["--workspace", "--all-targets"], log)
    }),
    // The command line has one feature, on by default. Nothing else here compiles it without, nor alone, which shows that
    // it asks for all that it needs of its dependencies; its tests are the same with the feature.
    ("lints without the emulator", CLIPPY, |log| {
        lint(&["-p", "imtag-cli", "--no-default-features"], log)
    }),
    ("tests", NOTHING, |log| {
        // without the one the client's system calls go uncounted, and without the other no script runs
        let needed = [
            tools::strace(),
            tools::program("redis-server", "redis-server"),
        ];
        log.run(cargo(["test", "--workspace", "--quiet"]).arg("--no-fail-fast"))?;
        needed.into_iter().collect()
    }),
    ("documentation", NOTHING, |log| {
        let mut doc = cargo(["doc", "--workspace", "--no-deps"]);
        log.run(doc.env("RUSTDOCFLAGS", "-D warnings"))
    }),
    // what of the crates that others build on would be published: their files, metadata and dependencies
    ("packages", NOTHING, |log| {
        log.run(packaged().arg("--no-verify"))
    }),
    // the same, unpacked and compiled with their own features alone
    ("packages compiled", NOTHING, |log| {
        forget_packages();
        log.run(&mut packaged())
    }),
];

const OF_LANGUAGES: &[Check] = &[
    ("C", tools::c, c::plain),
    ("C with sanitizers", tools::c, c::sanitized),
    ("C++", tools::cpp, cpp::plain),
    ("C++ with sanitizers", tools::cpp, cpp::sanitized),
    ("Python lints", VENV, python::linted),
    ("Python", VENV, python::tested),
    ("Go", tools::go, go::tested),
    (
        "Go with collections of garbage",
        tools::go,
        go::with_collections,
    ),
    (
        "Go with the static library",
        tools::go,
        go::linked_statically,
    ),
    ("installed", installed::needs, installed::installed),
    ("README in C", C_AND_PKG_CONFIG, readme::example),
    ("README in C++", C_AND_PKG_CONFIG, readme::example),
    ("README in Python", VENV, readme::example),
    ("README in Go", tools::go, readme::example),
    ("other SDKs in curl", CURL, other_sdks::example),
    ("other SDKs in Java", tools::java, other_sdks::example),
    ("other SDKs in Python", PYTHON, other_sdks::example),
    ("other SDKs in Node", NODE, other_sdks::example),
    ("other SDKs in Go", tools::any_go, other_sdks::example),
    ("other SDKs in PHP", tools::php, other_sdks::example),
    ("other SDKs in Rust", NOTHING, other_sdks::example),
    ("serve in PHP", PHP, serve_examples::example),
    ("serve in Java", tools::java, serve_examples::example),
    ("serve in Node", NODE, serve_examples::example),
    ("serve in sh", CURL_AND_JQ, serve_examples::example),
    ("systemd units", systemd::needs, systemd::understood),
];

const ALONE: &[Check] = &[
    ("C under valgrind", C_AND_VALGRIND, c::under_valgrind),
    ("chaos", NOTHING, chaos::short), // the long ones are `cargo xtask chaos` and `cargo xtask chaos serve`
    ("chaos of serve", chaos::serve::needs, chaos::serve::short),
    // it plays the languages that there are, where one is missing
    ("conformance", NOTHING, conformance::all),
];

/// The checks in the order of a run, with how many run side by side; as many as there are cores where none is named.
const GROUPS: [(&[Check], Option<usize>); 3] =
    [(OF_RUST, Some(1)), (OF_LANGUAGES, None), (ALONE, Some(1))];

/// What a run without words and without `--long` leaves out, as it costs much and another check holds most of it.
const LONG: [&str; 2] = [
    "C++",               // C++ with sanitizers: the same tests
    "packages compiled", // packages: what is in them
];

/// Runs the checks whose names hold one of the words, or all; the long ones if asked for, or by a word of their name.
pub fn run(words: &[String], long: bool) -> ExitCode {
    if let Some(word) = unknown(words) {
        eprintln!("error: no check has {word:?} in its name\n\n{}", names());
        return ExitCode::FAILURE;
    }
    tools::install_what_is_missing();
    let start = Start::now();
    let mut totals = [0; 3];
    for (checks, threads) in GROUPS {
        let chosen = checks.iter().filter(|(name, ..)| {
            let is_asked_for = words.iter().any(|word| name.contains(word.as_str()));
            is_asked_for || words.is_empty() && (long || !LONG.contains(name))
        });
        let trials: Vec<Trial> = chosen.map(|&check| trial(check)).collect();
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

/// The first word that is in no check's name.
fn unknown(words: &[String]) -> Option<&String> {
    let is_known = |word: &&String| all().any(|(name, ..)| name.contains(word.as_str()));
    words.iter().find(|word| !is_known(word))
}

fn all() -> impl Iterator<Item = &'static Check> {
    GROUPS.into_iter().flat_map(|(checks, _)| checks)
}

/// All names, a line each.
pub fn names() -> String {
    let names = all().map(|(name, ..)| {
        let long = if LONG.contains(name) { " (long)" } else { "" };
        format!("  {name}{long}\n")
    });
    names.collect()
}

/// The trial of a check, with what it needs installed already.
fn trial((name, needs, check): Check) -> Trial {
    let needed = needs();
    Trial::ignorable_test(name, move || {
        let log = Log::new(name)?;
        let start = Start::now();
        let must_run = std::env::var_os("CI").is_some_and(|value| value == "true");
        let judged = judged(needed.and_then(|()| check(&log)), must_run);
        if let Err(why) = &judged {
            log.say(why);
        }
        log.say(&start.until_now());
        judged.map_err(|_| Failed::from(log.shown()))
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
    log.run(cargo(["clippy"]).args(what).args(["--", "-D", "warnings"]))
}

/// All at once, as each needs the ones before it. Transport is tested with the emulator.
fn packaged() -> Command {
    let mut command = cargo(["package", "--allow-dirty"]);
    for package in [
        "imtag-core",
        "imtag-local-server",
        "imtag-transport",
        "imtag-wire",
        "imtag-redis",
        "imtag-rows",
        "imtag-emulator",
        "imtag-queue",
        "imtag-serve",
    ] {
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
        let mut names: Vec<&str> = all().map(|it| it.0).collect();
        assert!(LONG.iter().all(|long| names.contains(long)));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn each_word_is_in_a_name() {
        let unknown = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            unknown(&words).cloned()
        };
        assert_eq!(unknown(&[]), None);
        assert_eq!(unknown(&["Python", "chaos"]), None);
        assert_eq!(unknown(&["chaos", "Pyhton"]).as_deref(), Some("Pyhton"));
    }

    #[test]
    fn why_a_check_fails_is_in_its_log() {
        let failing: Check = ("test of a failure", NOTHING, |_| Err("no room".into()));
        let unseen = Arguments {
            logfile: Some("/dev/null".to_owned()),
            ..Arguments::default()
        };
        let ended = libtest_mimic::run(&unseen, vec![trial(failing)]);
        assert_eq!(ended.num_failed, 1);
        let log = crate::build::target().unwrap();
        let log = log.join("checks/test-of-a-failure.log");
        let log = std::fs::read_to_string(log).unwrap();
        assert!(log.starts_with("no room\n"), "{log}");
    }

    #[test]
    fn every_section_of_a_page_has_a_check() {
        let checked = |prefix| -> Vec<&str> {
            let names = all().filter_map(|(name, ..)| name.strip_prefix(prefix));
            names.collect()
        };
        assert_eq!(readme::languages().unwrap(), checked(readme::CHECK));
        let languages = other_sdks::languages().unwrap();
        assert_eq!(languages, checked(other_sdks::CHECK));
        let languages = serve_examples::languages().unwrap();
        assert_eq!(languages, checked(serve_examples::CHECK));
    }

    /// In a process of its own, in whose PATH there is no program.
    #[test]
    fn where_a_tool_is_missing_each_check_that_needs_one_is_skipped() {
        const EMPTY: &str = "IMTAG_TEST_HAS_NO_PROGRAMS";
        if std::env::var_os(EMPTY).is_none() {
            let mut test = Command::new(std::env::current_exe().unwrap());
            let name = "where_a_tool_is_missing_each_check_that_needs_one_is_skipped";
            test.args(["--exact", &format!("checks::tests::{name}"), "--nocapture"]);
            let run = test.env("PATH", "").env(EMPTY, "1").output().unwrap();
            let said = String::from_utf8_lossy(&run.stdout);
            assert!(run.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        let skipped = OF_LANGUAGES.iter().chain(ALONE).filter(|(_, needs, _)| {
            let why = needs().err();
            why.is_some_and(|why| why.is::<Missing>())
        });
        let skipped: Vec<&str> = skipped.map(|it| it.0).collect();
        let others = all().map(|it| it.0).skip(OF_RUST.len());
        let others: Vec<&str> = others.filter(|name| !skipped.contains(name)).collect();
        assert_eq!(others, ["other SDKs in Rust", "chaos", "conformance"]);
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
