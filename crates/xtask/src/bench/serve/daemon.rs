//! `imtag serve` as a process of its own, and one request of it, as a program makes it that lives for one request: connect,
//! ask, read, close.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::{Builder, Window};
use serde_json::Value;
use tempfile::TempDir;

use crate::Error;
use crate::bench::process::{cpu, memory};
use crate::program::Running;
use crate::scene::{self, Scene};

/// Nobody but this program can connect to the daemon's port with it.
const TOKEN: &str = "a-token-that-only-this-benchmark-uses";
/// A caller's patience.
const PATIENCE: Duration = Duration::from_secs(10);

/// A command line, with what its rows are called.
pub(super) type Program = (&'static str, PathBuf);

/// How a daemon is started. All that it may hold is more than any of these measure.
pub(super) struct Setup<'s> {
    pub(super) quota: u32,
    /// It takes calls over TCP, too.
    pub(super) tcp: bool,
    /// Where changes that last are kept; without it they are not taken.
    pub(super) data: Option<&'s Path>,
    /// What it is linked with before all else.
    pub(super) preload: Option<&'s Path>,
}

impl Setup<'static> {
    pub(super) fn with_quota(quota: u32) -> Setup<'static> {
        Setup {
            quota,
            tcp: false,
            data: None,
            preload: None,
        }
    }
}

/// The daemon, and what it sends to. It is killed when this is dropped.
pub(super) struct Daemon {
    process: Running,
    command: Command,
    socket: PathBuf,
    /// Where it takes calls over TCP, too.
    address: Option<SocketAddr>,
    _scene: Scene,
    _folder: TempDir,
}

impl Daemon {
    /// Before the emulator of a scene, which no other may call.
    pub(super) fn start(imtag: &Path, scene: Scene, setup: &Setup<'_>) -> Result<Daemon, Error> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let mut serve = Command::new(imtag);
        scene::set(&mut serve, &scene.emulator.endpoint());
        serve
            .env("IMTAG_CALLS_PER_SECOND", setup.quota.to_string())
            .args(["--json", "serve", "--socket"])
            .arg(at("socket"));
        if setup.tcp {
            fs::write(at("token"), TOKEN)?;
            serve.args(["--address", "127.0.0.1:0", "--token-file"]);
            serve.arg(at("token"));
        }
        let own = at("data");
        let data = setup.data.or(setup.tcp.then_some(&own));
        serve.args(
            data.into_iter()
                .flat_map(|it| ["--data".as_ref(), it.as_os_str()]),
        );
        if setup.data.is_some() {
            serve.args(["--queue-changes", "1000000000", "--queue-bytes", "100G"]);
        }
        serve.envs(setup.preload.map(|it| ("LD_PRELOAD", it)));
        serve.stdin(Stdio::null()).stderr(Stdio::inherit());
        let (process, line) = Running::with_first_line(&mut serve)?;
        let said: Value = serde_json::from_str(&line)
            .map_err(|_| format!("the daemon did not start: {line:?}"))?;
        let endpoint = said["endpoint"].as_str().unwrap_or_default();
        let address = endpoint.strip_prefix("http://").unwrap_or_default();
        Ok(Daemon {
            process,
            command: serve,
            socket: at("socket"),
            address: address.trim_end_matches('/').parse().ok(),
            _scene: scene,
            _folder: folder,
        })
    }

