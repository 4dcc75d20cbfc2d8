//! The service: `imtag emulator` as a process of its own, with its data in a folder, so that it can be killed as well.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::Error;
use crate::program::Running;
use crate::scene::KEY;

/// The admin API answers at once, unless the machine is starved.
const TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct Service {
    imtag: PathBuf,
    /// Of its data and its log.
    folder: PathBuf,
    calls_per_second: u32,
    faults: Vec<Value>,
    address: SocketAddr,
    /// None where it is killed.
    running: Option<Running>,
    /// Of those that were killed.
    before: Counts,
    pub(super) kills: u32,
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) arrivals: u64,
    pub(super) over_quota: u64,
    /// Each user once a request.
    pub(super) users_changed: u64,
    pub(super) faults: u64,
    pub(super) users_with_tags: u64,
    pub(super) in_flight: u64,
}

impl Service {
    pub(super) fn start(
        imtag: &Path,
        folder: &Path,
        calls_per_second: u32,
        faults: Vec<Value>,
    ) -> Result<Service, Error> {
        let mut service = Service {
            imtag: imtag.to_owned(),
            folder: folder.to_owned(),
            calls_per_second,
            faults,
            address: ([127, 0, 0, 1], 0).into(),
            running: None,
            before: Counts::default(),
            kills: 0,
        };
        service.spawn()?;
        Ok(service)
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that was counted, less what was in the last milliseconds before a kill.
    pub(super) fn counts(&self) -> Result<Counts, Error> {
        let stats = self.ask("GET", "stats", "")?;
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let routes = || stats["routes"].as_object().into_iter().flatten();
        let sum = |name: &str| -> u64 { routes().map(|(_, route)| number(&route[name])).sum() };
        let faults = stats["faults"].as_object().into_iter().flatten();
        Ok(Counts {
            arrivals: self.before.arrivals + sum("arrivals"),
            over_quota: self.before.over_quota + sum("over_quota"),
            users_changed: self.before.users_changed + number(&stats["users_changed"]),
            faults: self.before.faults + faults.map(|(_, count)| number(count)).sum::<u64>(),
            users_with_tags: number(&stats["users_with_tags"]),
            in_flight: number(&stats["in_flight"]),
        })
    }

    /// `kill -9`, and after a while it is there again, at the same address.
    pub(super) fn kill_and_restart(&mut self, away: Duration) -> Result<(), Error> {
        self.before = self.counts()?;
        self.running = None;
        self.kills += 1;
        std::thread::sleep(away);
        self.spawn()
    }

    /// Waits until nothing is under way, also nothing whose caller was killed, and ends it by `kill -9`.
    pub(super) fn end(&mut self) -> Result<Counts, Error> {
        let began = Instant::now();
        let counts = loop {
            let counts = self.counts()?;
            if counts.in_flight == 0 {
                break counts;
            }
            if began.elapsed() > TIMEOUT {
                return Err(format!("{} requests are still under way", counts.in_flight).into());
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        self.running = None;
        Ok(counts)
    }

    /// Starts it, waits until it takes requests, and gives it the faults.
    fn spawn(&mut self) -> Result<(), Error> {
        let log = self.folder.join("emulator.log");
        let log = File::options().create(true).append(true).open(log)?;
        let mut emulator = Command::new(&self.imtag);
        emulator
            .args(["--json", "emulator", "--address", &self.address.to_string()])
            .args(["--calls-per-second", &self.calls_per_second.to_string()])
            .arg("--data")
            .arg(data(&self.folder))
            .env("IMTAG_SECRET_KEY", KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut running = Running::start(&mut emulator)?;
        let out = running.0.stdout.take().ok_or("it has no standard output")?;
        let mut line = String::new();
        // until it takes requests, or has ended
        BufReader::new(out).read_line(&mut line)?;
        let started: Value = serde_json::from_str(&line).unwrap_or_default();
        let endpoint = started["endpoint"].as_str().unwrap_or_default();
        let address = endpoint.strip_prefix("http://").unwrap_or_default().parse();
        self.address = address.map_err(|_| format!("the emulator did not start: {line:?}"))?;
        self.running = Some(running);
        for order in &self.faults {
            self.ask("POST", "faults", &order.to_string())?;
        }
        Ok(())
    }

    /// A call of the admin API.
    fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value, Error> {
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

/// Where the emulator's data are.
pub(super) fn data(folder: &Path) -> PathBuf {
    folder.join("emulator")
}
