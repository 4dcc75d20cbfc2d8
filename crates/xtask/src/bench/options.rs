//! What a benchmark is, its options and its help: the same for all of them.

use std::time::Duration;

use lexopt::{Arg, ValueExt};

use super::report::Report;
use crate::Error;

/// A benchmark: the word for it, what it measures, and how.
pub(super) struct Bench {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// How much is measured, an option with a number: usually, in a quick run, and at most.
    pub(super) amount: (&'static str, [u64; 2], u64),
    /// How often each is measured, usually and in a quick run: an option where it is not once.
    pub(super) rounds: [usize; 2],
    /// The languages whose programs it measures, too.
    pub(super) languages: &'static [&'static str],
    /// It builds what it measures, in a profile, and takes another commit's into its rounds.
    pub(super) builds: bool,
    pub(super) run: fn(&Options) -> Result<Report, Error>,
}

/// What most have alike.
pub(super) const BENCH: Bench = Bench {
    name: "",
    about: "",
    amount: ("", [1, 1], 1),
    rounds: [1, 1],
    languages: &[],
    builds: false,
    run: |options| Ok(options.report()),
};

/// What was asked for.
pub(super) struct Options {
    pub(super) bench: &'static Bench,
    /// The number of the benchmark's own option.
    pub(super) amount: u64,
    pub(super) rounds: usize,
    pub(super) quick: bool,
    pub(super) json: bool,
    /// How that is built which is measured.
    pub(super) profile: String,
    pub(super) against: Option<String>,
}

impl Options {
    /// The amount as a time.
    pub(super) fn time(&self) -> Duration {
        Duration::from_secs(self.amount)
    }

    /// The options by which another program measures the same.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        arguments.extend(self.quick.then(|| "--quick".to_owned()));
        if !self.bench.amount.0.is_empty() {
            arguments.extend([
                format!("--{}", self.bench.amount.0),
                self.amount.to_string(),
            ]);
        }
        if self.bench.rounds != [1, 1] {
            arguments.extend(["--rounds".to_owned(), self.rounds.to_string()]);
        }
        arguments
    }

    pub(super) fn report(&self) -> Report {
        Report::new(self.bench.name, self.rounds)
    }
}

impl Bench {
    /// Reads the options, so that a wrong one is told with those that there are, and not after minutes of building. None
    /// where help is asked for.
    pub(super) fn options(
        &'static self,
        mut arguments: lexopt::Parser,
    ) -> Result<Option<Options>, Error> {
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

    pub(super) fn help(&self) -> String {
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

/// What there is, with what it is about beside it, which may have several lines.
pub(super) fn entry(what: &str, about: &str) -> String {
    let about = about.replace('\n', &format!("\n{:18}", ""));
    format!("  {what:<14}  {about}\n")
}
