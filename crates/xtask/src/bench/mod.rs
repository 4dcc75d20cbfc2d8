//! `cargo xtask bench`: what can only be measured, each beside a peer that is measured in the same run, as machines
//! differ and are seldom idle. No test asserts a figure of these. Which there are is a table. None installs anything on the
//! system: what a machine lacks has no row, and is named.

mod against;
mod bad_accounts;
mod batcher;
mod call;
mod emulator;
mod hot_account;
mod http;
mod idle;
mod import;
mod languages;
mod marshal;
mod pin;
mod plan;
mod quota;
mod threads;

use std::ffi::OsString;
use std::time::Duration;

use lexopt::ValueExt;

use crate::Error;
use crate::cargo::cargo;
use crate::program::run as run_command;
use crate::scene::CALLS_PER_SECOND;

/// A benchmark: the word for it, what it measures, and how.
struct Bench {
    name: &'static str,
    about: &'static str,
    run: fn(lexopt::Parser) -> Result<(), Error>,
    /// It measures what is compiled into this program, so it runs in an optimised build of it.
    of_this_program: bool,
    /// It takes another commit into its rounds, by `--against`.
    has_rounds: bool,
}

const BENCHES: &[Bench] = &[
    // by name
    Bench {
        name: "bad-accounts",
        about: "what the callers of a batcher have left where some tag accounts that do not exist: a minute and a half; --seconds N",
        run: bad_accounts::run,
        of_this_program: true,
        has_rounds: false,
    },
    Bench {
        name: "batcher",
        about: "2,000 callers that tag one user each, in each language: two minutes; --seconds N",
        run: batcher::run,
        of_this_program: true,
        has_rounds: false,
    },
    Bench {
        name: "call",
        about: "a call, small and full, 16 threads and a bulk run, over a socket written by hand: minutes; --quick, --json, --profile",
        run: call::run,
        of_this_program: true,
        has_rounds: true,
    },
    Bench {
        name: "emulator",
        about: "the emulator's memory a user, full requests a second, and a reset: two minutes; --users N, --seconds N, --program IMTAG",
        run: emulator::run,
        of_this_program: true,
        has_rounds: false,
    },
    Bench {
        name: "hot-account",
        about: "what other accounts have left beside one with 20,000 changes: a minute",
        run: hot_account::run,
        of_this_program: true,
        has_rounds: false,
    },
    Bench {
        name: "idle",
        about: "how often a bulk run and a batcher wake that have nothing to do: half a minute; --seconds N",
        run: idle::run,
        of_this_program: true,
        has_rounds: false,
    },
    Bench {
        name: "import",
        about: "an import without the sending, beside sort: minutes, for it builds what is shipped; --rows N, --big",
        run: import::run,
        of_this_program: false,
        has_rounds: false,
    },
    Bench {
        name: "marshal",
        about: "a full batch on its way to the library, in Python and Go, against JSON",
        run: marshal::run,
        of_this_program: false,
        has_rounds: false,
    },
    Bench {
        name: "plan",
        about: "which changes share a request, without the sending, against JSON of the same changes: seconds",
        run: plan::run,
        of_this_program: true,
        has_rounds: false,
    },
    Bench {
        name: "quota",
        about: "how much of the quota a bulk run uses: a minute and a half; --seconds N",
        run: quota::run,
        of_this_program: true,
        has_rounds: false,
    },
];

pub(crate) fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let mut revision: Option<OsString> = None;
    let mut first = arguments.next()?;
    if first == Some(lexopt::Arg::Long("against")) {
        revision = Some(arguments.value()?);
        first = arguments.next()?;
    }
    match first {
        Some(lexopt::Arg::Value(name)) => {
            let Some(bench) = BENCHES.iter().find(|it| name == it.name) else {
                return Err(format!("there is no benchmark {name:?}\n\n{}", help()).into());
            };
            let mut rest: Vec<OsString> = arguments.raw_args()?.collect();
            match revision {
                Some(revision) if !bench.has_rounds => {
                    return against::run(&revision.string()?, bench.name, &rest);
                }
                Some(revision) => rest
                    .splice(0..0, ["--against".into(), revision])
                    .for_each(drop),
                None => {}
            }
            if bench.of_this_program && cfg!(debug_assertions) {
                optimised(bench.name, &rest)
            } else {
                (bench.run)(lexopt::Parser::from_args(rest))
            }
        }
        Some(lexopt::Arg::Long("help") | lexopt::Arg::Short('h')) => {
            print!("{}", help());
            Ok(())
        }
        Some(other) => Err(other.unexpected().into()),
        None => Err(format!("which benchmark?\n\n{}", help()).into()),
    }
}

/// Runs a benchmark in an optimised build of this program.
fn optimised(name: &str, arguments: &[OsString]) -> Result<(), Error> {
    let mut command = cargo(["run", "--release", "--package", "xtask", "--", "bench"]);
    run_command(command.arg(name).args(arguments))
}

/// A number of events in a time, a second.
fn per_second(events: u64, time: Duration) -> f64 {
    events as f64 / time.as_secs_f64()
}

/// The share of the quota that a number of calls in a time is, in per cent.
fn of_quota(calls: u64, time: Duration) -> f64 {
    100.0 * per_second(calls, time) / f64::from(CALLS_PER_SECOND)
}

/// Reads `--seconds N`, from 1 to `most`.
fn seconds(mut arguments: lexopt::Parser, default: u64, most: u64) -> Result<Duration, Error> {
    let mut seconds = default;
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("seconds") => seconds = arguments.value()?.parse()?,
            other => return Err(other.unexpected().into()),
        }
    }
    if (1..=most).contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(format!("--seconds {seconds}: from 1 to {most}").into())
    }
}

/// Of an odd number of figures.
fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures = Vec::from_iter(figures);
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn help() -> String {
    let mut help = "Usage: cargo xtask bench [--against REV] NAME [OPTION …]\n\n\
                    --against REV  builds another commit too, and measures both in turn: minutes\n\n"
        .to_owned();
    for Bench { name, about, .. } in BENCHES {
        help += &format!("  {name:<12} {about}\n");
    }
    help
}
