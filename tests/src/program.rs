//! Other programs, started for what they print or for what they do. An error names the program, and what it complained of.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::error::Error;

/// What this machine lacks. A check that needs it is skipped.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Missing(pub String);

/// What `command` prints. The error has what it complained of.
pub fn output(command: &mut Command) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program} cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let [printed, complaint] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).trim().to_owned());
    let complaint = format!("{printed}\n{complaint}");
    Err(format!("{program}: {}: {}", output.status, complaint.trim()).into())
}

/// Runs a command whose output goes to the terminal as it is. The command itself is told on standard error, as what it prints
/// may be for a program to read.
pub fn run(command: &mut Command) -> Result<(), Error> {
    let written = as_typed(command);
    eprintln!("{written}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{written}: {status}").into()),
        Err(error) => Err(format!("cannot start {written}: {error}").into()),
    }
}

/// The command as a person would type it.
pub fn as_typed(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

/// A program that runs beside this one. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running(pub Child);

impl Running {
    pub fn start(command: &mut Command) -> Result<Running, Error> {
        let program = command.get_program().to_string_lossy().into_owned();
        let started = command.spawn().map(Running);
        started.map_err(|error| format!("cannot start {program}: {error}").into())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // one that has ended by itself cannot be killed, and need not be
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::cargo;

    #[test]
    fn a_program_that_is_missing_or_fails_is_named() {
        let complains = ["-c", "echo no room >&2; exit 3"];
        let failing = output(Command::new("sh").args(complains)).unwrap_err();
        assert_eq!(failing.to_string(), "sh: exit status: 3: no room");
        let failing = run(Command::new("false").args(["vet", "./..."])).unwrap_err();
        assert_eq!(failing.to_string(), "false vet ./...: exit status: 1");
        let missing = || Command::new("no-such-program");
        let errors = [
            (
                output(&mut missing()).err(),
                "no-such-program cannot be started: ",
            ),
            (run(&mut missing()).err(), "cannot start no-such-program: "),
            (
                Running::start(&mut missing()).err(),
                "cannot start no-such-program: ",
            ),
        ];
        for (error, start) in errors {
            let error = error.unwrap().to_string();
            assert!(error.starts_with(start), "{error}");
        }
    }

    #[test]
    fn standard_output_is_left_to_what_a_command_prints() {
        let source = include_str!("program.rs");
        let (code, _) = source.split_once("mod tests").unwrap();
        assert!(!code.replace("eprintln!", "").contains("println!"));
        assert!(code.contains("eprintln!(\"{written}\")"));
    }

    #[test]
    fn a_command_is_written_as_a_person_would_type_it() {
        assert_eq!(as_typed(&cargo(["fmt", "--all"])), "cargo fmt --all");
    }
}
