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
    options: &'static [BenchOption],
    /// The options are those of the table, with values that it allows.
    run: fn(lexopt::Parser) -> Result<(), Error>,
    /// It measures what is compiled into this program, so it runs in an optimised build of it.
    of_this_program: bool,
    /// It takes another commit into its rounds, by `--against`.
    has_rounds: bool,
}

/// An option of a benchmark. It is checked before anything is built.
struct BenchOption {
    name: &'static str,
    takes: Takes,
    about: &'static str,
}

/// The value of an option.
enum Takes {
    Nothing,
    /// From the one to the other.
    Number(u64, u64),
    OneOf([&'static str; 2]),
    /// What the help calls it.
    Text(&'static str),
}

const fn seconds_to(most: u64) -> [BenchOption; 1] {
    [BenchOption {
        name: "seconds",
        takes: Takes::Number(1, most),
        about: "how long each part is measured",
    }]
}

const BENCHES: &[Bench] = &[
    // by name
    Bench {
        name: "bad-accounts",
        about: "what a batcher's callers have left where some tag accounts\nthat do not exist: a minute and a half",
        options: &seconds_to(600),
        run: bad_accounts::run,
        of_this_program: true,
        has_rounds: false,
    },
    Bench {
        name: "batcher",
        about: "2,000 callers that tag one user each, in each language: two\nminutes",
        options: &seconds_to(600),
        run: batcher::run,
        of_this_program: true,
        has_rounds: false,
    },
    Bench {
        name: "call",
        about: "a call, small and full, 16 threads and a bulk run, over a\nsocket written by hand: minutes",
        options: &[
            BenchOption {
                name: "quick",
                takes: Takes::Nothing,
                about: "fewer rounds of fewer calls: a minute or two once all is\nbuilt, and ratios that say less",
            },
            BenchOption {
                name: "json",
                takes: Takes::Nothing,
                about: "prints the same rows as JSON, with times in nanoseconds;\nnothing else is on standard output",
            },
            BenchOption {
                name: "profile",
                takes: Takes::OneOf(["dist", "release"]),
                about: "how the clients are built: dist, as they are shipped, if not\ngiven; release builds faster",
            },
            BenchOption {
                name: "against",
                takes: Takes::Text("REV"),
                about: "takes the client of another commit into the rounds",
            },
        ],
        run: call::run,
        of_this_program: true,
        has_rounds: true,
    },
    Bench {
        name: "emulator",
        about: "the emulator's memory a user, full requests a second, and a\nreset: two minutes",
        options: &[
            BenchOption {
                name: "users",
                takes: Takes::Number(emulator::FEW_USERS, u64::MAX),
                about: "users that it keeps: 10,000,000 if not given",
            },
            BenchOption {
                name: "seconds",
                takes: Takes::Number(1, u64::MAX),
                about: "how long requests are sent",
            },
            BenchOption {
                name: "program",
                takes: Takes::Text("IMTAG"),
                about: "a command line that is there, instead of one that is built",
            },
        ],
        run: emulator::run,
        of_this_program: true,
        has_rounds: false,
    },
    Bench {
        name: "hot-account",
        about: "what other accounts have left beside one with 20,000 changes:\na minute",
        options: &[],
        run: hot_account::run,
        of_this_program: true,
        has_rounds: false,
    },
    Bench {
        name: "idle",
        about: "how often a bulk run and a batcher wake that have nothing to\ndo: half a minute",
        options: &seconds_to(600),
        run: idle::run,
        of_this_program: true,
        has_rounds: false,
    },
    Bench {
        name: "import",
        about: "an import without the sending, beside sort: minutes, for it\nbuilds what is shipped",
        options: &[
            BenchOption {
                name: "rows",
                takes: Takes::Number(1, u64::MAX),
                about: "rows of the file: 10,000,000 if not given",
            },
            BenchOption {
                name: "big",
                takes: Takes::Nothing,
                about: "with ten times the rows, too",
            },
        ],
        run: import::run,
        of_this_program: false,
        has_rounds: false,
    },
    Bench {
        name: "marshal",
        about: "a full batch on its way to the library, in Python and Go,\nagainst JSON",
        options: &[],
        run: marshal::run,
        of_this_program: false,
        has_rounds: false,
    },
    Bench {
        name: "plan",
        about: "which changes share a request, without the sending, against\nJSON of the same changes: seconds",
        options: &[],
        run: plan::run,
        of_this_program: true,
        has_rounds: false,
    },
    Bench {
        name: "quota",
        about: "how much of the quota a bulk run uses: a minute and a half",
        options: &seconds_to(quota::SECONDS_AT_MOST),
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
            if bench.asks_for_help(&rest)? {
                print!("{}", bench.help());
                return Ok(());
            }
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
        Some(other) => Err(format!("{}\n\n{}", other.unexpected(), help()).into()),
        None => Err(format!("which benchmark?\n\n{}", help()).into()),
    }
}

impl Bench {
    /// Reads the options: a wrong one is said here, with those that there are, and not after minutes of building.
    fn asks_for_help(&self, arguments: &[OsString]) -> Result<bool, Error> {
        let read = self.read(lexopt::Parser::from_args(arguments));
        read.map_err(|why| format!("{why}\n\n{}", self.help()).into())
    }

    /// True where help is asked for.
    fn read(&self, mut arguments: lexopt::Parser) -> Result<bool, Error> {
        while let Some(argument) = arguments.next()? {
            let option = match argument {
                lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => return Ok(true),
                lexopt::Arg::Long(name) => self.options.iter().find(|it| it.name == name),
                _ => None,
            };
            let Some(BenchOption { name, takes, .. }) = option else {
                return Err(argument.unexpected().into());
            };
            match takes {
                Takes::Nothing => {}
                Takes::Number(least, most) => {
                    let number: u64 = arguments.value()?.parse()?;
                    if number < *least || number > *most {
                        let range = match *most {
                            u64::MAX => format!("{least} at least"),
                            most => format!("from {least} to {most}"),
                        };
                        return Err(format!("--{name} {number}: {range}").into());
                    }
                }
                Takes::OneOf(allowed) => {
                    let value = arguments.value()?.string()?;
                    if !allowed.contains(&value.as_str()) {
                        return Err(format!("--{name} {value}: {}", allowed.join(" or ")).into());
                    }
                }
                Takes::Text(_) => drop(arguments.value()?),
            }
        }
        Ok(false)
    }

    fn help(&self) -> String {
        let mut help = format!(
            "Usage: cargo xtask bench [--against REV] {} [OPTION …]\n\n{}\n\n",
            self.name, self.about
        );
        for BenchOption { name, takes, about } in self.options {
            let value = match takes {
                Takes::Nothing => "",
                Takes::Number(..) => " N",
                Takes::OneOf(_) => " NAME",
                Takes::Text(called) => &format!(" {called}"),
            };
            help += &entry(&format!("--{name}{value}"), about);
        }
        help + &entry("--help", "prints this")
    }
}

/// What there is, with what it is about beside it, which may have several lines.
fn entry(what: &str, about: &str) -> String {
    format!(
        "  {what:<15}  {}\n",
        about.replace('\n', "\n                   ")
    )
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

/// Reads `--seconds N`.
fn seconds(mut arguments: lexopt::Parser, default: u64) -> Result<Duration, Error> {
    let mut seconds = default;
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("seconds") => seconds = arguments.value()?.parse()?,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Duration::from_secs(seconds))
}

/// Of an odd number of figures.
fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures = Vec::from_iter(figures);
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn help() -> String {
    let against = "builds another commit too, and measures both in turn: minutes";
    let mut help = format!(
        "Usage: cargo xtask bench [--against REV] NAME [OPTION …]\n\n{}\n",
        entry("--against REV", against)
    );
    for Bench { name, about, .. } in BENCHES {
        help += &entry(name, about);
    }
    help + "\n`cargo xtask bench NAME --help` has the options of one.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bench(name: &str) -> &'static Bench {
        BENCHES.iter().find(|it| it.name == name).unwrap()
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
            ("call", &["--quick", "fast"], "unexpected argument \"fast\""),
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
            ("emulator", &["--users", "1"], "--users 1: 1000000 at least"),
        ] {
            let words = ["bench", name];
            let rest = words.iter().chain(arguments);
            let error = run(lexopt::Parser::from_iter(rest))
                .unwrap_err()
                .to_string();
            let help = bench(name).help();
            assert_eq!(error, format!("{expected}\n\n{help}"));
        }
    }

    #[test]
    fn help_of_a_benchmark_is_asked_for_beside_other_options() {
        for arguments in [&["--help"][..], &["-h"], &["--quick", "--help", "--quik"]] {
            let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
            assert!(bench("call").asks_for_help(&arguments).unwrap());
        }
        let arguments = ["--quick", "--json", "--profile", "release"].map(OsString::from);
        assert!(!bench("call").asks_for_help(&arguments).unwrap());
    }
}
