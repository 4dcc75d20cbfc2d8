//! What a check and its programs print, kept until one wants to read it.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::build::target;
use crate::error::Error;
use crate::program::{as_typed, end_well, output_within};

/// The last lines of a log that are shown.
const SHOWN: usize = 200;

/// No program of a check takes so long, on a busy machine either.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// A file below target/checks, shown where the check fails.
pub struct Log {
    /// The name of its check.
    pub check: String,
    path: PathBuf,
    file: File,
}

impl Log {
    /// An empty log, with the name of a check.
    pub fn new(check: &str) -> Result<Log, Error> {
        let folder = target()?.join("checks");
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.log", check.replace([' ', '\''], "-")));
        fs::write(&path, "")?;
        let file = File::options().append(true).open(&path)?;
        Ok(Log {
            check: check.to_owned(),
            path,
            file,
        })
    }

    /// Writes a line.
    pub fn say(&self, line: &dyn fmt::Display) {
        // what cannot be kept costs no check
        let _ = (&self.file).write_all(format!("{line}\n").as_bytes());
    }

    /// Runs a command whose output goes here.
    pub fn run(&self, command: &mut Command) -> Result<(), Error> {
        self.say(&as_typed(command));
        let [out, complaint] = [self.file.try_clone()?, self.file.try_clone()?];
        let command = command.stdin(Stdio::null()).stdout(out).stderr(complaint);
        end_well(command, LIMIT)
    }

    /// What a command prints, which is written here too.
    pub fn output(&self, command: &mut Command) -> Result<String, Error> {
        self.say(&as_typed(command));
        let printed = output_within(command, LIMIT)?;
        self.say(&printed.trim_end());
        Ok(printed)
    }

    /// Its last lines, below its path.
    pub fn shown(&self) -> String {
        let text = fs::read(&self.path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(SHOWN)..];
        format!("{}:\n{}", self.path.display(), last.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_what_is_said_and_what_programs_print() {
        let log = Log::new("test of logs").unwrap();
        log.say(&"first");
        let mut shell = Command::new("sh");
        log.run(shell.args(["-c", "echo one; echo two >&2"]))
            .unwrap();
        let mut shell = Command::new("sh");
        let printed = log.output(shell.args(["-c", "echo three"])).unwrap();
        assert_eq!(printed, "three\n");
        let shown = log.shown();
        let expected = ":\nfirst\nsh -c echo one; echo two >&2\none\ntwo\nsh -c echo three\nthree";
        assert!(shown.ends_with(expected), "{shown}");
        let failing = log.run(&mut Command::new("false")).unwrap_err();
        assert_eq!(failing.to_string(), "false: exit status: 1");
    }
}
