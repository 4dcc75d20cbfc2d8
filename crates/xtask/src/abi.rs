//! `cargo xtask abi`: include/abi.txt, what programs that were built with include/imtag.h rely on at run time: symbols
//! with their signatures, numbers, the layout of structs. It is read from the header, a line a fact, so that a change
//! shows as the lines that it adds and takes away. Adding is fine. What takes a line away breaks programs, and needs
//! a SONAME of its own, which below 1.0 is a new minor version; until that version is released, all may change.
//!
//! Layouts follow the rules of C on x86-64, as `repr(C)` does. The step `C` holds them to what a compiler says
//! (`test/c.rs`), and the list of functions to the symbols of the library.

mod parse;

use std::collections::BTreeSet;
use std::fs;

use crate::Error;
use crate::cargo::root;
use crate::generated::{Generated, only_check};
use crate::install::tree::soname;

pub(crate) use parse::{Fact, facts};

const PATH: &str = "include/abi.txt";
const COMMAND: &str = "cargo xtask abi";

const HEAD: &str = "\
# What programs that were built with imtag.h rely on, on x86-64. Made by `cargo xtask abi` from include/imtag.h.
#
# soname    what such programs look for
# number    a macro, and its value
# type      another name of a type
# handle    a struct of which nobody outside knows what is in it
# struct    bytes, alignment; then its fields: offset, bytes, type
# callback  a pointer to a function: what it returns, what it is given
# function  a symbol: what it returns, what it is given
";

pub(crate) fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    let check = only_check(arguments)?;
    let record = record()?;
    match fs::read_to_string(root().join(PATH)) {
        Ok(recorded) => judge(&recorded, &text(&record), is_released()?, check)?,
        Err(_) if !check => {}
        Err(error) => return Err(format!("{PATH}: {error}: run `{COMMAND}`").into()),
    }
    record.write_or_check(check)
}

/// The facts of the header that is there.
pub(crate) fn facts_of_header() -> Result<Vec<Fact>, Error> {
    let header = fs::read_to_string(root().join("include/imtag.h"))?;
    Ok(facts(&header)?)
}

fn record() -> Result<Generated, Error> {
    let lines = facts_of_header()?.into_iter().map(|fact| fact.to_string());
    let mut lines: Vec<String> = lines.collect();
    lines.insert(0, format!("soname {}", soname()));
    Ok(Generated {
        path: PATH,
        command: COMMAND,
        content: format!("{HEAD}\n{}\n", lines.join("\n")).into_bytes(),
    })
}

fn text(record: &Generated) -> String {
    String::from_utf8_lossy(&record.content).into_owned()
}

/// Whether the present SONAME is out in the world: a version that has it stands in the changelog with a date.
fn is_released() -> Result<bool, Error> {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md"))?;
    let interface = soname().replace("libimtag.so.", "");
    Ok(has_release(&changelog, &interface))
}

fn has_release(changelog: &str, interface: &str) -> bool {
    let start = format!("## [{interface}.");
    changelog
        .lines()
        .any(|line| line.starts_with(&start) && !line.contains("Unreleased"))
}

/// What is to be done about a record that is not what the header says. A task that writes (`check` is false) may do
/// all that is allowed.
fn judge(recorded: &str, current: &str, released: bool, check: bool) -> Result<(), Error> {
    let (before, now) = (lines(recorded), lines(current));
    let list = |lines: &BTreeSet<&str>, sign: &str| -> String {
        let lines = lines.iter().map(|line| format!("\n  {sign} {line}"));
        lines.collect()
    };
    let gone: BTreeSet<&str> = before.difference(&now).copied().collect();
    let new: BTreeSet<&str> = now.difference(&before).copied().collect();
    let changes = list(&gone, "-") + &list(&new, "+");
    let another_soname = gone.iter().any(|line| line.starts_with("soname "));
    if gone.is_empty() && new.is_empty() {
        return Ok(());
    }
    let remedy = if gone.is_empty() || another_soname {
        format!("run `{COMMAND}`, and note what is new in CHANGELOG.md")
    } else if released {
        return Err(format!(
            "the C interface breaks programs that are built with {}:{changes}\nput back what is gone or changed, or \
             give the workspace a new minor version, which has a SONAME of its own; then run `{COMMAND}` and note it \
             in CHANGELOG.md",
            soname()
        )
        .into());
    } else {
        format!(
            "{} is not released, so nobody relies on what is gone or changed, if that is meant: run `{COMMAND}`, and \
             note it in CHANGELOG.md",
            soname()
        )
    };
    match check {
        true => Err(format!("the C interface is not as {PATH} says:{changes}\n{remedy}").into()),
        false => Ok(()),
    }
}

fn lines(text: &str) -> BTreeSet<&str> {
    let lines = text.lines();
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_c_interface_is_the_recorded_one() {
        let recorded = fs::read_to_string(root().join(PATH)).unwrap();
        let record = record().unwrap();
        let judged = judge(&recorded, &text(&record), is_released().unwrap(), true);
        judged.unwrap_or_else(|fault| panic!("{fault}"));
        record.check().unwrap();
    }

    fn said(recorded: &str, current: &str, released: bool) -> String {
        let judged = judge(recorded, current, released, true);
        judged.unwrap_err().to_string()
    }

    #[test]
    fn what_is_added_is_to_be_recorded_and_noted() {
        let said = said(
            "number IM_OK 0\n",
            "number IM_OK 0\nnumber IM_NEW 14\n",
            true,
        );
        assert_eq!(
            said,
            "the C interface is not as include/abi.txt says:\n  + number IM_NEW 14\nrun `cargo xtask abi`, and note \
             what is new in CHANGELOG.md"
        );
    }

    #[test]
    fn what_is_taken_away_or_changed_needs_a_new_minor_version() {
        let (before, after) = ("number IM_OK 0\n", "number IM_OK 1\n");
        let text = said(before, after, true);
        let start = "the C interface breaks programs that are built with libimtag.so.";
        assert!(text.starts_with(start), "{text}");
        assert!(text.contains("\n  - number IM_OK 0\n  + number IM_OK 1\nput back what is gone"));
        assert!(text.contains("a new minor version, which has a SONAME of its own"));
        // nor may the task write over it
        assert!(judge(before, after, true, false).is_err());
    }

    #[test]
    fn before_its_release_an_interface_may_change_and_is_recorded_again() {
        let (before, after) = ("number IM_OK 0\n", "number IM_OK 1\n");
        assert!(said(before, after, false).contains("is not released"));
        assert!(judge(before, after, false, false).is_ok());
    }

    #[test]
    fn another_soname_is_another_interface() {
        let (before, after) = (
            "soname libimtag.so.0.1\nnumber A 1\n",
            "soname libimtag.so.0.2\n",
        );
        assert!(judge(before, after, true, false).is_ok());
        assert!(said(before, after, true).ends_with("note what is new in CHANGELOG.md"));
    }

    #[test]
    fn a_release_is_a_version_with_a_date() {
        assert!(!has_release("## [0.1.0] - Unreleased\n", "0.1"));
        assert!(has_release(
            "## [0.1.1] - Unreleased\n\n## [0.1.0] - 2026-01-01\n",
            "0.1"
        ));
        assert!(!has_release("## [0.1.0] - 2026-01-01\n", "0.2"));
    }
}
