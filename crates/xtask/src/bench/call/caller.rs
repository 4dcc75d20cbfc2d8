//! The programs that make the calls. Each is told its client, an endpoint and its CA file, the number of users, and of tags
//! a user. It connects; then, for each line with a number, it makes so many calls, and prints a line of JSON about them.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;

use super::Load;
use crate::Error;
use crate::bench::against::Worktree;
use crate::bench::languages::compiled;
use crate::cargo::cargo;
use crate::install::build::Built;
use crate::install::{self, tree};
use crate::program::Running;
use crate::test::{go, python};

/// A client: what its rows are called, and its program.
pub(super) struct Caller {
    pub(super) name: &'static str,
    /// The row of what people use there without this library.
    pub(super) peer: Option<&'static str>,
    pub(super) timed: Command,
    /// The same with an allocator that counts, and with threads and bulk runs: in Rust.
    pub(super) counted: Option<Command>,
    /// The libimtag.so that it has to load.
    pub(super) library: Option<PathBuf>,
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
    /// Of the last request's body.
    #[serde(skip)]
    pub(super) body_bytes: usize,
}

/// What a client allocates in a call, or for a user of a bulk run.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Allocated {
    pub(super) allocations: f64,
    pub(super) bytes: f64,
}

/// The clients, built in a profile, and why some are missing. The first is what the others are compared with.
pub(super) fn built(profile: &str) -> Result<(Vec<Caller>, Vec<String>), Error> {
    let callers = [
        ("floor", "floor", None),
        ("ureq", "ureq", None),
        (OURS, "imtag", Some("ureq")),
    ];
    let mut callers = in_rust(build(profile), &callers)?;
    let prefix = install::optimised_tree(profile)?;
    let lib = prefix.join("lib");
    let library = lib.join(tree::file_name()).canonicalize()?;
    let c = |source| compiled(source, "-limtag", &lib);
    // without its headers: it is installed in more places than they are
    let libcurl = compiled("call_curl.c", "-l:libcurl.so.4", &lib);
    let others = [
        ("libcurl", "libcurl", None, libcurl),
        ("imtag, C", "imtag", Some("libcurl"), c("call.c")),
        ("imtag, C++", "imtag", Some("libcurl"), c("call.cpp")),
    ];
    let go = || go::call_benchmark(&prefix);
    let python = || python::call_benchmark(&lib);
    let others = others.into_iter().chain([
        ("net/http, Go", "net/http", None, go()),
        ("imtag, Go", "imtag", Some("net/http, Go"), go()),
        ("urllib3, Py", "urllib3", None, python()),
        ("imtag, Py", "imtag", Some("urllib3, Py"), python()),
    ]);
    let mut missing = Vec::new();
    for (name, client, peer, program) in others {
        match program {
            Ok(mut timed) => {
                timed.arg(client);
                callers.push(Caller {
                    name,
                    peer,
                    timed,
                    counted: None,
                    library: (client == "imtag").then(|| library.clone()),
                });
            }
            Err(why) => {
                let why = why.to_string();
                missing.push(format!(
                    "{name}: {}",
                    why.lines().next().unwrap_or_default()
                ));
            }
        }
    }
    Ok((callers, missing))
}

/// What the row of this library in Rust is called.
const OURS: &str = "imtag, Rust";

/// What the row of another commit's client is called.
const OTHER: &str = "other commit";

/// Adds the client in Rust of another commit, and compares with it the one of this commit.
pub(super) fn add_other(
    callers: &mut Vec<Caller>,
    other: &Worktree,
    profile: &str,
) -> Result<(), Error> {
    let mut build = build(profile);
    other.inside(&mut build);
    let ours = callers.iter_mut().find(|it| it.name == OURS);
    ours.ok_or("there is no client to compare with")?.peer = Some(OTHER);
    callers.extend(in_rust(build, &[(OTHER, "imtag", None)])?);
    Ok(())
}

/// The build of the clients in Rust.
fn build(profile: &str) -> Command {
    let mut build = cargo(["build", "--quiet", "-p", "bench-clients", "--bins"]);
    build.args(["--profile", profile]);
    build
}

/// The clients in Rust of a build: each with the name that its programs know, and its peer.
fn in_rust(
    build: Command,
    callers: &[(&'static str, &str, Option<&'static str>)],
) -> Result<Vec<Caller>, Error> {
    let built = Built::new(build)?;
    let [timed, counted] = [built.file("timed")?, built.file("counted")?];
    let callers = callers.iter().map(|&(name, client, peer)| {
        let command = |program: &Path| {
            let mut command = Command::new(program);
            command.arg(client);
            command
        };
        Caller {
            name,
            peer,
            timed: command(&timed),
            counted: Some(command(&counted)),
            library: None, // it is part of the program, which refuses to be measured where it is not optimised
        }
    });
    Ok(callers.collect())
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

    /// Refuses a client that has loaded another libimtag.so than the one that was built for it, which may be one of debug.
    pub(super) fn has_loaded(&self, library: &Path) -> Result<(), Error> {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.running.0.id()))?;
        let loaded = libraries(&maps);
        if loaded == [library] {
            return Ok(());
        }
        Err(format!("a client has loaded {loaded:?}, not {}", library.display()).into())
    }

    pub(super) fn measure<F: for<'f> Deserialize<'f>>(&mut self, calls: u64) -> Result<F, Error> {
        writeln!(self.orders, "{calls}")?;
        let mut line = String::new();
        self.figures.read_line(&mut line)?;
        let figures = serde_json::from_str(&line);
        figures.map_err(|error| format!("a client printed {line:?}: {error}").into())
    }
}

/// Each libimtag.so that a process has in its memory, by what Linux says of that.
fn libraries(maps: &str) -> Vec<&Path> {
    let files = maps
        .lines()
        .filter_map(|line| line.find('/').map(|at| &line[at..]));
    let mut libraries: Vec<_> = files
        .map(Path::new)
        .filter(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("libimtag.so")
        })
        .collect();
    libraries.dedup();
    libraries
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
    fn the_libraries_in_a_process_are_those_that_linux_names() {
        let maps = "7f1-7f2 r--p 00000000 fe:00 1 /opt/x/lib/libimtag.so.0.1.0\n\
                    7f2-7f3 r-xp 00001000 fe:00 1 /opt/x/lib/libimtag.so.0.1.0\n\
                    7f4-7f5 rw-p 00000000 00:00 0 \n\
                    7f5-7f6 r--p 00000000 fe:00 2 /lib/libc.so.6\n\
                    7f6-7f7 r--p 00000000 fe:00 3 /a folder/debug/libimtag.so\n";
        assert_eq!(
            libraries(maps),
            [
                Path::new("/opt/x/lib/libimtag.so.0.1.0"),
                Path::new("/a folder/debug/libimtag.so")
            ]
        );
        assert!(libraries("").is_empty());
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
