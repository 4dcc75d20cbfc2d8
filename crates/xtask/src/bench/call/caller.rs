//! The programs that make the calls. Each is told its client, an endpoint and its CA file, the number of users, and of tags
//! a user. It connects; then, for each line with a number, it makes so many calls, and prints a line of JSON about them.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;

use super::Load;
use crate::Error;
use crate::cargo::cargo;
use crate::install::build::Built;
use crate::program::Running;

/// A client: what its rows are called, and its program.
pub(super) struct Caller {
    pub(super) name: &'static str,
    /// The row of what people use there without this library.
    pub(super) peer: Option<&'static str>,
    pub(super) timed: Command,
    /// The same with an allocator that counts, and with threads and bulk runs: in Rust.
    pub(super) counted: Option<Command>,
}

/// What a client says of a round, in nanoseconds a call, or a user of a bulk run.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Round {
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// Of all threads of the client.
    pub(super) cpu: f64,
    /// Of the whole round. Where several threads call, it is less than a call takes.
    #[serde(default)]
    pub(super) time: f64,
}

/// What a client allocates in a call, or for a user of a bulk run.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Allocated {
    pub(super) allocations: f64,
    pub(super) bytes: f64,
}

/// The clients, built in a profile. The first is what the others are compared with.
pub(super) fn built(profile: &str) -> Result<Vec<Caller>, Error> {
    let mut build = cargo(["build", "--quiet", "-p", "bench-clients", "--bins"]);
    build.args(["--profile", profile, "--message-format", "json"]);
    let built = Built::new(build)?;
    let [timed, counted] = [built.file("timed")?, built.file("counted")?];
    let in_rust = [
        ("floor", "floor", None),
        ("ureq", "ureq", None),
        ("imtag, Rust", "imtag", Some("ureq")),
    ];
    let callers = in_rust.map(|(name, client, peer)| {
        let command = |program| {
            let mut command = Command::new(program);
            command.arg(client);
            command
        };
        Caller {
            name,
            peer,
            timed: command(&timed),
            counted: Some(command(&counted)),
        }
    });
    Ok(callers.into())
}

impl Load<'_> {
    /// A client's program with its arguments.
    pub(super) fn command(&self, program: &Command) -> Command {
        let mut command = after(&self.on, program);
        command.arg(self.endpoint).arg(&self.ca_file);
        command.args([self.users, self.tags].map(|count| count.to_string()));
        command.args(&self.work);
        command
    }
}

/// The command, started by what is put before it.
fn after(before: &[String], command: &Command) -> Command {
    let mut words = before.iter().map(AsRef::as_ref);
    let mut words = words
        .by_ref()
        .chain([command.get_program()])
        .chain(command.get_args());
    let mut other = Command::new(words.next().unwrap_or_default());
    other.args(words);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        other.current_dir(folder);
    }
    other
}

/// A client that is connected, and makes as many calls as it is told to.
pub(super) struct Client {
    orders: ChildStdin,
    figures: BufReader<ChildStdout>,
    running: Running,
}

impl Client {
    pub(super) fn start(command: &mut Command) -> Result<Client, Error> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Running::start(command)?;
        let ends = running.0.stdin.take().zip(running.0.stdout.take());
        let (orders, figures) = ends.ok_or("a client without its pipes")?;
        Ok(Client {
            orders,
            figures: BufReader::new(figures),
            running,
        })
    }

    pub(super) fn measure<F: for<'f> Deserialize<'f>>(&mut self, calls: u64) -> Result<F, Error> {
        writeln!(self.orders, "{calls}")?;
        let mut line = String::new();
        self.figures.read_line(&mut line)?;
        let figures = serde_json::from_str(&line);
        figures.map_err(|error| format!("a client printed {line:?}: {error}").into())
    }
}

/// The system calls of a call: what more calls cost more. `None` where strace is not installed, or may not trace.
pub(super) fn system_calls(client: &Command, counted: u64) -> Option<u64> {
    let count = |calls: u64| -> Result<u64, Error> {
        let trace = tempfile::NamedTempFile::new()?;
        let strace = ["strace", "-f", "-qq", "-o", &trace.path().to_string_lossy()];
        let mut client = Client::start(&mut after(&strace.map(str::to_owned), client))?;
        let _: Round = client.measure(calls)?;
        let Client {
            orders,
            mut running,
            ..
        } = client;
        drop(orders); // the client ends with its input, and so strace with the whole trace
        running.0.wait()?;
        Ok(std::fs::read_to_string(trace.path())?.lines().count() as u64)
    };
    // an odd line of strace about a process that it starts with is rounded away
    let more = count(1 + counted).ok()?.saturating_sub(count(1).ok()?);
    Some((more + counted / 2) / counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_calls_that_cannot_be_counted_are_left_out() {
        assert_eq!(system_calls(&Command::new("/nowhere/client"), 1), None);
    }

    #[test]
    fn what_is_put_before_a_command_starts_it_as_it_was() {
        let mut command = Command::new("client");
        command.arg("floor").current_dir("/").env("A", "1");
        command.env_remove("B");
        let command = after(&["strace".to_owned(), "-f".to_owned()], &command);
        let words: Vec<_> = command.get_args().collect();
        assert_eq!(command.get_program(), "strace");
        assert_eq!(words, ["-f", "client", "floor"]);
        let expected = [("A".as_ref(), Some("1".as_ref())), ("B".as_ref(), None)];
        assert_eq!(command.get_envs().collect::<Vec<_>>(), expected);
        assert_eq!(command.get_current_dir(), Some("/".as_ref()));
    }
}
