//! `cargo xtask test`: every check there is, in an environment of its own. The checks are in the crate imtag-checks.

use std::process::ExitCode;

use imtag_checks::{checks, environment};
use lexopt::Arg;

use crate::Error;

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    words: Vec<String>,
    long: bool,
}

const HELP: &str = "\
Usage: cargo xtask test [--long] [WORD …]

Runs every check there is, or those whose names hold one of the words.

  --long  what costs much and is not essential, too

Checks:

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
}

/// Runs the checks that are asked for.
pub(crate) fn run(arguments: lexopt::Parser) -> Result<ExitCode, Error> {
    match Asked::parse(arguments)? {
        Some(asked) if environment::is_made() => Ok(checks::run(&asked.words, asked.long)),
        Some(asked) => Err(environment::enter(asked.long).into()),
        None => {
            print!("{HELP}{}", checks::names());
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_there_is_not_is_named_and_runs_nothing() {
        let parse = |arguments: &[&str]| Asked::parse(lexopt::Parser::from_args(arguments));
        let error = parse(&["--lnog"]).unwrap_err().to_string();
        assert_eq!(error, "invalid option '--lnog'");
        assert_eq!(parse(&["Go", "--help"]).unwrap(), None);
        let asked = parse(&["--long", "Go"]).unwrap().unwrap();
        assert_eq!((asked.words, asked.long), (vec!["Go".to_owned()], true));
    }
}
