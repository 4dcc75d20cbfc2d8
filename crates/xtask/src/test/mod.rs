//! `cargo xtask test`: every check there is, in an order that finds the cheap faults first. A failing check does not
//! stop the ones after it; the summary names each. What a machine lacks is installed, and where it cannot be, the
//! check is skipped by name; with `CI=true` in the environment that is a failure.
//!
//! All steps share one profile and, but for the lints of the command line without its emulator, the features of the
//! whole workspace, so that hardly anything is built twice: tests once, and the metadata of the dependencies once for
//! lints and documentation.

mod c;
mod conformance;
mod cost;
mod cpp;
mod environment;
pub(crate) mod go;
mod install;
mod other_sdks;
pub(crate) mod python;
mod readme;
mod steps;
mod summary;
pub(crate) mod tools;

use std::ffi::OsString;
use std::process::ExitCode;

use cost::Cost;
use steps::STEPS;
use summary::Summary;

/// Runs the steps whose name holds one of the words that are given; without a word, all.
pub(crate) fn run(mut arguments: lexopt::Parser) -> ExitCode {
    let words: Vec<OsString> = match arguments.raw_args() {
        Ok(words) => words.collect(),
        Err(error) => return crate::failed(&error),
    };
    if !environment::is_made() {
        return crate::failed(&environment::enter(&words));
    }
    let words = words.iter().map(|word| word.to_string_lossy().into_owned());
    let words: Vec<String> = words.collect();
    let chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    let strict = std::env::var_os("CI").is_some_and(|value| value == "true");
    let mut summary = Summary::new(strict);
    let steps = STEPS.iter().filter(|(name, _)| chosen(name));
    if steps.clone().next().is_none() {
        let names: Vec<_> = STEPS.iter().map(|(name, _)| *name).collect();
        return crate::failed(&format!("there is no such step: use {}", names.join(", ")));
    }
    for (name, step) in steps {
        println!("\n── {name} ──");
        let start = Cost::so_far();
        let outcome = step();
        let took = start.until_now();
        println!("── {name}: {} in {took}", outcome.word());
        summary.add(name, outcome, took);
    }
    println!("\n{summary}");
    if summary.passes() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
