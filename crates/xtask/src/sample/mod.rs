//! `cargo xtask sample`: CSV files of users and tags, of any size, and the committed tests/data/sample.csv.
//!
//! The generator is stable: the same options give the same bytes on every machine and in every version, until the
//! changelog says otherwise. Each row is computed from its position alone, so a file of ten million rows takes no
//! more memory than one of ten.

mod bad;
mod chance;
mod file;
mod order;
mod rows;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;

use lexopt::ValueExt;

use crate::Error;
use crate::generated::Generated;
pub(crate) use chance::mix;
use file::Recipe;
use order::Order;

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
enum Wish {
    Help,
    Demo {
        check: bool,
    },
    File {
        recipe: Recipe,
        out: Option<PathBuf>,
    },
}

pub(crate) fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    match parse(arguments)? {
        Wish::Help => {
            print!("{HELP}");
            Ok(())
        }
        Wish::Demo { check } => demo().write_or_check(check),
        Wish::File { recipe, out: None } => print(&recipe),
        Wish::File {
            recipe,
            out: Some(path),
        } => {
            let of_path = |error: io::Error| format!("cannot write {}: {error}", path.display());
            let file = File::create(&path).map_err(of_path)?;
            Ok(write_all(&recipe, file).map_err(of_path)?)
        }
    }
}

/// The file that README and tests import: 2,000 users and a bad row of each kind.
pub(crate) fn demo() -> Generated {
    let recipe = Recipe {
        rows: 8_000 + bad::KINDS,
        bad: bad::KINDS,
        seed: 1,
        order: Order::Mixed,
    };
    let mut content = Vec::new();
    file::write(&recipe, &mut content).expect("a Vec takes all that is written to it");
    Generated {
        path: "tests/data/sample.csv",
        command: "cargo xtask sample --demo",
        content,
    }
}

fn parse(mut arguments: lexopt::Parser) -> Result<Wish, Error> {
    let (mut rows, mut bad, mut seed, mut order, mut out) = (None, None, None, None, None);
    let (mut demo, mut check) = (false, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("help") => return Ok(Wish::Help),
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
        return Ok(Wish::Demo { check });
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
    Ok(Wish::File { recipe, out })
}

/// Writes to standard output; a reader that has seen enough is no error.
fn print(recipe: &Recipe) -> Result<(), Error> {
    match write_all(recipe, io::stdout().lock()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn write_all(recipe: &Recipe, out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    file::write(recipe, &mut out)?;
    out.flush()
}
