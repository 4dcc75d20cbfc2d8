//! The daemon: `imtag serve` as a process of its own, always with the same folder, socket and settings, however its last
//! life ended.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::clock::Clock;
use super::small_disk::SmallDisk;
use crate::error::Error;
use crate::program::{Running, output_within};
use crate::scene::{IDENTIFIER, KEY, SDKAPPID};

/// How much of the disk is left free, in one life after the other: the disk refuses a post, or it is refused before that.
const MIN_FREE: [&str; 2] = ["0", "256K"];
/// More than the time of grace.
const ENDS_IN: Duration = Duration::from_secs(40);

pub(super) struct Settings {
    pub(super) endpoint: String,
    pub(super) calls_per_second: u32,
    pub(super) is_timpush: bool,
    /// How many changes may wait.
    pub(super) queue_changes: u64,
}

pub(super) struct Daemon {
    imtag: PathBuf,
    folder: PathBuf,
    pub(super) disk: SmallDisk,
    pub(super) clock: Clock,
    settings: Settings,
    running: Option<Running>,
    pub(super) starts: usize,
}

impl Daemon {
    pub(super) fn new(
        imtag: &Path,
        folder: &Path,
        disk_mebibytes: u32,
        settings: Settings,
    ) -> Result<Daemon, Error> {
        let mounted = folder.join("disk");
        fs::create_dir(&mounted)?;
        let daemon = Daemon {
            imtag: imtag.to_owned(),
            folder: folder.to_owned(),
            disk: SmallDisk::mount(&mounted, disk_mebibytes)?,
            clock: Clock::new(folder)?,
            settings,
            running: None,
            starts: 0,
        };
        daemon.set_key(KEY)?;
        Ok(daemon)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join("imtag.sock")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("daemon.log")
    }

    /// The key that it reads at its start, and at SIGHUP.
    pub(super) fn set_key(&self, key: &str) -> Result<(), Error> {
        let file = self.folder.join("key");
        fs::write(&file, key)?;
        Ok(fs::set_permissions(
            &file,
            fs::Permissions::from_mode(0o600),
        )?)
    }

    /// Starts it, and waits until it serves.
    pub(super) fn start(&mut self) -> Result<(), Error> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut command = self.disk.command(&self.imtag);
        self.clock.give(&mut command);
        let min_free = MIN_FREE[self.starts % MIN_FREE.len()];
        command
            .args(["--json", "serve", "--socket"])
            .arg(self.socket());
        command.arg("--data").arg(self.disk.data());
        command.args(["--queue-min-free", min_free, "--queue-changes"]);
        command.arg(self.settings.queue_changes.to_string());
        if self.settings.is_timpush {
            command.env("IMTAG_GENERATION", "timpush");
        }
        command
            .env("IMTAG_SDKAPPID", SDKAPPID.to_string())
            .env("IMTAG_IDENTIFIER", IDENTIFIER)
            .env("IMTAG_SECRET_KEY_FILE", self.folder.join("key"))
            .env("IMTAG_ENDPOINT", &self.settings.endpoint)
            .env(
                "IMTAG_CALLS_PER_SECOND",
                self.settings.calls_per_second.to_string(),
            )
            .stdin(Stdio::null())
            .stderr(log);
        let (running, line) = Running::with_first_line(&mut command)?;
        let says: Value = serde_json::from_str(&line).unwrap_or_default();
        if says["queue_folder"].is_null() {
            return Err(format!("the daemon did not start: {line:?} {}", self.last_words()).into());
        }
        self.starts += 1;
        self.running = Some(running);
        Ok(())
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<(), Error> {
        let running = self.running.as_ref().ok_or("the daemon does not run")?;
        Ok(kill(Pid::from_raw(i32::try_from(running.0.id())?), signal)?)
    }

    /// By `kill -9`.
    pub(super) fn kill(&mut self) -> Result<(), Error> {
        let mut running = self.running.take().ok_or("the daemon does not run")?;
        running.0.kill()?;
        let status = running.0.wait()?;
        if let Some(code) = status.code() {
            return Err(format!(
                "the daemon ended by itself, with {code}: {}",
                self.last_words()
            )
            .into());
        }
        Ok(())
    }

    /// By SIGTERM; it must end well.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        self.signal(Signal::SIGTERM)?;
        let mut running = self.running.take().ok_or("the daemon does not run")?;
        let began = Instant::now();
        let status: ExitStatus = loop {
            if let Some(status) = running.0.try_wait()? {
                break status;
            }
            if began.elapsed() > ENDS_IN {
                return Err(format!("the daemon does not end: {}", self.last_words()).into());
            }
            thread::sleep(Duration::from_millis(5));
        };
        if status.success() {
            return Ok(());
        }
        Err(format!("the daemon ended with {status}: {}", self.last_words()).into())
    }

    /// What `imtag queue status` says of the folder, while no daemon runs.
    pub(super) fn queue_status(&self) -> Result<Value, Error> {
        let mut command: Command = self.disk.command(&self.imtag);
        command
            .args(["--json", "queue", "--data"])
            .arg(self.disk.data());
        let said = output_within(command.arg("status"), ENDS_IN)?;
        Ok(serde_json::from_str(&said)?)
    }

    /// What it logged that it must not: a panic, or the key.
    pub(super) fn slip(&self) -> Result<Option<String>, Error> {
        let log = fs::read_to_string(self.log())?;
        let mut lines = log.lines();
        let is_slip = |line: &&str| line.contains("panicked") || line.contains(KEY);
        Ok(lines.find(is_slip).map(str::to_owned))
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        last.join(" / ")
    }
}
