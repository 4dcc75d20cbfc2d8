//! The service: `imtag emulator` as a process of its own, with its data in a folder, so that it can be killed as well.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Error;

/// The key of the app, which is nobody's.
pub(super) const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The admin API answers at once, unless the machine is starved.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Service {
    imtag: PathBuf,
    data: PathBuf,
    log: PathBuf,
    calls_per_second: u32,
    faults: Vec<Value>,
    address: SocketAddr,
    child: Child,
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
        let (data, log) = (data(folder), folder.join("emulator.log"));
        let anywhere: SocketAddr = ([127, 0, 0, 1], 0).into();
        let (child, address) = spawn(imtag, &data, &log, anywhere, calls_per_second)?;
        let service = Service {
            imtag: imtag.to_owned(),
            data,
            log,
            calls_per_second,
            faults,
            address,
            child,
            before: Counts::default(),
            kills: 0,
        };
        service.put_faults()?;
        Ok(service)
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that was counted, less what was in the last milliseconds before a kill.
    pub(super) fn counts(&self) -> Result<Counts, Error> {
        let stats = self.ask("GET", "stats", "")?;
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let routes = stats["routes"]
            .as_object()
            .ok_or("the emulator's stats have no routes")?;
        let sum = |name: &str| {
            routes
                .values()
                .map(|route| number(&route[name]))
                .sum::<u64>()
        };
        let faults = stats["faults"]
            .as_object()
            .ok_or("the emulator's stats have no faults")?;
        Ok(Counts {
            arrivals: self.before.arrivals + sum("arrivals"),
            over_quota: self.before.over_quota + sum("over_quota"),
            users_changed: self.before.users_changed + number(&stats["users_changed"]),
            faults: self.before.faults + faults.values().map(number).sum::<u64>(),
            users_with_tags: number(&stats["users_with_tags"]),
            in_flight: number(&stats["in_flight"]),
        })
    }

    /// `kill -9`, and after a while it is there again, at the same address.
    pub(super) fn kill_and_restart(&mut self, away: Duration) -> Result<(), Error> {
        self.before = self.counts()?;
        self.child.kill()?;
        self.child.wait()?;
        self.kills += 1;
        std::thread::sleep(away);
        let (child, _) = spawn(
            &self.imtag,
            &self.data,
            &self.log,
            self.address,
            self.calls_per_second,
        )?;
        self.child = child;
        self.put_faults()
    }

    /// Waits until nothing is under way, also nothing whose caller was killed, and ends it by `kill -9`.
    pub(super) fn end(&mut self) -> Result<Counts, Error> {
        let began = Instant::now();
        let counts = loop {
            let counts = self.counts()?;
            if counts.in_flight == 0 {
                break counts;
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("{} requests are still under way", counts.in_flight).into());
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        self.child.kill()?;
        self.child.wait()?;
        Ok(counts)
    }

    fn put_faults(&self) -> Result<(), Error> {
        for order in &self.faults {
            self.ask("POST", "faults", &order.to_string())?;
        }
        Ok(())
    }

    /// A call of the admin API.
    fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value, Error> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
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

impl Drop for Service {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the emulator's data are.
pub(super) fn data(folder: &Path) -> PathBuf {
    folder.join("emulator")
}

/// Starts it, and waits until it takes requests.
fn spawn(
    imtag: &Path,
    data: &Path,
    log: &Path,
    address: SocketAddr,
    calls_per_second: u32,
) -> Result<(Child, SocketAddr), Error> {
    let log = File::options().create(true).append(true).open(log)?;
    let mut child = Command::new(imtag)
        .args([
            "--json",
            "emulator",
            "--address",
            &address.to_string(),
            "--data",
        ])
        .arg(data)
        .args(["--calls-per-second", &calls_per_second.to_string()])
        .env("IMTAG_SECRET_KEY", KEY)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()?;
    let mut line = String::new();
    let out = child
        .stdout
        .take()
        .ok_or("the emulator has no standard output")?;
    // until it takes requests, or has ended
    let read = BufReader::new(out).read_line(&mut line);
    let endpoint = read.ok().and_then(|_| {
        let running: Value = serde_json::from_str(&line).ok()?;
        running["endpoint"]
            .as_str()?
            .strip_prefix("http://")?
            .parse()
            .ok()
    });
    match endpoint {
        Some(address) => Ok((child, address)),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            Err(format!("the emulator did not start: {line:?}").into())
        }
    }
}
