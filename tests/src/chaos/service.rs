//! The service: `imtag emulator` as a process of its own, with its data in a folder, so that it can be killed as well.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::Error;
use crate::scene::Process;

/// Nothing is under way for so long.
const TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct Service {
    imtag: PathBuf,
    /// Of its data and its log.
    folder: PathBuf,
    calls_per_second: u32,
    faults: Vec<Value>,
    /// None where it is killed.
    process: Option<Process>,
    address: SocketAddr,
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
            process: None,
            address: ([127, 0, 0, 1], 0).into(),
            before: Counts::default(),
            kills: 0,
        };
        service.spawn()?;
        Ok(service)
    }

    /// Starts it, waits until it takes requests, and gives it the faults.
    fn spawn(&mut self) -> Result<(), Error> {
        let log = self.folder.join("emulator.log");
        let log = File::options().create(true).append(true).open(log)?;
        let (quota, data) = (self.calls_per_second, data(&self.folder));
        let process = Process::start(&self.imtag, self.address, quota, Some(&data), log.into())?;
        for order in &self.faults {
            process.ask("POST", "faults", &order.to_string())?;
        }
        self.address = process.address;
        self.process = Some(process);
        Ok(())
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that was counted, less what was in the last milliseconds before a kill.
    pub(super) fn counts(&self) -> Result<Counts, Error> {
        let process = self.process.as_ref().ok_or("the emulator is killed")?;
        let stats = process.ask("GET", "stats", "")?;
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
        self.process = None;
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
        self.process = None;
        Ok(counts)
    }
}

/// Where the emulator's data are.
pub(super) fn data(folder: &Path) -> PathBuf {
    folder.join("emulator")
}
