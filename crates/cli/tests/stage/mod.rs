//! A stage for tests: an emulator, a home directory that goes when the test ends, and the real binary with nothing in
//! its environment but what the test puts there. Whatever runs here is held to showing no secret.

#![allow(dead_code)] // each test file uses a part of it

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use imtag_core::{Identifier, SdkAppId, SecretKey, UserSig};
use imtag_emulator::{Emulator, Fault, Generation, Operation};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{tcgetwinsize, tcsetwinsize};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const KEY: &str = "hush5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb9";
pub(crate) const ADD: (Operation, Generation) = (Operation::Add, Generation::AllMemberPush);
pub(crate) const GET: (Operation, Generation) = (Operation::Get, Generation::AllMemberPush);

/// The list of the failed users of `users.csv`, and a line of it, as an earlier import may have left it.
pub(crate) const FAILED_LIST: &str = "users.csv.failed.ndjson";
pub(crate) const EARLIER: &str = "{\"account\":\"zoe\",\"op\":\"clear\",\"tags\":[],\"code\":null,\
     \"reason\":\"no\",\"remedy\":\"ask\",\"effect\":\"not applied\"}\n";

pub(crate) struct Stage {
    pub(crate) emulator: Emulator,
    pub(crate) home: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Stage {
    pub(crate) fn new() -> Stage {
        Stage::with(|emulator| emulator)
    }

    pub(crate) fn with(
        set_up: impl FnOnce(imtag_emulator::Builder) -> imtag_emulator::Builder,
    ) -> Stage {
        let builder = Emulator::builder().secret_key(SecretKey::new(KEY).unwrap());
        Stage {
            emulator: set_up(builder).start().unwrap(),
            home: TempDir::new().unwrap(),
        }
    }

    /// The binary, with all settings for the emulator in its environment.
    pub(crate) fn imtag(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare(arguments);
        command
            .env("IMTAG_SDKAPPID", self.emulator.sdkappid().to_string())
            .env("IMTAG_IDENTIFIER", self.emulator.identifier())
            .env("IMTAG_SECRET_KEY", KEY)
            .env("IMTAG_ENDPOINT", self.emulator.endpoint());
        if let Some(pem) = self.emulator.ca_pem() {
            command.env("IMTAG_CA_FILE", self.file("ca.pem", pem));
        }
        command
    }

    /// The binary, with a home and nothing else in its environment.
    pub(crate) fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imtag"));
        command
            .args(arguments)
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(self.imtag(arguments))
    }

    /// Runs it with `--json`, and expects one object.
    pub(crate) fn json(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let ran = self.run(&arguments);
        (ran.exit, ran.json())
    }

    /// A file in the home directory, which is also where commands run.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Starts a command, whose first request does not arrive at the service, and waits until it is under way.
    pub(crate) fn at_work(&self, arguments: &[&str]) -> Child {
        let unheard = Fault::delay(Duration::from_secs(600));
        self.emulator.fault(ADD, unheard);
        let sent = self.emulator.stats().arrivals();
        let child = self.imtag(arguments).spawn().unwrap();
        arrivals(self, sent + 1);
        child
    }

    /// Runs a command, and does something while its first request is under way.
    pub(crate) fn run_while(&self, arguments: &[&str], meanwhile: impl FnOnce()) -> Ran {
        let child = self.at_work(arguments);
        meanwhile();
        // it sends again, and is heard
        self.emulator.disconnect();
        Ran::from_output(child.wait_with_output().unwrap())
    }

    /// Kills a command while its first request is under way.
    pub(crate) fn killed(&self, arguments: &[&str]) {
        kill(self.at_work(arguments));
        self.emulator.remove_faults();
    }

    /// What the list `users.csv.failed.ndjson` holds.
    pub(crate) fn failed_list(&self) -> Vec<Value> {
        let list = std::fs::read_to_string(self.home.path().join(FAILED_LIST)).unwrap();
        let lines = list.lines().map(serde_json::from_str);
        lines.map(Result::unwrap).collect()
    }

    /// The accounts in that list, in its order.
    pub(crate) fn listed(&self) -> Vec<String> {
        let list = self.failed_list().into_iter();
        list.map(|it| it["account"].as_str().unwrap().to_owned())
            .collect()
    }

    pub(crate) fn tags_of(&self, account: &str) -> Vec<String> {
        self.emulator.user(account).into_iter().collect()
    }

    pub(crate) fn usersig(&self) -> UserSig {
        let app = SdkAppId::new(1_400_000_000).unwrap();
        let administrator = Identifier::new("administrator").unwrap();
        let key = SecretKey::new(KEY).unwrap();
        let (day, now) = (Duration::from_secs(86_400), SystemTime::now());
        let now = now.duration_since(UNIX_EPOCH).unwrap();
        UserSig::sign(&key, app, &administrator, day, now)
    }
}

/// A running `imtag emulator --json`, or `imtag serve --json`, which is killed when the test ends.
pub(crate) struct Running {
    child: Option<Child>,
    out: BufReader<ChildStdout>,
    pub(crate) says: Value,
}

