//! The import: `imtag import FILE` as a process of its own, always by the same command.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::{fs, io};

use serde_json::Value;

use crate::error::Error;
use crate::program::Running;
use crate::scene;

const REPORT: &str = "report.json";

/// How to run it.
pub(super) struct Import {
    pub(super) imtag: PathBuf,
    /// Of the file, the report and the log.
    pub(super) folder: PathBuf,
    pub(super) endpoint: String,
    pub(super) calls_per_second: u32,
}

/// How it ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Every row is done, or listed with its reason.
    Done,
    /// The service became unavailable, or seemed to reject the app; the same command goes on.
    Early,
}

impl Import {
    pub(super) fn start(&self) -> Result<Running, Error> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut import = Command::new(&self.imtag);
        scene::set(&mut import, &self.endpoint);
        import
            .args(["--json", "import"])
            .arg(file(&self.folder))
            .env("IMTAG_CALLS_PER_SECOND", self.calls_per_second.to_string())
            .stdin(Stdio::null())
            .stdout(File::create(self.folder.join(REPORT))?)
            .stderr(log);
        Running::start(&mut import)
    }

    fn log(&self) -> PathBuf {
        self.folder.join("import.log")
    }

    /// What the last run reported.
    pub(super) fn report(&self) -> Result<Value, Error> {
        let text = fs::read_to_string(self.folder.join(REPORT))?;
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
                let log = fs::read_to_string(self.log()).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(5).collect();
                Err(format!("the import ended with {status}: {}", last.join(" / ")).into())
            }
        }
    }
}

/// `kill -9`; where it had ended before, how.
pub(super) fn kill(mut import: Running) -> io::Result<Option<ExitStatus>> {
    import.0.kill()?;
    let status = import.0.wait()?;
    Ok(status.code().map(|_| status))
}

/// The file that is imported.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join("users.csv")
}

/// Who failed.
pub(super) fn failed_file(folder: &Path) -> PathBuf {
    folder.join("users.csv.failed.ndjson")
}
