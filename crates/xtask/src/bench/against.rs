//! `--against REV`: another commit, in a folder of its own, with its own target folder. A benchmark that builds what it
//! measures takes the other's into its rounds. The others are in this program: so a program of each commit runs in turn.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{FlockOperation, flock};

use super::options::Options;
use super::report::{Report, compared};
use crate::Error;
use crate::cargo::{cargo, root};
use crate::install::build::{Built, target};
use crate::program::output;

/// What stands for the other commit in a table.
pub(super) const OTHER: &str = "other commit";

/// How often each commit's program runs.
const RUNS: usize = 3;

/// A commit's files. They are removed when this is dropped; what a run leaves that is interrupted or killed, the next one
/// removes at its start.
pub(super) struct OtherCommit {
    folder: PathBuf,
    /// Held to the end, so that no run removes what another one uses. The system lets it go with the process.
    _lock: File,
}

impl OtherCommit {
    /// The commit that was asked for, for a benchmark that takes it into its rounds.
    pub(super) fn asked_for(options: &Options) -> Result<Option<OtherCommit>, Error> {
        options.against.as_deref().map(OtherCommit::new).transpose()
    }

    fn new(revision: &str) -> Result<OtherCommit, Error> {
        OtherCommit::unpacked(revision, &target()?)
    }

    fn unpacked(revision: &str, target: &Path) -> Result<OtherCommit, Error> {
        let (folder, lock) = (target.join("against"), target.join("against.lock"));
        let lock = File::create(lock)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|error| format!("another --against runs in {}: {error}", target.display()))?;
        let _ = fs::remove_dir_all(&folder); // of a run that was interrupted
        fs::create_dir_all(&folder)?;
        let other = OtherCommit {
            folder,
            _lock: lock,
        };
        let archive = other.folder.join("tree.tar");
        let mut git = Command::new("git");
        git.current_dir(root()).args(["archive", "--output"]);
        output(git.arg(&archive).arg(revision))?;
        let mut tar = Command::new("tar");
        tar.arg("-xf").arg(archive);
        output(tar.current_dir(&other.folder))?;
        Ok(other)
    }

    /// Makes a command of Cargo, or of a program that starts Cargo, one of this commit.
    pub(super) fn inside(&self, mut command: Command) -> Command {
        command.env("CARGO_TARGET_DIR", self.folder.join("target"));
        command.current_dir(&self.folder);
        command
    }
}

impl Drop for OtherCommit {
    fn drop(&mut self) {
        // one that cannot be removed is tried again by the next run
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The command lines of this commit and of another, with what their rows are called.
pub(super) fn command_lines(
    options: &Options,
    other: Option<&OtherCommit>,
) -> Result<Vec<(&'static str, PathBuf)>, Error> {
    let build = || {
        let build = ["build", "--quiet", "--package", "imtag-cli", "--profile"];
        let mut build = cargo(build);
        build.arg(&options.profile);
        build
    };
    let mut programs = vec![("imtag", Built::new(build())?.file("imtag")?)];
    if let Some(other) = other {
        programs.push((OTHER, Built::new(other.inside(build()))?.file("imtag")?));
    }
    Ok(programs)
}

/// Runs a benchmark of this commit and of another: the medians of all figures, and their ratios.
pub(super) fn in_turn(revision: &str, options: &Options) -> Result<Report, Error> {
    let other = OtherCommit::new(revision)?;
    let build = || cargo(["build", "--release", "--package", "xtask"]);
    let built = |build: Command| Built::new(build)?.file("xtask");
    let programs = [built(build())?, built(other.inside(build()))?];
    let mut reports = [Vec::new(), Vec::new()];
    for run in 0..2 * RUNS {
        // here, there, there, here: neither always comes after the other
        let at = (run + run / 2) % 2;
        let mut command = Command::new(&programs[at]);
        command.args(["bench", options.bench.name, "--json"]);
        command.args(options.arguments());
        if at == 1 {
            command = other.inside(command);
        }
        eprintln!("run {} of {}", run + 1, 2 * RUNS);
        let printed = command.stderr(Stdio::inherit()).output()?;
        let whose = ["this commit", revision][at];
        if !printed.status.success() {
            return Err(format!("the benchmark of {whose} failed: {}", printed.status).into());
        }
        let report = serde_json::from_slice(&printed.stdout);
        reports[at].push(report.map_err(|why| format!("{whose} prints no figures: {why}"))?);
    }
    let [here, there]: [Vec<Report>; 2] = reports;
    let mut report = options.report();
    report.tables.push(compared(&here, &there, revision)?);
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_commit_is_unpacked_alone_and_removed_also_after_an_interrupted_run() {
        let target = tempfile::tempdir().unwrap();
        let folder = target.path().join("against");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("left"), "").unwrap();
        let other = OtherCommit::unpacked("HEAD", target.path()).unwrap();
        assert!(folder.join("Cargo.lock").is_file() && !folder.join("left").exists());
        let second = OtherCommit::unpacked("HEAD", target.path()).err().unwrap();
        let second = second.to_string();
        assert!(second.starts_with("another --against runs in "), "{second}");
        drop(other);
        assert!(!folder.exists());
    }
}
