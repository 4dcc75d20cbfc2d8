//! The report: an object for programs; for people a line a check, with what to do below one that failed.

use std::io::{self, Write};

use serde::Serialize;

use super::check::{Finding, Status};
use super::settings::Row;
use crate::exit::Exit;
use crate::output::{Show, Shown, count, wrapped};

/// What the command found. The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) ok: bool,
    pub(super) checks: Vec<Finding>,
    pub(super) settings: Vec<Row>,
    #[serde(skip)]
    pub(super) exit: Exit,
}

/// Where the text of a check begins.
const INDENT: usize = 21;

impl Show for Report {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for (index, finding) in self.checks.iter().enumerate() {
            finding.text(out)?;
            if index == 0 {
                for row in &self.settings {
                    row.text(out)?;
                }
            }
        }
        let failed = self.checks.iter().filter(|it| it.status == Status::Failed);
        match failed.count() {
            0 => writeln!(out, "nothing failed: tags can be changed"),
            failed => writeln!(out, "{} failed", count(failed, "check", "checks")),
        }
    }
}

impl Finding {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let status = match self.status {
            Status::Ok => "ok",
            Status::Failed => "FAILED",
            Status::Skipped => "skipped",
        };
        let mut lines = self.detail.lines();
        let first = Shown(lines.next().unwrap_or_default());
        let seconds = self
            .seconds
            .map(|seconds| format!(" ({:.0} ms)", seconds * 1e3));
        let time = seconds.unwrap_or_default();
        let line = format!("{status:<7} {:<12} {first}{time}", self.check.name());
        writeln!(out, "{}", wrapped(line, INDENT))?;
        for line in lines {
            let line = format!("{:INDENT$}{}", "", Shown(line.trim()));
            writeln!(out, "{}", wrapped(line, INDENT + 2))?;
        }
        if let Some(remedy) = &self.remedy {
            let line = format!("{:8}what to do:  {}", "", Shown(remedy));
            writeln!(out, "{}", wrapped(line, INDENT))?;
        }
        Ok(())
    }
}

impl Row {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let value = Shown(self.value.as_deref().unwrap_or("(not shown)"));
        let line = format!(
            "{:8}{:<16} {value} [{}]",
            "",
            self.setting,
            Shown(&self.from)
        );
        writeln!(out, "{}", wrapped(line, INDENT + 4))
    }
}
