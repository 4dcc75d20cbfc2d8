//! `cargo xtask bench`: what can only be measured, each beside a peer that is measured in the same run. No test asserts a
//! figure of these. Which there are is a table; each of them only measures, and what it found becomes text or JSON here.
//! None installs anything on the system: what a machine lacks has no row, and is named first.

mod against;
mod batcher;
mod call;
mod emulator;
mod http;
mod import;
mod languages;
mod marshal;
mod plan;
mod process;
mod quota;
mod report;

use std::ffi::OsString;
use std::time::Duration;

use lexopt::{Arg, ValueExt};

use crate::Error;
use crate::cargo::cargo;
use crate::program::run as run_command;
use against::OtherCommit;
use report::Report;

/// A benchmark: the word for it, what it measures, and how.
struct Bench {
    name: &'static str,
    about: &'static str,
    /// How much is measured, an option with a number: usually, in a quick run, and at most.
    amount: (&'static str, [u64; 2], u64),
    /// How often each is measured, usually and in a quick run: an option where it is not once.
    rounds: [usize; 2],
    /// The languages whose programs it measures, too.
    languages: &'static [&'static str],
    /// It builds what it measures, in a profile, and takes another commit's into its rounds.
    builds: bool,
    run: fn(&Options) -> Result<Report, Error>,
}

/// What most have alike.
const BENCH: Bench = Bench {
    name: "",
    about: "",
    amount: ("", [1, 1], 1),
    rounds: [1, 1],
    languages: &[],
    builds: false,
    run: |options| Ok(options.report()),
};

static BENCHES: [Bench; 7] = [
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
];

/// What was asked for.
struct Options {
    bench: &'static Bench,
    /// The number of the benchmark's own option.
    amount: u64,
    rounds: usize,
    quick: bool,
    json: bool,
    /// How that is built which is measured.
    profile: String,
    against: Option<String>,
}

impl Options {
    /// The amount as a time.
    fn time(&self) -> Duration {
        Duration::from_secs(self.amount)
    }

    fn report(&self) -> Report {
        Report::new(self.bench.name, self.rounds)
    }

    /// The other commit, for a benchmark that takes it into its rounds.
    fn other(&self) -> Result<Option<OtherCommit>, Error> {
        self.against.as_deref().map(OtherCommit::new).transpose()
    }
}

/// What stands for the other commit in a table.
const OTHER: &str = "other commit";

pub(crate) fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let mut words: Vec<OsString> = arguments.raw_args()?.collect();
    let mut benches = BENCHES.iter();
    let Some(bench) = benches.find(|it| words.iter().any(|word| word == it.name)) else {
        if words.iter().any(|word| word == "--help" || word == "-h") {
            print!("{}", help());
            return Ok(());
        }
        return Err(format!("which benchmark?\n\n{}", help()).into());
    };
    words.retain(|word| word != bench.name);
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

impl Bench {
    /// Reads the options, so that a wrong one is told with those that there are, and not after minutes of building. None
    /// where help is asked for.
    fn options(&'static self, mut arguments: lexopt::Parser) -> Result<Option<Options>, Error> {
        let mut options = Options {
            bench: self,
            amount: 0,
            rounds: 0,
            quick: false,
            json: false,
            profile: "dist".to_owned(),
            against: None,
        };
        let (mut amount, mut rounds) = (None, None);
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("help") | Arg::Short('h') => return Ok(None),
                Arg::Long("quick") => options.quick = true,
                Arg::Long("json") => options.json = true,
                Arg::Long("against") => options.against = Some(arguments.value()?.string()?),
                Arg::Long("rounds") if self.rounds != [1, 1] => {
                    rounds = Some(arguments.value()?.parse()?);
                }
                Arg::Long("profile") if self.builds => {
                    options.profile = arguments.value()?.string()?;
                    if !["dist", "release"].contains(&options.profile.as_str()) {
                        return Err(
                            format!("--profile {}: dist or release", options.profile).into()
                        );
                    }
                }
                Arg::Long(name) if name == self.amount.0 => {
                    let (name, _, most) = self.amount;
                    let number: u64 = arguments.value()?.parse()?;
                    if number < 1 || number > most {
                        return Err(format!("--{name} {number}: from 1 to {most}").into());
                    }
                    amount = Some(number);
                }
                other => return Err(other.unexpected().into()),
            }
        }
        let quick = usize::from(options.quick);
        options.amount = amount.unwrap_or(self.amount.1[quick]);
        options.rounds = rounds.unwrap_or(self.rounds[quick]).max(1);
        Ok(Some(options))
    }

    fn help(&self) -> String {
        let (name, [usual, _], _) = self.amount;
        let [rounds, _] = self.rounds;
        let mut help = format!("Usage: cargo xtask bench {} [OPTION …]\n\n", self.name);
        help += &format!("{}\n\n", self.about);
        if usual > 1 {
            help += &entry(&format!("--{name} N"), &format!("{usual} if not given"));
        }
        if rounds > 1 {
            help += &entry("--rounds N", &format!("{rounds} if not given"));
        }
        help += &entry("--quick", "less of all that: figures that say less");
        if self.builds {
            let profile =
                "how it is built: dist, as it is shipped, if not given;\nrelease builds faster";
            help += &entry("--profile NAME", profile);
        }
        help += &entry(
            "--against REV",
            "builds another commit, and measures both in turn",
        );
        help += &entry("--json", "prints JSON, and nothing else on standard output");
        help + &entry("--help", "prints this")
    }
}

fn help() -> String {
    let mut help = "Usage: cargo xtask bench NAME [OPTION …]\n\n".to_owned();
    for Bench { name, about, .. } in &BENCHES {
        help += &entry(name, about);
    }
    help + "\n`cargo xtask bench NAME --help` has the options of one.\n"
}

/// What there is, with what it is about beside it, which may have several lines.
fn entry(what: &str, about: &str) -> String {
    let about = about.replace('\n', &format!("\n{:18}", ""));
    format!("  {what:<14}  {about}\n")
}

/// A number of events in a time, a second.
fn per_second(events: u64, time: Duration) -> f64 {
    events as f64 / time.as_secs_f64()
}

/// A time in microseconds for each of some events.
fn micros_each(time: Duration, events: u64) -> f64 {
    1e6 * time.as_secs_f64() / events.max(1) as f64
}

#[cfg(test)]
mod tests {
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
