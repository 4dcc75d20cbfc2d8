//! `cargo xtask bench marshal`: a full batch (100 users with 10 tags each) on its way to the library, in Python and Go,
//! against JSON of the same request in that language, which is what a client without the library makes. The programs
//! measure both in turn, and say the least of 2,000 times.

use std::collections::BTreeMap;

use super::languages::{missing, program};
use super::options::Options;
use super::report::{Report, Table};
use crate::Error;
use crate::program::output;
use imtag_checks::build;

/// Each with the two figures.
type Batches = BTreeMap<String, [f64; 2]>;

pub(super) fn run(options: &Options) -> Result<Report, Error> {
    let mut report = options.report();
    let columns = [("libimtag", "us"), ("JSON", "us"), ("ratio", "")];
    let mut table = Table::new("a full batch", &columns);
    let prefix = build::tree()?;
    for language in options.bench.languages {
        if let Some(why) = missing(language) {
            report.missing.push(why);
            continue;
        }
        let printed = output(&mut program(language, "marshal", &prefix)?)?;
        let batches: Batches = match *language {
            "Go" => of_go(&printed)?,
            _ => serde_json::from_str(&printed)?,
        };
        for (batch, [ours, peer]) in batches {
            table.row(&format!("{language}, {batch}"), &[ours, peer, ours / peer]);
        }
    }
    report.tables.push(table);
    Ok(report)
}

/// The line of Go's benchmark, where each figure stands before its unit.
fn of_go(printed: &str) -> Result<Batches, Error> {
    let words: Vec<&str> = printed.split_whitespace().collect();
    let figure = |unit: &str| -> Result<f64, Error> {
        let at = words.iter().position(|word| *word == unit);
        let before = at.and_then(|at| words.get(at.checked_sub(1)?));
        Ok(before.ok_or(format!("Go printed no {unit}"))?.parse()?)
    };
    let figures = [figure("flat-us")?, figure("json-us")?];
    Ok(Batches::from([("add, ASCII".to_owned(), figures)]))
}
