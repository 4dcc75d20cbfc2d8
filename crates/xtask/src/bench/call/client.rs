//! The programs that make the calls. Each is told its client, an endpoint and its CA file, the number of users, and of tags
//! a user. It connects; then, for each line with a number, it makes so many calls, and prints a line of JSON about them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;

use crate::Error;
use crate::bench::against::{OTHER, OtherCommit};
use crate::bench::languages::{missing, program};
use crate::cargo::cargo;
use crate::install::build::Built;
use crate::install::{self, tree};
use crate::program::Running;

/// Calls whose allocations and system calls are counted.
pub(super) const COUNTED: u64 = 100;

/// A client: what its rows are called, and its program.
pub(super) struct Client {
    pub(super) name: &'static str,
    /// What it is compared with: the least that there is, and what people use there without this library.
    pub(super) over: Vec<&'static str>,
    pub(super) timed: Program,
    /// The same with an allocator that counts, and with threads and bulk runs: in Rust.
    pub(super) counted: Option<Program>,
    /// The libimtag.so that it has to load.
    pub(super) library: Option<PathBuf>,
}

/// What a client says of a round, in nanoseconds a call, or a user of a bulk run.
#[derive(Deserialize)]
pub(super) struct Round {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) cpu: f64,
    pub(super) time: f64,
}

/// What a client allocates in a call, or for a user of a bulk run.
#[derive(Deserialize)]
pub(super) struct Allocated {
    pub(super) allocations: f64,
    pub(super) bytes: f64,
}

/// The clients, built in a profile, and what this machine lacks for others.
pub(super) fn built(
    profile: &str,
    other: Option<&OtherCommit>,
) -> Result<(Vec<Client>, Vec<String>), Error> {
    let mut clients = Vec::new();
    let build = || {
        let build = [
            "build",
            "--quiet",
            "-p",
            "bench-clients",
            "--bins",
            "--profile",
            profile,
        ];
        cargo(build)
    };
    let ours = if other.is_some() { OTHER } else { "ureq" };
    let here = Built::new(build())?;
    for (name, client, peer) in [
        ("floor", "floor", None),
        ("ureq", "ureq", None),
        ("imtag, Rust", "imtag", Some(ours)),
    ] {
        clients.push(Client::in_rust(&here, name, client, peer)?);
    }
    if let Some(other) = other {
        let there = Built::new(other.inside(build()))?;
        clients.push(Client::in_rust(&there, OTHER, "imtag", None)?);
    }
    let prefix = install::optimised_tree(profile)?;
    let library = prefix.join("lib").join(tree::file_name()).canonicalize()?;
    let mut lacks = Vec::new();
    for (language, peer, ours) in [
        ("libcurl", Some("libcurl"), None),
        ("C", None, Some(("imtag, C", "libcurl"))),
        ("C++", None, Some(("imtag, C++", "libcurl"))),
        ("Go", Some("net/http"), Some(("imtag, Go", "net/http"))),
        ("Python", Some("urllib3"), Some(("imtag, Py", "urllib3"))),
    ] {
        if let Some(why) = missing(language) {
            lacks.push(why);
            continue;
        }
        let program = Program(program(language, "call", &prefix)?);
        clients.extend(peer.map(|peer| Client::new(peer, program.with(peer))));
        clients.extend(ours.map(|(name, peer)| Client {
            over: vec!["floor", peer],
            library: Some(library.clone()),
            ..Client::new(name, program.with("imtag"))
        }));
    }
    Ok((clients, lacks))
}

impl Client {
    fn new(name: &'static str, timed: Program) -> Client {
        Client {
            name,
            over: vec!["floor"],
            timed,
            counted: None,
            library: None,
        }
    }

    /// The library is part of the program, which refuses to be measured where it is not optimised.
    fn in_rust(
        built: &Built,
        name: &'static str,
        client: &str,
        peer: Option<&'static str>,
    ) -> Result<Client, Error> {
        let program = |file| Ok::<_, Error>(Program(Command::new(built.file(file)?)).with(client));
        Ok(Client {
            // the floor is compared with nothing
            over: ["floor"]
                .into_iter()
                .filter(|it| *it != name)
                .chain(peer)
                .collect(),
            counted: Some(program("counted")?),
            ..Client::new(name, program("timed")?)
        })
    }
}

/// A program with its first arguments, its folder and its variables, which is started more than once.
pub(super) struct Program(Command);

impl Program {
    fn with(&self, client: &str) -> Program {
        Program(self.command(&[client.to_owned()]))
    }

    /// With more arguments.
    pub(super) fn command(&self, arguments: &[String]) -> Command {
        self.started_by(Command::new(self.0.get_program()), arguments)
    }

    fn started_by(&self, mut command: Command, arguments: &[String]) -> Command {
        command.args(self.0.get_args()).args(arguments);
        for (name, value) in self.0.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(folder) = self.0.get_current_dir() {
            command.current_dir(folder);
        }
        command
    }

    /// The system calls of a call: what more calls cost more. None where strace is not installed, or may not trace.
    pub(super) fn system_calls(&self, arguments: &[String]) -> Option<f64> {
        let count = |calls: u64| -> Result<usize, Error> {
            let trace = tempfile::NamedTempFile::new()?;
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "-o"]).arg(trace.path());
            strace.arg(self.0.get_program());
            let mut client = Connected::start(self.started_by(strace, arguments))?;
            let _: Round = client.measure(calls)?;
            drop(client.orders); // the client ends with its input, and so strace with the whole trace
            client.running.0.wait()?;
            Ok(fs::read_to_string(trace.path())?.lines().count())
        };
        // an odd line of strace about a process that it starts with is rounded away
        let more = count(1 + COUNTED).ok()?.saturating_sub(count(1).ok()?);
        Some((more as f64 / COUNTED as f64).round())
    }
}

/// A client that is connected, and makes as many calls as it is told to.
pub(super) struct Connected {
    orders: ChildStdin,
    figures: BufReader<ChildStdout>,
    running: Running,
}

impl Connected {
    pub(super) fn start(mut command: Command) -> Result<Connected, Error> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Running::start(&mut command)?;
        let ends = running.0.stdin.take().zip(running.0.stdout.take());
        let (orders, figures) = ends.ok_or("a client without its pipes")?;
        Ok(Connected {
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

    /// Refuses a client that has loaded another libimtag.so than the one that was built for it, which may be one of debug.
    pub(super) fn has_loaded(&mut self, library: &Path) -> Result<(), Error> {
        let _: Round = self.measure(1)?; // it has loaded all that it needs for that
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.running.0.id()))?;
        let files = maps
            .lines()
            .filter_map(|line| Some(&line[line.find('/')?..]));
        let mut loaded: Vec<_> = files.filter(|it| it.contains("/libimtag.so")).collect();
        loaded.dedup();
        if loaded == [library.to_string_lossy()] {
            return Ok(());
        }
        Err(format!("a client has loaded {loaded:?}, not {}", library.display()).into())
    }
}
