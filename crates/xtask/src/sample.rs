//! `cargo xtask sample`: CSV files of users and tags, of any size, and the committed tests/data/sample.csv.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use imtag_checks::data::{self, Order, Recipe};
use lexopt::ValueExt;

use crate::Error;
use crate::generated::Generated;

const HELP: &str = "\
Usage: cargo xtask sample --rows N [--seed S] [--order ORDER] [--bad N] [--out FILE]
       cargo xtask sample --demo [--check]

  --rows N        rows after the header, bad ones with them
  --seed S        which of all such files; the same options give the same bytes [default: 1]
  --order ORDER   grouped: the rows of a user side by side; mixed: one row in ten somewhere else;
                  shuffled: every row anywhere [default: mixed]
  --bad N         how many of the rows are bad, of six kinds in turn [default: 0]
  --out FILE      where to write [default: standard output]
  --demo          write tests/data/sample.csv
  --check         with --demo: say whether the file is stale, and write nothing
";

/// What was asked for.
enum Task {
    Help,
    Demo { check: bool },
    File(Recipe, Option<PathBuf>),
}

pub(crate) fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    match parse(arguments)? {
        Task::Help => {
            print!("{HELP}");
            Ok(())
        }
        Task::Demo { check } => demo().write_or_check(check),
        Task::File(recipe, None) => match recipe.write(io::stdout().lock()) {
            // a reader that has seen enough is no error
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        },
        Task::File(recipe, Some(path)) => {
            let written = File::create(&path).and_then(|file| recipe.write(file));
            Ok(written.map_err(|error| format!("cannot write {}: {error}", path.display()))?)
        }
    }
}

/// The file that README and tests import.
pub(crate) fn demo() -> Generated {
    Generated {
        path: "tests/data/sample.csv",
        command: "cargo xtask sample --demo",
        content: data::demo(),
    }
}

fn parse(mut arguments: lexopt::Parser) -> Result<Task, Error> {
    let (mut rows, mut bad, mut seed, mut order, mut out) = (None, None, None, None, None);
    let (mut demo, mut check) = (false, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("help") => return Ok(Task::Help),
            lexopt::Arg::Long("demo") => demo = true,
            lexopt::Arg::Long("check") => check = true,
            lexopt::Arg::Long("rows") => rows = Some(arguments.value()?.parse()?),
            lexopt::Arg::Long("bad") => bad = Some(arguments.value()?.parse()?),
            lexopt::Arg::Long("seed") => seed = Some(arguments.value()?.parse()?),
            lexopt::Arg::Long("order") => order = Some(arguments.value()?.parse()?),
            lexopt::Arg::Long("out") => out = Some(PathBuf::from(arguments.value()?)),
            other => return Err(other.unexpected().into()),
        }
    }
    let of_a_file = rows.or(bad).or(seed).is_some() || order.is_some() || out.is_some();
    if demo && of_a_file {
        return Err("--demo decides all options but --check: leave the others out".into());
    }
    if demo {
        return Ok(Task::Demo { check });
    }
    if check {
        return Err("--check goes with --demo only".into());
    }
    let recipe = Recipe {
        rows: rows.ok_or("how many rows? give --rows N, or --demo")?,
        bad: bad.unwrap_or(0),
        seed: seed.unwrap_or(1),
        order: order.unwrap_or(Order::Mixed),
    };
    if recipe.bad > recipe.rows {
        return Err(format!("{} bad rows of {} in all", recipe.bad, recipe.rows).into());
    }
    Ok(Task::File(recipe, out))
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let parse = |arguments: &[&str]| parse(lexopt::Parser::from_args(arguments));
    for (arguments, expected) in [
        (&[][..], "how many rows? give --rows N, or --demo"),
        (&["--demo", "--rows", "3"], "--demo decides all options"),
        (&["--demo", "--bad", "3"], "--demo decides all options"),
        (&["--demo", "--seed", "3"], "--demo decides all options"),
        (&["--rows", "3", "--check"], "--check goes with --demo only"),
        (&["--rows", "3", "--bad", "4"], "4 bad rows of 3 in all"),
        (&["--rows", "-1"], "cannot parse argument \"-1\""),
    ] {
        let error = parse(arguments).err().unwrap().to_string();
        assert!(error.starts_with(expected), "{arguments:?}: {error}");
    }
    let demo = parse(&["--demo", "--check"]);
    assert!(matches!(demo, Ok(Task::Demo { check: true })));
}