    /// Kills it, as a crash would, and starts it again. How long that takes until it takes calls.
    pub(super) fn killed_and_started(&mut self) -> Result<Duration, Error> {
        self.process.0.kill()?;
        self.process.0.wait()?;
        let start = Instant::now();
        (self.process, _) = Running::with_first_line(&mut self.command)?;
        while self.page("/readyz").is_none() {
            if start.elapsed() > PATIENCE {
                return Err("the daemon that was killed is not ready".into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(start.elapsed())
    }

    pub(super) fn takes_tcp(&self) -> bool {
        self.address.is_some()
    }

    /// One call over the socket, by a connection of its own: true if it is done.
    pub(super) fn tag(&self, account: &str) -> bool {
        let answer = self.over_the_socket(&call(account));
        answer.is_some_and(|it| is_done(&it))
    }

    /// The same over TCP.
    pub(super) fn tag_over_tcp(&self, account: &str) -> bool {
        let stream = self.address.map(TcpStream::connect);
        stream.is_some_and(|stream| {
            stream.is_ok_and(|stream| {
                let _ = stream.set_nodelay(true);
                let _ = stream.set_read_timeout(Some(PATIENCE));
                ask(stream, &call(account)).is_some_and(|it| is_done(&it))
            })
        })
    }

    /// A post of changes that last, by a connection of its own: true once they are on the disk.
    pub(super) fn post(&self, rows: &str) -> bool {
        let answer =
            self.over_the_socket(&request("POST /v1/changes", "application/x-ndjson", rows));
        answer.is_some_and(|it| it.starts_with("HTTP/1.1 202 "))
    }

    /// Deletes all changes that wait. It goes on if it takes longer than an answer may.
    pub(super) fn empty(&self) {
        self.over_the_socket(&request(
            "DELETE /v1/changes?older_than=0",
            "text/plain",
            "",
        ));
    }

    /// A figure of `/metrics` that has no labels.
    pub(super) fn figure(&self, name: &str) -> Result<f64, Error> {
        let figures = self.page("/metrics").ok_or("no figures")?;
        let mut lines = figures.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.ok_or_else(|| format!("no {name}"))?.parse()?)
    }

    /// What is answered with 200.
    fn page(&self, path: &str) -> Option<String> {
        let answer = self.over_the_socket(&request(&format!("GET {path}"), "text/plain", ""));
        answer.filter(|it| it.starts_with("HTTP/1.1 200 "))
    }

    fn over_the_socket(&self, request: &str) -> Option<String> {
        let stream = UnixStream::connect(&self.socket).ok()?;
        let _ = stream.set_read_timeout(Some(PATIENCE));
        ask(stream, request)
    }

    pub(super) fn cpu(&self) -> Result<Duration, Error> {
        cpu(self.process.0.id())
    }

    /// In MiB.
    pub(super) fn memory(&self) -> Result<f64, Error> {
        self.memory_by("VmRSS")
    }

    /// The most that it was since its start, in MiB.
    pub(super) fn peak_memory(&self) -> Result<f64, Error> {
        self.memory_by("VmHWM")
    }

    fn memory_by(&self, field: &str) -> Result<f64, Error> {
        let bytes = memory(self.process.0.id(), field)?.ok_or("the daemon has ended")?;
        Ok(bytes as f64 / f64::from(1 << 20))
    }

    /// How often a thread of it has slept and was woken: while it idles, how often it looked around.
    pub(super) fn wakeups(&self) -> Result<u64, Error> {
        let mut wakeups = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.process.0.id()))? {
            // a thread may have ended meanwhile
            let status = fs::read_to_string(task?.path().join("status")).unwrap_or_default();
            let mut lines = status.lines();
            let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            wakeups += count.map_or(Ok(0), |count| count.trim().parse::<u64>())?;
        }
        Ok(wakeups)
    }
}

/// An emulator as far away as a service.
pub(super) fn far() -> Result<Scene, Error> {
    Scene::new(Window::Sliding, Duration::ZERO)
}

pub(super) fn account(caller: u64) -> String {
    format!("user{caller:08}")
}

/// An emulator on this machine that answers at once, by a quota that nobody reaches.
pub(super) fn near(emulator: Builder, quota: u32) -> Result<Scene, Error> {
    let emulator = emulator.window(Window::Sliding);
    Scene::at(emulator, Duration::ZERO, quota)
}

fn call(account: &str) -> String {
    let body = format!("{{\"UserTags\":[{{\"To_Account\":\"{account}\",\"Tags\":[\"vip\"]}}]}}");
    request(
        "POST /v4/all_member_push/im_add_tag",
        "application/json",
        &body,
    )
}

fn is_done(answer: &str) -> bool {
    answer.contains("\"ErrorCode\":0")
}

fn request(line: &str, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// The answer, or what came of it in time.
fn ask(mut stream: impl Read + Write, request: &str) -> Option<String> {
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::with_capacity(4096);
    let _ = stream.read_to_end(&mut answer);
    Some(String::from_utf8_lossy(&answer).into_owned())
}
