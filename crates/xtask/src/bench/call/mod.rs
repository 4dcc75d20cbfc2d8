//! `cargo xtask bench call`: what one call costs over a connection that is already there, over the least that a program of
//! one's own costs. Clients take turns in rounds, each a process of its own, and all of them and the server share one core:
//! on two, a call's time is mostly that of waking the other. Nothing of a round is compared with another's.

mod server;
mod table;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;

use super::median;
use super::pin::{cores, pin};
use crate::Error;
use crate::cargo::cargo;
use crate::program::{Running, output};
use server::Server;
use table::{Row, print, print_json};

/// The clients by the names that the examples know. The first is what the others are compared with.
const CLIENTS: [&str; 3] = ["floor", "ureq", "libimtag"];

/// What a call carries: users, and tags of each.
const SIZES: [(&str, usize, usize); 2] = [("small", 1, 1), ("full", 100, 10)];

/// Calls whose allocations and system calls are counted.
const COUNTED: u64 = 100;

struct Options {
    rounds: usize,
    /// Of each client in a round.
    calls: u64,
    json: bool,
}

/// The calls of a table's part.
struct Load<'s> {
    protocol: &'static str,
    endpoint: &'s str,
    ca_file: PathBuf,
    size: &'static str,
    users: usize,
    tags: usize,
}

/// What a client says of a round, in nanoseconds.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Round {
    p50: f64,
    p99: f64,
    /// Of the client's thread, a call.
    cpu: f64,
}

/// What a client allocates in a call.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Allocated {
    allocations: f64,
    bytes: f64,
}

pub(super) fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let mut options = Options {
        rounds: 51,
        calls: 500,
        json: false,
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("quick") => (options.rounds, options.calls) = (11, 200),
            lexopt::Arg::Long("json") => options.json = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let mut build = cargo(["build", "--release", "--package", "xtask"]);
    output(build.args(["--example", "call", "--example", "counted"]))?;
    pin(&cores()?.1)?;
    let server = Server::start()?;
    let mut rows = Vec::new();
    for (protocol, endpoint) in [("plain", &server.plain), ("TLS", &server.tls)] {
        for (size, users, tags) in SIZES {
            let load = Load {
                protocol,
                endpoint,
                ca_file: server.ca_file(),
                size,
                users,
                tags,
            };
            rows.extend(measure(&server, &load, &options)?);
        }
    }
    if options.json {
        print_json(&rows)
    } else {
        print(&rows);
        Ok(())
    }
}

/// The rows of all clients for these calls.
fn measure(server: &Server, load: &Load<'_>, options: &Options) -> Result<Vec<Row>, Error> {
    let timed = example("call")?;
    let started = CLIENTS.map(|name| Client::start(&mut command(&timed, name, load)));
    let mut clients = started.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut rounds: Vec<Vec<Round>> = Vec::new();
    for round in 0..options.rounds {
        // each goes first in its turn, so that none always finds the caches as the same other left them
        let first = round % CLIENTS.len();
        clients.rotate_left(first);
        let figures = clients
            .iter_mut()
            .map(|client| client.measure(options.calls));
        let mut figures = figures.collect::<Result<Vec<_>, _>>()?;
        clients.rotate_right(first);
        figures.rotate_right(first);
        rounds.push(figures);
    }
    let counted = example("counted")?;
    let rows = CLIENTS.iter().enumerate().map(|(at, name)| {
        let mut counting = Client::start(&mut command(&counted, name, load))?;
        let allocated: Allocated = counting.measure(COUNTED)?;
        let figure = |figure: fn(Round) -> f64| median(rounds.iter().map(|it| figure(it[at])));
        let ratios =
            |figure: fn(Round) -> f64| rounds.iter().map(move |it| figure(it[at]) / figure(it[0]));
        Ok(Row {
            protocol: load.protocol,
            size: load.size,
            client: name,
            p50: figure(|it| it.p50),
            p99: figure(|it| it.p99),
            cpu: figure(|it| it.cpu),
            p50_ratio: median(ratios(|it| it.p50)),
            p50_ratio_least: ratios(|it| it.p50).fold(f64::MAX, f64::min),
            p50_ratio_most: ratios(|it| it.p50).fold(0.0, f64::max),
            cpu_ratio: median(ratios(|it| it.cpu)),
            allocations: allocated.allocations,
            allocated_bytes: allocated.bytes,
            body_bytes: server.last_body(),
            system_calls: system_calls(&timed, name, load),
        })
    });
    rows.collect()
}

/// The path of a built example. It lies beside this program.
fn example(name: &str) -> Result<PathBuf, Error> {
    let this = std::env::current_exe()?;
    Ok(this.with_file_name("examples").join(name))
}

fn command(program: &Path, name: &str, load: &Load<'_>) -> Command {
    let mut command = Command::new(program);
    command.args([name, load.endpoint]).arg(&load.ca_file);
    command.args([load.users, load.tags].map(|count| count.to_string()));
    command
}

/// A client that is connected, and makes as many calls as it is told to.
struct Client {
    orders: ChildStdin,
    figures: BufReader<ChildStdout>,
    _running: Running,
}

impl Client {
    fn start(command: &mut Command) -> Result<Client, Error> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Running::start(command)?;
        let ends = running.0.stdin.take().zip(running.0.stdout.take());
        let (orders, figures) = ends.ok_or("a client without its pipes")?;
        Ok(Client {
            orders,
            figures: BufReader::new(figures),
            _running: running,
        })
    }

    fn measure<F: for<'f> Deserialize<'f>>(&mut self, calls: u64) -> Result<F, Error> {
        writeln!(self.orders, "{calls}")?;
        let mut line = String::new();
        self.figures.read_line(&mut line)?;
        let figures = serde_json::from_str(&line);
        figures.map_err(|error| format!("a client printed {line:?}: {error}").into())
    }
}

/// The system calls of a call: what more calls cost more. `None` where strace is not installed, or may not trace.
fn system_calls(program: &Path, name: &str, load: &Load<'_>) -> Option<u64> {
    let count = |calls: u64| -> Result<u64, Error> {
        let trace = tempfile::NamedTempFile::new()?;
        let traced = command(program, name, load);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o"]).arg(trace.path());
        strace.arg(traced.get_program()).args(traced.get_args());
        let mut client = Client::start(&mut strace)?;
        let _: Round = client.measure(calls)?;
        let Client {
            orders,
            _running: mut running,
            ..
        } = client;
        drop(orders); // the client ends with its input, and so strace with the whole trace
        running.0.wait()?;
        Ok(std::fs::read_to_string(trace.path())?.lines().count() as u64)
    };
    // an odd line of strace about a process that it starts with is rounded away
    let more = count(1 + COUNTED).ok()?.saturating_sub(count(1).ok()?);
    Some((more + COUNTED / 2) / COUNTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_calls_that_cannot_be_counted_are_left_out() {
        let load = Load {
            protocol: "plain",
            endpoint: "http://127.0.0.1:1",
            ca_file: PathBuf::new(),
            size: "small",
            users: 1,
            tags: 1,
        };
        let missing = Path::new("/nowhere/client");
        assert_eq!(system_calls(missing, "floor", &load), None);
    }
}
