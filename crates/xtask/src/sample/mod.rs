//! `cargo xtask sample`: CSV files of users and tags, of any size, and the committed tests/data/sample.csv.
//!
//! The generator is stable: the same options give the same bytes on every machine and in every version, until the
//! changelog says otherwise. Each row is computed from its position alone, so a file of ten million rows takes no
//! more memory than one of ten.

mod file;
mod order;
mod rows;

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;

use lexopt::ValueExt;

use crate::Error;
use crate::generated::Generated;
pub(crate) use file::field;
use file::{BAD_KINDS, Recipe};
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
        Task::File(recipe, None) => print(&recipe),
        Task::File(recipe, Some(path)) => {
            let written = File::create(&path).and_then(|file| write_all(&recipe, file));
            Ok(written.map_err(|error| format!("cannot write {}: {error}", path.display()))?)
        }
    }
}

/// The file that README and tests import: 2,000 users and a bad row of each kind.
pub(crate) fn demo() -> Generated {
    let recipe = Recipe {
        rows: 8_000 + BAD_KINDS,
        bad: BAD_KINDS,
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

/// What a sample file promises, read back with a CSV reader that is not ours and judged by core's own limits.
#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use imtag_core::{Account, Rules, Tag};

    use super::*;

    /// The fields of every row, the header left out.
    fn records(content: &[u8]) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(content);
        let fields = |record: csv::StringRecord| record.iter().map(str::to_owned).collect();
        reader.records().map(|row| fields(row.unwrap())).collect()
    }

    /// Why a row is bad.
    fn violation(record: &[String]) -> Option<String> {
        let rules = Rules::default();
        match record {
            [account, tag] => {
                let account = Account::new(account.as_str(), &rules).err();
                let tag = Tag::new(tag.as_str(), &rules).err();
                account
                    .or(tag)
                    .map(|invalid| invalid.violations()[0].to_string())
            }
            fields => Some(format!("{} fields", fields.len())),
        }
    }

    fn file(rows: u64, seed: u64, order: Order, bad: u64) -> String {
        let mut content = Vec::new();
        let recipe = Recipe {
            rows,
            bad,
            seed,
            order,
        };
        file::write(&recipe, &mut content).unwrap();
        String::from_utf8(content).unwrap()
    }

    #[test]
    fn the_committed_sample_is_fresh() {
        demo().check().unwrap();
    }

    #[test]
    fn the_committed_sample_has_2000_users_and_20_tags_and_some_users_need_two_requests() {
        let records = records(&demo().content);
        let mut tags_of: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for record in records.iter().filter(|record| violation(record).is_none()) {
            let new = tags_of.entry(&record[0]).or_default().insert(&record[1]);
            assert!(new, "{record:?} stands twice");
        }
        assert_eq!(tags_of.len(), 2_000);
        let tags: BTreeSet<_> = tags_of.values().flatten().collect();
        assert_eq!(tags.len(), 20);
        let many: BTreeSet<_> = tags_of
            .values()
            .map(BTreeSet::len)
            .filter(|&tags| tags > 10)
            .collect();
        assert_eq!(many, (11..=20).collect());
    }

    #[test]
    fn the_committed_sample_has_a_bad_row_of_each_kind() {
        let records = records(&demo().content);
        let violations: Vec<_> = records
            .iter()
            .filter_map(|record| violation(record))
            .collect();
        assert_eq!(
            violations,
            [
                "account: empty, at least 1 byte",
                "tag: empty, at least 1 byte",
                "tag: 51 bytes, at most 50",
                "account: 33 bytes, at most 32",
                "3 fields",
                "1 fields",
            ]
        );
    }

    #[test]
    fn the_committed_sample_quotes_commas_and_quotes_and_ends_lines_with_a_line_feed() {
        let text = String::from_utf8(demo().content).unwrap();
        assert!(text.starts_with("account,tag\nuser000"));
        assert!(text.contains("\n\"li,na000088\","));
        assert!(text.contains(",\"games, sports\"\n"));
        assert!(text.contains(",\"the \"\"gold\"\" plan\"\n"));
        assert!(text.ends_with('\n') && !text.contains('\r'));
    }

    #[test]
    fn a_file_has_the_rows_and_bad_rows_that_were_asked_for() {
        for (rows, bad) in [
            (0, 0),
            (1, 0),
            (1, 1),
            (7, 3),
            (1_000, 0),
            (1_000, 13),
            (50, 50),
        ] {
            let records = records(file(rows, 3, Order::Shuffled, bad).as_bytes());
            let found = records.iter().filter(|record| violation(record).is_some());
            assert_eq!((records.len() as u64, found.count() as u64), (rows, bad));
        }
    }

    #[test]
    fn an_order_changes_where_rows_stand_and_not_which_there_are() {
        let sorted = |order| {
            let mut lines: Vec<_> = file(5_000, 2, order, 0)
                .lines()
                .map(str::to_owned)
                .collect();
            lines.sort_unstable();
            lines
        };
        assert_eq!(sorted(Order::Grouped), sorted(Order::Shuffled));
        assert_eq!(sorted(Order::Grouped), sorted(Order::Mixed));
    }

    #[test]
    fn the_same_options_give_the_same_bytes_for_ever() {
        let expected = "account,tag\nuser000001,الرياض\nuser000002,android\n,vip\nuser000002,ios\nuser000001,上海\n";
        assert_eq!(file(5, 7, Order::Shuffled, 1), expected);
        assert_ne!(file(5, 8, Order::Shuffled, 1), expected);
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
}
