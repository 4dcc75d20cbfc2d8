//! `cargo xtask test`: every check there is, in an order that finds the cheap faults first. A failing check does not
//! stop the ones after it; the summary names each. What a machine lacks is installed, and where it cannot be, the
//! check is skipped by name; with `CI=true` in the environment that is a failure. `--long` adds the checks that cost much
//! and are not essential.
//!
//! All steps share one profile and the features of the whole workspace (except the lints of the command line without its
//! emulator), so that hardly anything is built twice: tests once, and the metadata of the dependencies once for
//! lints and documentation.

mod steps;
mod summary;

use std::process::ExitCode;

use lexopt::Arg;

use crate::cost::Start;
use imtag_checks::environment;
pub(crate) use imtag_checks::{go, python, tools};
use steps::{LONG, STEPS};
use summary::{Summary, word};

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    words: Vec<String>,
    long: bool,
}

const HELP: &str = "\
Usage: cargo xtask test [--long] [STEP …]

Runs every check there is, or the steps whose names hold one of the words.

  --long  what costs much and is not essential, too
";

impl Asked {
    /// `None` where help was asked for.
    fn parse(mut arguments: lexopt::Parser) -> Result<Option<Asked>, lexopt::Error> {
        let mut asked = Asked::default();
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("long") => asked.long = true,
                Arg::Long("help") | Arg::Short('h') => return Ok(None),
                Arg::Value(word) => asked.words.push(word.to_string_lossy().into_owned()),
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(Some(asked))
    }

    /// A long step runs with `--long`, or by a word of its name.
    fn chooses(&self, name: &str) -> bool {
        if self.words.is_empty() {
            self.long || !LONG.contains(&name)
        } else {
            self.words.iter().any(|word| name.contains(word.as_str()))
        }
    }
}

/// Runs the steps that are asked for.
pub(crate) fn run(arguments: lexopt::Parser) -> ExitCode {
    let mut asked = match Asked::parse(arguments) {
        Ok(Some(asked)) => asked,
        Ok(None) => {
            print!("{HELP}\n{}", names());
            return ExitCode::SUCCESS;
        }
        Err(error) => return crate::failed(&error),
    };
    if !environment::is_made() {
        return crate::failed(&environment::enter(&asked.words, asked.long));
    }
    tools::install_what_is_missing();
    asked.long = environment::is_long();
    let strict = std::env::var_os("CI").is_some_and(|value| value == "true");
    let mut summary = Summary {
        strict,
        ..Summary::default()
    };
    let steps = STEPS.iter().filter(|(name, _)| asked.chooses(name));
    if steps.clone().next().is_none() {
        return crate::failed(&format!("there is no such step\n\n{}", names()));
    }
    for (name, step) in steps {
        println!("\n── {name} ──");
        let start = Start::now();
        let outcome = step();
        let took = start.until_now();
        println!("── {name}: {} in {took}", word(&outcome));
        summary.steps.push((name, outcome, took));
    }
    println!("\n{summary}");
    if asked.words.is_empty() && !asked.long {
        println!(
            "left to --long: {}, and long tests of Python",
            LONG.join(", ")
        );
    }
    if summary.passes() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The steps, a line each.
fn names() -> String {
    let lines = STEPS.iter().map(|(name, _)| {
        let long = if LONG.contains(name) { " (long)" } else { "" };
        format!("  {name}{long}\n")
    });
    format!("Steps:\n\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> Asked {
        let parser = lexopt::Parser::from_args(arguments);
        Asked::parse(parser).unwrap().unwrap()
    }

    #[test]
    fn a_long_step_runs_with_long_or_by_its_name() {
        for (arguments, short, long) in [
            (&[][..], true, false),
            (&["--long"], true, true),
            (&["packages"], true, true),
            (&["packages compiled"], false, true),
            (&["Go", "--long"], false, false),
        ] {
            let asked = asked(arguments);
            assert_eq!(asked.chooses("packages"), short, "{arguments:?}");
            assert_eq!(asked.chooses("packages compiled"), long, "{arguments:?}");
        }
    }

    #[test]
    fn an_option_that_there_is_not_is_named_and_runs_nothing() {
        let parser = lexopt::Parser::from_args(["--lnog"]);
        let error = Asked::parse(parser).unwrap_err().to_string();
        assert_eq!(error, "invalid option '--lnog'");
        let help = lexopt::Parser::from_args(["Go", "--help"]);
        assert_eq!(Asked::parse(help).unwrap(), None);
    }
}
