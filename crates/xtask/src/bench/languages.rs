//! The batcher in each of the other languages, a row each: programs of theirs, against an emulator of this process, by
//! a library that is as optimised as this program. What each says of itself is a line of JSON.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use imtag_emulator::Window;
use serde::Deserialize;

use crate::Error;
use crate::cargo::root;
use crate::install;
use crate::program::output;
use crate::scene::{self, CALLS_PER_SECOND, Scene};
use crate::test::{go, python, tools};

/// What one request may hold: the quota is this number of users for each call.
const USERS_A_REQUEST: f64 = 100.0;

/// How it is in one language.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Row {
    pub(super) who: String,
    pub(super) callers: u64,
    pub(super) users: u64,
    pub(super) failed: u64,
    pub(super) seconds: f64,
    /// Milliseconds that a caller waits.
    #[serde(rename = "p50_ms")]
    pub(super) p50: f64,
    #[serde(rename = "p99_ms")]
    pub(super) p99: f64,
}

/// Prints the rows of C, Python and Go below `rust`. A language that this machine lacks says so.
pub(super) fn table(rust: Row, time: Duration) -> Result<(), Error> {
    println!(
        "{:<42} {:>7} {:>8} {:>8} {:>8} {:>8} {:>7}",
        "", "callers", "users/s", "quota", "p50", "p99", "failed"
    );
    let callers = rust.callers;
    println!("{}", rust.line());
    let lib = install::optimised_tree("release")?.join("lib");
    let languages = [
        ("C", compiled("batcher.c", "-limtag", &lib)),
        ("Python", python::batcher_benchmark(&lib)),
        ("Go", go::batcher_benchmark(&lib)),
    ];
    for (language, command) in languages {
        match command {
            Ok(command) => {
                for row in rows(command, callers, time)? {
                    println!("{}", row.line());
                }
            }
            Err(why) => println!("{language}: {why}"),
        }
    }
    Ok(())
}

/// Runs a program against an emulator of its own.
fn rows(mut command: Command, callers: u64, time: Duration) -> Result<Vec<Row>, Error> {
    let Scene { emulator, .. } = Scene::new(Window::Sliding, Duration::ZERO)?;
    scene::set(&mut command, &emulator.endpoint());
    command
        .env("SECONDS", time.as_secs().to_string())
        .env("CALLERS", callers.to_string());
    let printed = output(&mut command)?;
    let lines = printed.lines().filter(|line| line.starts_with('{'));
    lines.map(Row::read).collect()
}

/// A program of tests/bench in C or C++, linked with a library of those in a folder or of the system's.
pub(super) fn compiled(source: &str, library: &str, lib: &Path) -> Result<Command, Error> {
    let (compiler, standard) = if source.ends_with(".cpp") {
        ("g++", "-std=c++17")
    } else {
        ("gcc", "-std=gnu11")
    };
    tools::program(compiler, compiler)?;
    let program = lib.with_file_name(format!("bench-{source}.out"));
    let mut compile = Command::new(compiler);
    compile
        .args([standard, "-O2", "-I"])
        .arg(lib.with_file_name("include"))
        .arg(root().join("tests/bench").join(source))
        .arg("-L")
        .arg(lib)
        .args([library, "-pthread", "-o"])
        .arg(&program);
    output(&mut compile)?;
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", lib);
    Ok(command)
}

impl Row {
    fn read(line: &str) -> Result<Row, Error> {
        let row = serde_json::from_str(line);
        row.map_err(|error| format!("a benchmark printed {line}: {error}").into())
    }

    fn line(&self) -> String {
        let users = self.users.saturating_sub(self.failed) as f64 / self.seconds;
        let share = 100.0 * users / (f64::from(CALLS_PER_SECOND) * USERS_A_REQUEST);
        let Row {
            who,
            callers,
            failed,
            p50,
            p99,
            ..
        } = self;
        format!(
            "{who:<42} {callers:>7} {users:>8.0} {share:>6.1} % {p50:>5.0} ms {p99:>5.0} ms {failed:>7}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_language_prints_becomes_a_row() {
        let line = r#"{"who": "Go, goroutines", "callers": 2000, "users": 95010, "failed": 10, "seconds": 10.0,
            "p50_ms": 201.6, "p99_ms": 310.4}"#;
        let row = Row::read(line).unwrap();
        assert_eq!(
            row.line(),
            "Go, goroutines                                2000     9500   95.0 %   202 ms   310 ms      10"
        );
        assert!(Row::read("{}").is_err());
    }
}
