//! The import: `imtag import FILE` as a process of its own, always by the same command.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use serde_json::Value;

use crate::error::Error;
use crate::program::Running;
use crate::scene;

/// How it ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Every row is done, or listed with its reason.
    Done,
    /// The service became unavailable, or seemed to reject the app; the same command goes on.
    Early,
}

/// Of the file, the report and the log.
pub(super) struct Import {
    folder: PathBuf,
    command: Command,
}

impl Import {
    pub(super) fn new(
        imtag: &Path,
        folder: &Path,
        endpoint: &str,
        calls_per_second: u32,
    ) -> Import {
        let mut command = Command::new(imtag);
        scene::set(&mut command, endpoint);
        command
            .args(["--json", "import"])
            .arg(file(folder))
            .env("IMTAG_CALLS_PER_SECOND", calls_per_second.to_string())
            .stdin(Stdio::null());
        Import {
            folder: folder.to_owned(),
            command,
        }
    }

    pub(super) fn start(&mut self) -> Result<Running, Error> {
        let log = self.folder.join("import.log");
        let log = File::options().create(true).append(true).open(log)?;
        let report = File::create(self.folder.join("report.json"))?;
        Running::start(self.command.stdout(report).stderr(log))
    }

    /// What the last run reported.
    pub(super) fn report(&self) -> Result<Value, Error> {
        let text = fs::read_to_string(self.folder.join("report.json"))?;
        let report = serde_json::from_str(&text);
        Ok(report.map_err(|error| format!("the report is no JSON: {error}: {text}"))?)
    }

    /// What an end by itself means, by the exit codes that are promised.
    pub(super) fn end(&self, status: ExitStatus) -> Result<End, Error> {
        match status.code() {
            Some(0 | 1) => Ok(End::Done),
            // by chance the first answers of a run may all be wrong, and then it cannot tell
            Some(3 | 4) => Ok(End::Early),
            _ => {
                let log = fs::read_to_string(self.folder.join("import.log")).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(5).collect();
                Err(format!("the import ended with {status}: {}", last.join(" / ")).into())
            }
        }
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
