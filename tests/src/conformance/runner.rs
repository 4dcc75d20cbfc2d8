//! A language's runner: one process for all cases, a line in and a line out, and between them a line each way where a
//! case waits for requests to arrive. One that hangs or dies costs its case alone: another is started for the next.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::program;

/// No case takes so long.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Runner {
    command: Command,
    running: Option<Running>,
}

/// Waits until a number of requests has arrived; the error says why they do not.
pub(super) type Arrived<'a> = &'a dyn Fn(u64) -> Result<(), String>;

struct Running {
    child: program::Running,
    cases: ChildStdin,
    outcomes: Receiver<String>,
}

impl Runner {
    /// Started with the first case.
    pub(super) fn new(command: Command) -> Runner {
        Runner {
            command,
            running: None,
        }
    }

    /// Another, whose process has these variables too.
    pub(super) fn with_environment(&self, variables: &[(String, String)]) -> Runner {
        let mut command = Command::new(self.command.get_program());
        command.args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(folder) = self.command.get_current_dir() {
            command.current_dir(folder);
        }
        command.envs(variables.iter().cloned());
        Runner::new(command)
    }

    /// Has a case played; `arrived` waits for requests on its behalf. The error says why there is no outcome.
    pub(super) fn outcome(&mut self, case: &Value, arrived: Arrived) -> Result<Value, String> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => Running::start(&mut self.command)?,
        };
        let outcome = running.outcome(case, arrived)?;
        self.running = Some(running);
        Ok(outcome)
    }

    /// Lets it end, as it does when there are no more cases; says how, if not well.
    pub(super) fn end(self) -> Result<(), String> {
        let Some(Running {
            mut child,
            cases,
            outcomes,
        }) = self.running
        else {
            return Ok(());
        };
        drop(cases);
        match outcomes.recv_timeout(TIMEOUT) {
            Err(RecvTimeoutError::Disconnected) => ended(&mut child),
            Err(RecvTimeoutError::Timeout) => Err("it does not end".to_owned()),
            Ok(more) => Err(format!("it said more than it was asked: {more}")),
        }
    }
}

impl Running {
    fn start(command: &mut Command) -> Result<Running, String> {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = program::Running::start(command).map_err(|why| why.to_string())?;
        let pipes = child.0.stdin.take().zip(child.0.stdout.take());
        let (cases, output) = pipes.ok_or("it has no pipes")?;
        let (sender, outcomes) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(output).lines().map_while(Result::ok);
            // the receiver is gone once the runner is dropped
            lines.try_for_each(|line| sender.send(line))
        });
        Ok(Running {
            child,
            cases,
            outcomes,
        })
    }

    fn outcome(&mut self, case: &Value, arrived: Arrived) -> Result<Value, String> {
        let mut line = case.to_string();
        loop {
            if writeln!(self.cases, "{line}").is_err() {
                return Err(self.death());
            }
            let said = self.read()?;
            let Some(count) = said.get("await_arrivals").and_then(Value::as_u64) else {
                return Ok(said);
            };
            arrived(count)?;
            line = json!({"arrived": count}).to_string();
        }
    }

    fn read(&mut self) -> Result<Value, String> {
        match self.outcomes.recv_timeout(TIMEOUT) {
            Ok(line) => serde_json::from_str(&line)
                .map_err(|error| format!("its outcome is not JSON: {error}: {line}")),
            Err(RecvTimeoutError::Timeout) => Err(format!("no outcome in {} s", TIMEOUT.as_secs())),
            Err(RecvTimeoutError::Disconnected) => Err(self.death()),
        }
    }

    /// How it ended, for one that has closed its output.
    fn death(&mut self) -> String {
        let how = ended(&mut self.child).err();
        format!("it died: {}", how.as_deref().unwrap_or("without a word"))
    }
}

fn ended(child: &mut program::Running) -> Result<(), String> {
    match child.0.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never(_: u64) -> Result<(), String> {
        Err("nothing arrives".to_owned())
    }

    fn shell(script: &str) -> Runner {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Runner::new(command)
    }

    #[test]
    fn each_case_gets_its_line_and_the_end_is_waited_for() {
        let mut echo = shell("cat");
        for n in 0..3 {
            assert_eq!(echo.outcome(&json!({"n": n}), &never), Ok(json!({"n": n})));
        }
        assert_eq!(echo.end(), Ok(()));
    }

    #[test]
    fn a_runner_that_dies_costs_its_case_and_is_started_again() {
        let mut mortal = shell("read case; echo $case; read case || exit 0; exit 3");
        assert_eq!(mortal.outcome(&json!(1), &never), Ok(json!(1)));
        let died = mortal.outcome(&json!(2), &never).unwrap_err();
        assert_eq!(died, "it died: exit status: 3");
        assert_eq!(mortal.outcome(&json!(3), &never), Ok(json!(3)));
        assert_eq!(mortal.end(), Ok(()));
    }

    #[test]
    fn what_is_no_json_or_cannot_be_started_is_said() {
        let said = |mut runner: Runner| runner.outcome(&json!(1), &never).unwrap_err();
        let error = said(shell("echo nonsense; cat"));
        assert!(error.starts_with("its outcome is not JSON: "), "{error}");
        let error = said(Runner::new(Command::new("no-such-runner")));
        assert!(
            error.starts_with("cannot start no-such-runner: "),
            "{error}"
        );
    }

    #[test]
    fn a_runner_that_waits_for_arrivals_is_answered_when_they_are_there() {
        let script =
            r#"read case; echo '{"await_arrivals": 3}'; read answer; echo "[$case, $answer]"; cat"#;
        let mut waits = shell(script);
        let asked = std::cell::Cell::new(0);
        let arrived = |count| {
            asked.set(count);
            Ok(())
        };
        let outcome = waits.outcome(&json!("case"), &arrived);
        assert_eq!(outcome, Ok(json!(["case", {"arrived": 3}])));
        assert_eq!(asked.get(), 3);
        let gone = shell(script).outcome(&json!("case"), &never);
        assert_eq!(gone, Err("nothing arrives".to_owned()));
    }
}