impl Running {
    /// Starts it, and waits until it serves.
    pub(crate) fn start(mut command: Command) -> Running {
        let mut child = command.arg("--json").spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let says = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let child = Some(child);
        Running { child, out, says }
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.says[name].as_str().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().unwrap();
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    /// What it says on standard error, from here on.
    pub(crate) fn stderr(&mut self) -> BufReader<ChildStderr> {
        let child = self.child.as_mut().unwrap();
        BufReader::new(child.stderr.take().unwrap())
    }

    /// Ends it by a signal, and holds it to ending well and to having said no more.
    pub(crate) fn end(mut self, signal: Signal) {
        let child = self.child.take().unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ran = Ran::from_output(child.wait_with_output().unwrap());
        assert_eq!((ran.exit, ran.err.as_str()), (Some(0), ""));
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}

impl Drop for Running {
    /// By `kill -9`.
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A file of this many users, `tags` each.
pub(crate) fn users_with_tags(users: usize, tags: usize) -> String {
    let mut file = "account,tag\n".to_owned();
    for user in 0..users {
        for tag in 0..tags {
            writeln!(file, "user{user:04},tag{tag}").unwrap();
        }
    }
    file
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn run(mut command: Command) -> Ran {
    Ran::from_output(command.output().unwrap())
}

/// Runs a command with this on its standard input.
pub(crate) fn run_with_input(mut command: Command, input: &[u8]) -> Ran {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    Ran::from_output(child.wait_with_output().unwrap())
}

/// The same command with a terminal of so many columns for its standard error.
pub(crate) fn on_a_terminal(mut command: Command, columns: u16) -> (Child, File) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let mut size = tcgetwinsize(&terminal).unwrap();
    size.ws_col = columns;
    tcsetwinsize(&terminal, size).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let its = OpenOptions::new().write(true).open(name.to_str().unwrap());
    command.stderr(its.unwrap());
    // the command goes here, or the terminal would not end with its process
    (command.spawn().unwrap(), File::from(terminal))
}

/// The same command under limits of the shell: `ulimit -n 64`.
pub(crate) fn limited(command: &Command, limits: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    let script = format!("{limits} && exec \"$0\" \"$@\"");
    shell
        .arg("-c")
        .arg(script)
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .stdin(Stdio::null());
    let envs = command.get_envs();
    shell.envs(envs.filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(command.get_current_dir().unwrap());
    shell
}

pub(crate) fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

pub(crate) fn signal(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

/// Waits until the command has said that it was interrupted.
pub(crate) fn heard(child: &mut Child) -> BufReader<ChildStderr> {
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(
        line.starts_with("imtag: interrupted: no more is sent"),
        "{line}"
    );
    stderr
}

impl Ran {
    /// Takes what a command put out, and holds it to showing no secret.
    pub(crate) fn from_output(output: Output) -> Ran {
        let ran = Ran {
            exit: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        for text in [&ran.out, &ran.err] {
            assert!(!text.contains(KEY), "the key is shown: {text}");
            assert!(!text.contains("panicked"), "{text}");
        }
        assert!(!shows_usersig(&ran.err), "a UserSig is shown: {}", ran.err);
        ran
    }

    /// The one object on standard output.
    pub(crate) fn json(&self) -> Value {
        assert!(self.out.ends_with('\n') && self.out.matches('\n').count() == 1);
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {}", self.out))
    }

    /// Holds a command to its exit code, and what it says on standard error to this part.
    #[track_caller]
    pub(crate) fn refuses(&self, exit: i32, part: &str) {
        assert_eq!(self.exit, Some(exit), "{self:?}");
        assert!(self.err.contains(part), "{part:?} is not in {:?}", self.err);
        assert_eq!(self.out, "", "{self:?}");
    }
}

/// Whether a text holds what has the form of one: the start of a zlib stream in base64, and long.
fn shows_usersig(text: &str) -> bool {
    let of_one = |c: char| c.is_ascii_alphanumeric() || "*-_".contains(c);
    let words = text.split(|c| !of_one(c));
    let mut like_one = words.filter(|word| word.len() > 80 && word.starts_with("eJ"));
    like_one.next().is_some()
}

/// Waits until so many requests have come in.
pub(crate) fn arrivals(stage: &Stage, at_least: u64) {
    wait_until("nothing arrives", || {
        stage.emulator.stats().arrivals() >= at_least
    });
}

/// Waits until the journal of `users.csv` has recorded some users, in an import that goes on. A record takes two or three
/// pages of the log, so after four pages one of them is whole.
pub(crate) fn recorded(stage: &Stage) {
    let log = stage.home.path().join("users.csv.journal-wal");
    let length = || std::fs::metadata(&log).map_or(0, |it| it.len());
    let begun = length();
    wait_until("no user is recorded", || length() > begun + 4 * 4_120);
}

/// Waits for what another process does.
#[track_caller]
pub(crate) fn wait_until(otherwise: &str, it_is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !it_is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{otherwise}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
