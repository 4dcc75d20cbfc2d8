//! `imtag serve` as a process of its own, and one call of it, as a program makes it that lives for one request: connect,
//! ask, read, close.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

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

/// The daemon, and what it sends to. It is killed when this is dropped.
pub(super) struct Daemon {
    process: Running,
    socket: PathBuf,
    /// Where it takes calls over TCP, too.
    address: Option<SocketAddr>,
    _scene: Scene,
    _folder: TempDir,
}

impl Daemon {
    /// Before the emulator of a scene, which no other may call.
    pub(super) fn start(
        imtag: &Path,
        scene: Scene,
        quota: u32,
        tcp: bool,
    ) -> Result<Daemon, Error> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let mut serve = Command::new(imtag);
        scene::set(&mut serve, &scene.emulator.endpoint());
        serve
            .env("IMTAG_CALLS_PER_SECOND", quota.to_string())
            .args(["--json", "serve", "--socket"])
            .arg(at("socket"));
        if tcp {
            fs::write(at("token"), TOKEN)?;
            serve.args(["--address", "127.0.0.1:0", "--token-file"]);
            serve.arg(at("token")).arg("--data").arg(at("data"));
        }
        serve.stdin(Stdio::null()).stderr(Stdio::inherit());
        let (process, line) = Running::with_first_line(&mut serve)?;
        let said: Value = serde_json::from_str(&line)
            .map_err(|_| format!("the daemon did not start: {line:?}"))?;
        let endpoint = said["endpoint"].as_str().unwrap_or_default();
        let address = endpoint.strip_prefix("http://").unwrap_or_default();
        Ok(Daemon {
            process,
            socket: at("socket"),
            address: address.trim_end_matches('/').parse().ok(),
            _scene: scene,
            _folder: folder,
        })
    }

    pub(super) fn takes_tcp(&self) -> bool {
        self.address.is_some()
    }

    /// One call over the socket, by a connection of its own: true if it is done.
    pub(super) fn tag(&self, account: &str) -> bool {
        let stream = UnixStream::connect(&self.socket);
        stream.is_ok_and(|stream| {
            let _ = stream.set_read_timeout(Some(PATIENCE));
            ask(stream, account)
        })
    }

    /// The same over TCP.
    pub(super) fn tag_over_tcp(&self, account: &str) -> bool {
        let stream = self.address.map(TcpStream::connect);
        stream.is_some_and(|stream| {
            stream.is_ok_and(|stream| {
                let _ = stream.set_nodelay(true);
                let _ = stream.set_read_timeout(Some(PATIENCE));
                ask(stream, account)
            })
        })
    }

    pub(super) fn cpu(&self) -> Result<Duration, Error> {
        cpu(self.process.0.id())
    }

    /// In MiB.
    pub(super) fn memory(&self) -> Result<f64, Error> {
        let bytes = memory(self.process.0.id(), "VmRSS")?.ok_or("the daemon has ended")?;
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

/// An emulator on this machine that answers at once, by a quota that nobody reaches.
pub(super) fn near(emulator: Builder, quota: u32) -> Result<Scene, Error> {
    let emulator = emulator.window(Window::Sliding);
    Scene::at(emulator, Duration::ZERO, quota)
}

fn ask(mut stream: impl Read + Write, account: &str) -> bool {
    let body = format!("{{\"UserTags\":[{{\"To_Account\":\"{account}\",\"Tags\":[\"vip\"]}}]}}");
    let length = body.len();
    let request = format!(
        "POST /v4/all_member_push/im_add_tag HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let mut answer = [0; 4096];
    let mut read = 0;
    if stream.write_all(request.as_bytes()).is_err() {
        return false;
    }
    while read < answer.len() {
        match stream.read(&mut answer[read..]) {
            Ok(0) | Err(_) => break,
            Ok(bytes) => read += bytes,
        }
    }
    let answer = String::from_utf8_lossy(&answer[..read]);
    answer.contains("\"ErrorCode\":0")
}
