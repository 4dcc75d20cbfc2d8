//! An app of an emulator, for all that is played or measured against one, and a client for it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use imtag_core::SecretKey;
use imtag_emulator::{Builder, Emulator, Generation, Operation, RouteStats, Window};
use imtag_transport::Client;
use serde_json::Value;

use crate::error::Error;
use crate::program::Running;

/// The app's key. No real app has it.
pub const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
pub const SDKAPPID: u32 = 1_400_000_000;
pub const IDENTIFIER: &str = "administrator";

/// The documented quota.
pub const CALLS_PER_SECOND: u32 = 100;
/// As far away as a service is.
pub const LATENCY: Duration = Duration::from_millis(50);

/// An emulator of the app, not started yet.
pub fn emulator() -> Result<Builder, Error> {
    Ok(Emulator::builder().secret_key(SecretKey::new(KEY)?))
}

/// Makes `command` a client of the app, by the settings that the command line and the benchmarks read.
pub fn set(command: &mut Command, endpoint: &str) {
    command
        .env("IMTAG_SDKAPPID", SDKAPPID.to_string())
        .env("IMTAG_IDENTIFIER", IDENTIFIER)
        .env("IMTAG_SECRET_KEY", KEY)
        .env("IMTAG_ENDPOINT", endpoint);
}

/// The admin API answers at once, unless the machine is starved.
const TIMEOUT: Duration = Duration::from_secs(60);

/// `imtag emulator` of the app as a process of its own, which takes requests. It is killed when this is dropped.
pub struct Process {
    running: Running,
    pub address: SocketAddr,
}

impl Process {
    /// At an address, whose port may be 0, with a quota; `data` is the folder that its users are kept in, without which
    /// they are in memory alone.
    pub fn start(
        imtag: &Path,
        address: SocketAddr,
        calls_per_second: u32,
        data: Option<&Path>,
        log: Stdio,
    ) -> Result<Process, Error> {
        let mut emulator = Command::new(imtag);
        emulator
            .args(["--json", "emulator", "--address", &address.to_string()])
            .args(["--calls-per-second", &calls_per_second.to_string()])
            .args(
                data.into_iter()
                    .flat_map(|it| ["--data".as_ref(), it.as_os_str()]),
            )
            .env("IMTAG_SECRET_KEY", KEY)
            .stdin(Stdio::null())
            .stderr(log);
        let (running, line) = Running::with_first_line(&mut emulator)?;
        let started: Value = serde_json::from_str(&line).unwrap_or_default();
        let endpoint = started["endpoint"].as_str().unwrap_or_default();
        let address = endpoint.strip_prefix("http://").unwrap_or_default().parse();
        Ok(Process {
            running,
            address: address.map_err(|_| format!("the emulator did not start: {line:?}"))?,
        })
    }

    pub fn id(&self) -> u32 {
        self.running.0.id()
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A call of the admin API.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value, Error> {
        let mut stream = TcpStream::connect_timeout(&self.address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let length = body.len();
        let head = format!(
            "{method} /emulator/{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n",
            self.address
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.1 200") => {
                Ok(serde_json::from_str(body)?)
            }
            _ => Err(format!("the emulator answers {path} with {answer:?}").into()),
        }
    }
}

/// An emulator that is as far away as a service, and a client for it.
pub struct Scene {
    pub emulator: Emulator,
    pub client: Client,
}

impl Scene {
    pub fn new(window: Window, jitter: Duration) -> Result<Scene, Error> {
        Scene::with(emulator()?.window(window).jitter(jitter), CALLS_PER_SECOND)
    }

    /// Of an emulator with its own settings, and a quota for both sides.
    pub fn with(emulator: Builder, calls_per_second: u32) -> Result<Scene, Error> {
        Scene::at(emulator, LATENCY, calls_per_second)
    }

    /// The same, of an emulator at a distance of its own.
    pub fn at(emulator: Builder, latency: Duration, calls_per_second: u32) -> Result<Scene, Error> {
        let emulator = emulator.latency(latency).calls_per_second(calls_per_second);
        let emulator = emulator.start()?;
        let client = Client::builder(SDKAPPID, IDENTIFIER, SecretKey::new(KEY)?)
            .endpoint(emulator.endpoint())
            .calls_per_second(calls_per_second)
            .build()?;
        Ok(Scene { emulator, client })
    }

    /// What arrived of requests that add tags.
    pub fn adds(&self) -> RouteStats {
        let add = (Operation::Add, Generation::AllMemberPush);
        self.emulator.stats().route(add)
    }

    /// Requests that were answered with this code.
    pub fn answered(&self, code: i32) -> u64 {
        self.emulator.stats().code(code)
    }
}
