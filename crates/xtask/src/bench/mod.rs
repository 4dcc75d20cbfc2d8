//! `cargo xtask bench`: what can only be measured, each beside a peer that is measured in the same run. No test asserts a
//! figure of these. Which there are is a table; each of them only measures, and what it found becomes text or JSON here.
//! None installs anything on the system: what a machine lacks has no row, and is named first.

mod against;
mod batcher;
mod call;
mod callers;
mod emulator;
mod http;
mod import;
mod languages;
mod marshal;
mod options;
mod plan;
mod process;
mod quota;
mod report;
mod serve;

use std::ffi::OsString;

use crate::Error;
use crate::cargo::cargo;
use crate::program::run as run_command;
use options::{BENCH, Bench, entry};

static BENCHES: [Bench; 8] = [
    // by name
    Bench {
        name: "batcher",
        about: "2,000 callers that tag one user each, in each language: two\nminutes",
        amount: ("seconds", [15, 3], 600),
        languages: &["C", "Go", "Python"],
        run: batcher::run,
        ..BENCH
    },
    Bench {
        name: "call",
        about: "a call, small and full, 16 threads and a bulk run, over a\nsocket written by hand: minutes",
        amount: ("calls", [500, 200], 100_000),
        rounds: [51, 11],
        languages: &["C", "C++", "libcurl", "Go", "Python"],
        builds: true,
        run: call::run,
    },
    Bench {
        name: "emulator",
        about: "the emulator's full requests a second, its memory a user, and\na reset: two minutes",
        amount: ("users", [10_000_000, 1_000_000], u64::MAX),
        rounds: [5, 1],
        builds: true,
        run: emulator::run,
        ..BENCH
    },
    Bench {
        name: "import",
        about: "an import without the sending, beside sort, and how many\nrequests one sends: minutes",
        amount: ("rows", [10_000_000, 1_000_000], u64::MAX),
        rounds: [3, 1],
        builds: true,
        run: import::run,
        ..BENCH
    },
    Bench {
        name: "marshal",
        about: "a full batch on its way to the library, in Python and Go,\nagainst JSON",
        languages: &["Go", "Python"],
        run: marshal::run,
        ..BENCH
    },
    Bench {
        name: "plan",
        about: "which changes share a request, without the sending, against\nJSON of the same changes: seconds",
        amount: ("changes", [200_000, 100_000], 10_000_000),
        rounds: [7, 1],
        run: plan::run,
        ..BENCH
    },
    Bench {
        name: "quota",
        about: "how much of the quota a bulk run uses: a minute and a half",
        // the emulator's memory is long enough for the arrivals of 90
        amount: ("seconds", [60, 10], 90),
        run: quota::run,
        ..BENCH
    },
    Bench {
        name: "serve",
        about: "callers of the daemon, with a connection a call, beside the\nsame callers on the batcher, and changes that last, beside\nfiles that are synced: ten minutes",
        amount: ("seconds", [3, 1], 600),
        rounds: [5, 1],
        builds: true,
        run: serve::run,
        ..BENCH
    },
];

pub(crate) fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let mut words = arguments.raw_args()?;
    let name = words.next().unwrap_or_default();
    let words: Vec<OsString> = words.collect();
    let Some(bench) = BENCHES.iter().find(|it| name == it.name) else {
        if name == "--help" || name == "-h" {
            print!("{}", help());
            return Ok(());
        }
        return Err(format!("which benchmark?\n\n{}", help()).into());
    };
    let options = bench.options(lexopt::Parser::from_args(&words));
    let options = options.map_err(|why| format!("{why}\n\n{}", bench.help()))?;
    let Some(options) = options else {
        print!("{}", bench.help());
        return Ok(());
    };
    // figures are of an optimised build of this program
    if cfg!(debug_assertions) {
        let languages = bench.languages.iter();
        for missing in languages.filter_map(|it| languages::missing(it)) {
            eprintln!("no {missing}");
        }
        let mut command = cargo(["run", "--release", "--package", "xtask", "--", "bench"]);
        return run_command(command.arg(bench.name).args(words));
    }
    let report = match &options.against {
        Some(revision) if !bench.builds => against::in_turn(revision, &options)?,
        _ => (bench.run)(&options)?,
    };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.text());
    }
    Ok(())
}

fn help() -> String {
    let mut help = "Usage: cargo xtask bench NAME [OPTION …]\n\n".to_owned();
    for Bench { name, about, .. } in &BENCHES {
        help += &entry(name, about);
    }
    help + "\n`cargo xtask bench NAME --help` has the options of one.\n"
}

#[cfg(test)]
mod tests {
    use super::options::Options;
    use super::*;

    fn options(name: &str, arguments: &[&str]) -> Result<Option<Options>, Error> {
        let bench = BENCHES.iter().find(|it| it.name == name).unwrap();
        bench.options(lexopt::Parser::from_args(arguments))
    }

    #[test]
    fn each_help_fits_a_terminal_of_80_columns() {
        for help in BENCHES.iter().map(Bench::help).chain([help()]) {
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
    }

    #[test]
    fn a_wrong_option_is_told_with_those_that_there_are_before_anything_is_built() {
        for (name, arguments, expected) in [
            ("call", &["--quik"][..], "invalid option '--quik'"),
            ("call", &["fast"], "unexpected argument \"fast\""),
            (
                "call",
                &["--profile", "debug"],
                "--profile debug: dist or release",
            ),
            (
                "call",
                &["--against"],
                "missing argument for option '--against'",
            ),
            ("quota", &["--seconds", "91"], "--seconds 91: from 1 to 90"),
            (
                "quota",
                &["--profile", "dist"],
                "invalid option '--profile'",
            ),
        ] {
            let words = ["bench", name];
            let words = words.iter().chain(arguments);
            let error = run(lexopt::Parser::from_iter(words)).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("{expected}\n\nUsage")),
                "{error}"
            );
        }
    }

    #[test]
    fn the_program_of_another_commit_is_asked_for_the_same() {
        for (name, arguments) in [
            // of a commit that is called like a benchmark, too
            ("plan", &["--against", "quota"][..]),
            ("call", &["--rounds", "7", "--calls", "9"]),
            ("quota", &["--quick"]),
            ("batcher", &["--quick", "--seconds", "7"]),
            ("marshal", &[]),
        ] {
            let asked = options(name, arguments).unwrap().unwrap();
            let handed_on = asked.arguments();
            let handed_on: Vec<&str> = handed_on.iter().map(String::as_str).collect();
            let other = options(name, &handed_on).unwrap().unwrap();
            let read = |it: &Options| (it.amount, it.rounds, it.quick);
            assert_eq!(read(&other), read(&asked), "{name} {handed_on:?}");
        }
    }

    #[test]
    fn a_quick_run_measures_less_and_a_number_that_is_given_counts() {
        let read = |arguments: &[&str]| {
            let options = options("call", arguments).unwrap().unwrap();
            (options.amount, options.rounds)
        };
        assert_eq!(read(&[]), (500, 51));
        assert_eq!(read(&["--quick"]), (200, 11));
        assert_eq!(read(&["--rounds", "1", "--calls", "7", "--quick"]), (7, 1));
        assert!(
            options("call", &["--quick", "--help", "--quik"])
                .unwrap()
                .is_none()
        );
    }
}
