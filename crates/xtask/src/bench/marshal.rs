//! `cargo xtask bench marshal`: a full batch (100 users with 10 tags each) on its way to the library, in Python and Go,
//! against JSON of the same request in that language, which is what a client without the library makes. The programs
//! measure both in turn, and say the least of 2,000 times.

use std::collections::BTreeMap;

use super::languages;
use super::options::Options;
use super::report::{Report, Table};
use crate::Error;
use imtag_checks::{go, python};

pub(super) fn run(options: &Options) -> Result<Report, Error> {
    let mut report = options.report();
    let columns = [("libimtag", "us"), ("JSON", "us"), ("ratio", "")];
    let mut table = Table::new("a full batch", &columns);
    for (language, measure) in [
        (
            "Python",
            of_python as fn() -> Result<BTreeMap<String, [f64; 2]>, Error>,
        ),
        ("Go", of_go),
    ] {
        if let Some(why) = languages::missing(language) {
            report.missing.push(why);
            continue;
        }
        for (batch, [ours, peer]) in measure()? {
            table.row(&format!("{language}, {batch}"), &[ours, peer, ours / peer]);
        }
    }
    report.tables.push(table);
    Ok(report)
}

/// An object of batches, each with the two figures.
fn of_python() -> Result<BTreeMap<String, [f64; 2]>, Error> {
    Ok(serde_json::from_str(&python::marshalling()?)?)
}

/// The line of Go's benchmark, where each figure stands before its unit.
fn of_go() -> Result<BTreeMap<String, [f64; 2]>, Error> {
    let printed = go::marshalling()?;
    let words: Vec<&str> = printed.split_whitespace().collect();
    let figure = |unit: &str| -> Result<f64, Error> {
        let at = words.iter().position(|word| *word == unit);
        let before = at.and_then(|at| words.get(at.checked_sub(1)?));
        Ok(before.ok_or(format!("Go printed no {unit}"))?.parse()?)
    };
    let figures = [figure("flat-us")?, figure("json-us")?];
    Ok(BTreeMap::from([("add, ASCII".to_owned(), figures)]))
}
