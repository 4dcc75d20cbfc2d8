//! `cargo xtask test`: every check there is, in an environment of its own. The checks are in the crate imtag-checks.

use std::process::ExitCode;

use imtag_checks::{checks, environment};
use lexopt::Arg;

use crate::Error;

const HELP: &str = "\
Usage: cargo xtask test [--long] [WORD …]

Runs every check there is, or those whose names hold one of the words.

  --long  what costs much and is not essential, too

Checks:

";

/// Runs the checks that are asked for.
pub(crate) fn run(arguments: lexopt::Parser) -> Result<ExitCode, Error> {
    let Some((words, long)) = asked(arguments)? else {
        print!("{HELP}{}", checks::names());
        return Ok(ExitCode::SUCCESS);
    };
    if environment::is_made() {
        Ok(checks::run(&words, long))
    } else {
        Err(environment::enter(long).into())
    }
}

/// The words, and whether the long checks are asked for; `None` where help is.
fn asked(mut arguments: lexopt::Parser) -> Result<Option<(Vec<String>, bool)>, lexopt::Error> {
    let (mut words, mut long) = (Vec::new(), false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("long") => long = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            Arg::Value(word) => words.push(word.to_string_lossy().into_owned()),
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(Some((words, long)))
}

#[test]
fn an_option_that_there_is_not_is_named_and_runs_nothing() {
    let parse = |arguments: &[&str]| asked(lexopt::Parser::from_args(arguments));
    let error = parse(&["--lnog"]).unwrap_err().to_string();
    assert_eq!(error, "invalid option '--lnog'");
    assert_eq!(parse(&["Go", "--help"]).unwrap(), None);
    let expected = Some((vec!["Go".to_owned()], true));
    assert_eq!(parse(&["--long", "Go"]).unwrap(), expected);
}
