//! `cargo xtask test`: every check there is, in an order that finds the cheap faults first. A failing check does not
//! stop the ones after it; the summary names each. What a machine lacks is installed, and where it cannot be, the
//! check is skipped by name; with `CI=true` in the environment that is a failure.
//!
//! All steps share one profile and, but for the lints of the command line without its emulator, the features of the
//! whole workspace, so that hardly anything is built twice: tests once, and the metadata of the dependencies once for
//! lints and documentation.

mod readme;
mod steps;
mod summary;
mod tools;

use std::process::ExitCode;
use std::time::Instant;

use steps::STEPS;
use summary::Summary;

pub(crate) fn run() -> ExitCode {
    let strict = std::env::var_os("CI").is_some_and(|value| value == "true");
    let mut summary = Summary::new(strict);
    for (name, step) in STEPS {
        println!("\n── {name} ──");
        let start = Instant::now();
        let outcome = step();
        let took = start.elapsed();
        println!(
            "── {name}: {} in {:.1} s",
            outcome.word(),
            took.as_secs_f32()
        );
        summary.add(name, outcome, took);
    }
    println!("\n{summary}");
    if summary.passes() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
