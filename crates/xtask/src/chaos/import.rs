//! The import: `imtag import FILE` as a process of its own, always by the same command.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::{fs, io};

use serde_json::Value;

use super::service::KEY;
use crate::Error;

/// How to run it.
pub(super) struct Import {
    imtag: PathBuf,
    file: PathBuf,
    report: PathBuf,
    log: PathBuf,
    endpoint: String,
    calls_per_second: u32,
}

/// An import that runs. It is killed if it is let go of.
pub(super) struct Running(Child);

/// How it ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Every row is done, or listed with its reason.
    Done,
    /// The service became unavailable, or seemed to reject the app; the same command goes on.
    Early,
}

impl Import {
    pub(super) fn new(
        imtag: &Path,
        folder: &Path,
        endpoint: String,
        calls_per_second: u32,
    ) -> Import {
        Import {
            imtag: imtag.to_owned(),
            file: file(folder),
            report: folder.join("report.json"),
            log: folder.join("import.log"),
            endpoint,
            calls_per_second,
        }
    }

    pub(super) fn start(&self) -> io::Result<Running> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let child = Command::new(&self.imtag)
            .args(["--json", "import"])
            .arg(&self.file)
            .env("IMTAG_SDKAPPID", "1400000000")
            .env("IMTAG_IDENTIFIER", "administrator")
            .env("IMTAG_SECRET_KEY", KEY)
            .env("IMTAG_ENDPOINT", &self.endpoint)
            .env("IMTAG_CALLS_PER_SECOND", self.calls_per_second.to_string())
            .stdin(Stdio::null())
            .stdout(File::create(&self.report)?)
            .stderr(log)
            .spawn();
        child.map(Running)
    }

    /// What the last run reported.
    pub(super) fn report(&self) -> Result<Value, Error> {
        let text = fs::read_to_string(&self.report)?;
        Ok(serde_json::from_str(&text)
            .map_err(|error| format!("the report is no JSON: {error}: {text}"))?)
    }

    /// What an end by itself means, by the exit codes that are promised.
    pub(super) fn end(&self, status: ExitStatus) -> Result<End, Error> {
        match status.code() {
            Some(0 | 1) => Ok(End::Done),
            // by chance the first answers of a run may all be wrong, and then it cannot tell
            Some(3 | 4) => Ok(End::Early),
            _ => {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(5).collect();
                Err(format!("the import ended with {status}: {}", last.join(" / ")).into())
            }
        }
    }
}

impl Running {
    /// How it ended by itself, if it has.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// `kill -9`; where it had ended before, how.
    pub(super) fn kill(mut self) -> io::Result<Option<ExitStatus>> {
        self.0.kill()?;
        let status = self.0.wait()?;
        Ok(status.code().map(|_| status))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // it has ended, but where chaos itself fails
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The file that is imported.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join("users.csv")
}

/// Who failed.
pub(super) fn failed_file(folder: &Path) -> PathBuf {
    folder.join("users.csv.failed.ndjson")
}
