//! The report: an object for programs; for people a line a check, as soon as it and all before it are known, with what to do
//! below one that failed.

use std::io::{self, Write};

use serde::Serialize;

use super::check::{Check, Finding, Status};
use super::settings::Row;
use crate::exit::{CommandError, Exit};
use crate::interrupt::{Busy, Interrupt};
use crate::output::stderr;
use crate::output::{Output, Show, Shown, count, wrapped};

/// What the command found. The names of the fields are a promise to programs: see the README.
#[derive(Serialize)]
pub(super) struct Report {
    ok: bool,
    checks: Vec<Finding>,
    settings: Vec<Row>,
}

/// Where the text of a check begins.
const INDENT: usize = 21;

/// What is known so far.
pub(super) struct Progress {
    output: Output,
    interrupt: Interrupt,
    settings: Vec<Row>,
    /// In the order of the checks.
    found: [Option<Finding>; Check::ALL.len()],
    /// How many of the lines are written.
    written: usize,
    result: Result<(), CommandError>,
}

impl Progress {
    pub(super) fn new(output: Output, interrupt: &Interrupt, settings: Vec<Row>) -> Progress {
        Progress {
            output,
            interrupt: interrupt.clone(),
            settings,
            found: [const { None }; Check::ALL.len()],
            written: 0,
            result: Ok(()),
        }
    }

    /// What is known of a check. What was known first stays.
    pub(super) fn found(&mut self, finding: Finding) {
        let at = Check::ALL.iter().position(|it| *it == finding.check);
        if let Some(at) = at {
            self.found[at].get_or_insert(finding);
        }
        self.write();
    }

    /// Says to a person at a terminal what is waited for.
    pub(super) fn waits_for(&self, what: &str) {
        if !self.output.is_json() && stderr::is_possible() {
            let ascii = |c: char| {
                if c.is_ascii_graphic() || c == ' ' {
                    c
                } else {
                    '?'
                }
            };
            let line = format!("{what} ...");
            let fits = line.chars().map(ascii).take(stderr::width());
            stderr::show(fits.collect());
        }
    }

    /// Shows what is not written yet, with `otherwise` for a check of which nothing was found.
    pub(super) fn end(
        &mut self,
        otherwise: impl Fn(Check) -> Finding,
    ) -> Result<Exit, CommandError> {
        for check in Check::ALL {
            self.found(otherwise(check));
        }
        stderr::end();
        std::mem::replace(&mut self.result, Ok(()))?;
        let checks: Vec<_> = self.found.iter_mut().filter_map(Option::take).collect();
        let failed = checks.iter().find(|it| it.status == Status::Failed);
        let (ok, exit) = (failed.is_none(), failed.map_or(Exit::Done, |it| it.exit));
        let report = Report {
            ok,
            checks,
            settings: std::mem::take(&mut self.settings),
        };
        self.output.show(&report)?;
        Ok(exit)
    }

    /// Writes the lines that are known, in their order.
    fn write(&mut self) {
        let known = self.found[self.written..].iter().map_while(Option::as_ref);
        let known: Vec<_> = known.collect();
        if self.output.is_json() || known.is_empty() || self.result.is_err() {
            return;
        }
        stderr::clear();
        // a reader that does not read holds no one who presses Ctrl-C
        self.interrupt.busy_with(Busy::Reporting);
        self.result = self.output.write(|out| {
            for finding in &known {
                finding.text(out)?;
                if finding.check == Check::Settings {
                    self.settings.iter().try_for_each(|row| row.text(out))?;
                }
            }
            Ok(())
        });
        self.interrupt.busy_with(Busy::Calling);
        self.written += known.len();
    }
}

/// The lines are written already.
impl Show for Report {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        summary(&self.checks, out)
    }
}

fn summary(checks: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let with = |status| checks.iter().filter(|it| it.status == status).count();
    let warnings = match with(Status::Warning) {
        0 => String::new(),
        warnings => format!(", {}", count(warnings, "warning", "warnings")),
    };
    match with(Status::Failed) {
        0 => {
            let line =
                format!("nothing failed{warnings}: tags can be read; to change any was not tried");
            writeln!(out, "{}", wrapped(line, 0))
        }
        failed => writeln!(out, "{} failed{warnings}", count(failed, "check", "checks")),
    }
}

impl Finding {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let status = match self.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
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
