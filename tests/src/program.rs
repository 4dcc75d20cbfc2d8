//! Other programs, started for what they print or for what they do. An error names the program, and what it complained
//! of; one that does not end within a limit is killed.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::Error;

/// A task of a person takes as long as it takes.
const NO_LIMIT: Duration = Duration::MAX;

/// What this machine lacks. A check that needs it is skipped.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Missing(pub String);

/// What `command` prints. The error has what it complained of.
pub fn output(command: &mut Command) -> Result<String, Error> {
    output_within(command, NO_LIMIT)
}

/// The same, for a command that is killed where it does not end.
pub fn output_within(command: &mut Command, limit: Duration) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut printed = [tempfile::tempfile()?, tempfile::tempfile()?];
    let [out, complaint] = &printed;
    command
        .stdout(out.try_clone()?)
        .stderr(complaint.try_clone()?);
    let status = ended(command.stdin(Stdio::null()), limit)?;
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
    end_well(command, NO_LIMIT)
}

/// The same, without a word; killed where it does not end.
pub fn end_well(command: &mut Command, limit: Duration) -> Result<(), Error> {
    let status = ended(command, limit)?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{}: {status}", as_typed(command)).into())
    }
}

/// Starts a command and waits for its end.
fn ended(command: &mut Command, limit: Duration) -> Result<ExitStatus, Error> {
    let mut running = Running::start(command)?;
    let start = Instant::now();
    loop {
        if let Some(status) = running.0.try_wait()? {
            return Ok(status);
        }
        if start.elapsed() > limit {
            running.kill_with_descendants();
            let (what, limit) = (as_typed(command), limit.as_secs());
            return Err(format!("{what}: not ended in {limit} s, and killed").into());
        }
        thread::sleep(Duration::from_millis(5));
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

    /// Starts it, and waits for the first line that it prints, or its end. What it prints later stays in its pipe.
    pub fn with_first_line(command: &mut Command) -> Result<(Running, String), Error> {
        let mut running = Running::start(command.stdout(Stdio::piped()))?;
        let out = running.0.stdout.as_mut().ok_or("it has no output")?;
        let mut line = String::new();
        BufReader::with_capacity(1, out).read_line(&mut line)?;
        Ok((running, line))
    }

    /// Kills what it started too: `cargo test` starts the test that hangs. A process group would do it in one call,
    /// and take the program from the terminal's, so that Ctrl-C would not reach it.
    fn kill_with_descendants(&self) {
        for id in with_descendants(self.0.id() as i32) {
            let _ = kill(Pid::from_raw(id), Signal::SIGKILL); // it may have ended
        }
    }
}

/// A process and all that descend from it, as /proc knows them. Each is stopped before its children are looked for: else
/// it could start one more meanwhile, which nobody would kill.
fn with_descendants(id: i32) -> Vec<i32> {
    let _ = kill(Pid::from_raw(id), Signal::SIGSTOP); // it may have ended
    while state_and_parent(id).is_some_and(|(state, _)| !"TtZX".contains(state)) {
        thread::sleep(Duration::from_millis(1));
    }
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |child: &i32| state_and_parent(*child).is_some_and(|(_, parent)| parent == id);
    let children: Vec<i32> = ids.filter(is_child).collect();
    let mut found = vec![id];
    found.extend(children.into_iter().flat_map(with_descendants));
    found
}

/// What /proc says of a process; nothing if it has ended.
fn state_and_parent(id: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut rest = stat.rsplit_once(") ")?.1.split(' ');
    Some((rest.next()?.chars().next()?, rest.next()?.parse().ok()?))
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
    fn a_program_that_does_not_end_is_killed_and_named() {
        let error = ended(&mut shell("exec sleep 1000"), Duration::ZERO).unwrap_err();
        let expected = "sh -c exec sleep 1000: not ended in 0 s, and killed";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn what_a_program_started_is_killed_with_it() {
        let mut shell = shell("(sleep 1000; true) & echo started; wait");
        let (mut running, mut said) = Running::with_first_line(&mut shell).unwrap();
        running.kill_with_descendants();
        // which ends when the last that could write to it has ended
        let out = running.0.stdout.as_mut().unwrap();
        out.read_to_string(&mut said).unwrap();
        assert_eq!(said, "started\n");
    }

    #[test]
    fn the_first_line_is_waited_for_and_the_others_stay_to_be_read() {
        let mut shell = shell("echo one; echo two");
        let (mut running, first) = Running::with_first_line(&mut shell).unwrap();
        let rest = io::read_to_string(running.0.stdout.take().unwrap()).unwrap();
        assert_eq!((&*first, &*rest), ("one\n", "two\n"));
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
