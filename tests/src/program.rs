//! Other programs, started for what they print or for what they do. An error names the program, and what it complained
//! of; one that does not end is killed.

use std::io::{self, Read, Seek};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;

/// No program that is waited for takes so long, on a busy machine either.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// What this machine lacks. A check that needs it is skipped.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Missing(pub String);

/// What `command` prints. The error has what it complained of.
pub fn output(command: &mut Command) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut printed = [tempfile::tempfile()?, tempfile::tempfile()?];
    let [out, complaint] = &printed;
    command
        .stdout(out.try_clone()?)
        .stderr(complaint.try_clone()?);
    let status = Running::start(command.stdin(Stdio::null()))?.end(LIMIT)?;
    let mut text = || -> io::Result<Vec<String>> {
        let files = printed.iter_mut().map(|file| {
            let mut bytes = Vec::new();
            file.rewind()?;
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        });
        files.collect()
    };
    let text = text()?;
    if status.success() {
        return Ok(text.into_iter().next().unwrap_or_default());
    }
    let complaint = text.join("\n");
    Err(format!("{program}: {status}: {}", complaint.trim()).into())
}

/// Runs a command whose output goes to the terminal as it is. The command itself is told on standard error, as what it
/// prints may be for a program to read.
pub fn run(command: &mut Command) -> Result<(), Error> {
    eprintln!("{}", as_typed(command));
    end_well(command)
}

/// The same, without a word.
pub fn end_well(command: &mut Command) -> Result<(), Error> {
    let status = Running::start(command)?.end(LIMIT)?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{}: {status}", as_typed(command)).into())
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

    /// Waits for its end.
    fn end(mut self, limit: Duration) -> Result<ExitStatus, Error> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            if start.elapsed() > limit {
                return Err(
                    format!("it did not end in {} s, and is killed", limit.as_secs()).into(),
                );
            }
            thread::sleep(Duration::from_millis(5));
        }
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

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn a_program_that_is_missing_or_fails_is_named() {
        let failing = output(&mut shell("echo no room >&2; exit 3")).unwrap_err();
        assert_eq!(failing.to_string(), "sh: exit status: 3: no room");
        let failing = run(Command::new("false").args(["vet", "./..."])).unwrap_err();
        assert_eq!(failing.to_string(), "false vet ./...: exit status: 1");
        let missing = || Command::new("no-such-program");
        let errors = [output(&mut missing()).err(), run(&mut missing()).err()];
        for error in errors {
            let error = error.unwrap().to_string();
            assert!(
                error.starts_with("cannot start no-such-program: "),
                "{error}"
            );
        }
    }

    #[test]
    fn a_program_that_does_not_end_is_killed() {
        let running = Running::start(&mut shell("exec sleep 1000")).unwrap();
        let id = running.0.id();
        let error = running.end(Duration::ZERO).unwrap_err().to_string();
        assert_eq!(error, "it did not end in 0 s, and is killed");
        assert!(!Path::new(&format!("/proc/{id}")).exists());
    }

    #[test]
    fn standard_output_is_left_to_what_a_command_prints() {
        let source = include_str!("program.rs");
        let (code, _) = source.split_once("mod tests").unwrap();
        assert!(!code.replace("eprintln!", "").contains("println!"));
        assert!(code.contains("eprintln!"));
    }

    #[test]
    fn a_command_is_written_as_a_person_would_type_it() {
        assert_eq!(as_typed(&cargo(["fmt", "--all"])), "cargo fmt --all");
    }
}
