//! `cargo xtask TASK`: the project's own tasks. Here is only which task a word starts, and the exit code: 0 done,
//! 1 failed. A task is a file or a folder of its name.

mod bench;
mod dist;
mod errors;
mod generated;
mod header;
mod install;
mod lock;
mod sample;
mod test;
mod tsan;

use std::process::ExitCode;

use imtag_checks::{Error, cargo, chaos, conformance, cost, metadata, program, pypi, quota, scene};

const HELP: &str = "\
Usage: cargo xtask TASK

  bench NAME          measure what no test can assert, beside a peer
  chaos               import a million users while everything goes wrong, and
                      compare; chaos serve: post 200,000 changes that last
  conformance         play the cases of tests/conformance in every language
  dist                build what is shipped to machines without Rust into
                      target/artefacts: it takes minutes
  errors [--check]    write docs/errors.md from the error catalogue, or say
                      whether it is stale
  header [--check]    write include/imtag.h from the crate ffi, or say whether
                      it is stale
  install --prefix DIR  build the libraries and install them
  lock [--upgrade]    write the locks of what is installed from PyPI
  quota [--shared]    simulate the quota rule, and print what it reaches: one
                      process alone, or many that share a quota
  sample              write a sample CSV file
  test [--long] [STEP …]  run every check there is, or those whose name holds
                      one of the words; what cannot run is skipped by name,
                      and with CI=true a failure
  tsan [FILTER …]     run transport's tests under ThreadSanitizer: minutes, and
                      2 GiB of disk

`cargo xtask TASK --help` has the options of one that has more.
";

fn main() -> ExitCode {
    run(lexopt::Parser::from_env()).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

fn run(mut arguments: lexopt::Parser) -> Result<ExitCode, Error> {
    match arguments.value() {
        Ok(task) if task == "bench" => bench::run(arguments)?,
        Ok(task) if task == "chaos" => chaos::run(arguments)?,
        Ok(task) if task == "conformance" => conformance::run(arguments)?,
        Ok(task) if task == "dist" => dist::run(arguments)?,
        Ok(task) if task == "errors" => errors::run(arguments)?,
        Ok(task) if task == "header" => header::run(arguments)?,
        Ok(task) if task == "install" => install::run(arguments)?,
        Ok(task) if task == "lock" => lock::run(arguments)?,
        Ok(task) if task == "quota" => return quota::run(arguments),
        Ok(task) if task == "sample" => sample::run(arguments)?,
        Ok(task) if task == "test" => return test::run(arguments),
        Ok(task) if task == "tsan" => tsan::run(arguments)?,
        Ok(task) if task == "help" || task == "--help" || task == "-h" => print!("{HELP}"),
        Ok(task) => return Err(format!("there is no task {task:?}\n\n{HELP}").into()),
        Err(_) => return Err(format!("which task?\n\n{HELP}").into()),
    }
    Ok(ExitCode::SUCCESS)
}
