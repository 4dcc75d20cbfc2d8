//! An import: a file is read (`file`, `header`, `read`), its rows put together by user (`group`), packed into
//! requests (`plan`), sent (`send`, `course`), counted (`tally`) and reported (`report`, `summary`). Each knows the
//! one before it only by what it hands over, so that a file larger than memory, or a run that is taken up again, is
//! a matter of one of them.

mod course;
#[cfg(feature = "emulator")]
mod demo;
#[allow(dead_code, reason = "not wired into the command yet")]
mod disk;
#[allow(
    dead_code,
    unused_imports,
    reason = "not wired into the command yet"
)]
mod failed;
mod file;
mod group;
mod header;
#[allow(
    dead_code,
    unused_imports,
    reason = "not wired into the command yet"
)]
mod journal;
mod lines;
#[allow(dead_code, reason = "not wired into the command yet")]
mod lock;
mod plan;
mod progress;
mod read;
mod read_back;
mod report;
mod send;
mod summary;
mod tally;

use std::path::Path;
use std::time::{Duration, Instant};

use imtag_core::Rules;

#[cfg(feature = "emulator")]
pub(crate) use demo::Demo;
pub(crate) use file::FileError;

use course::End;
use file::Input;
use group::Grouping;
use plan::Plan;
use read::{BadRow, Row, Rows};
use read_back::ReadBack;
use report::{Ended, Failures, Report};
use send::Sender;
use tally::Tally;

use crate::exit::Exit;
use crate::failure::CommandError;
use crate::interrupt::{Busy, Interrupt};
use crate::output::Output;
use crate::reason::Reason;
use crate::settings::Connection;

/// A file that has been read, and what is to be sent for it.
pub(crate) struct Read {
    file: String,
    rows: u64,
    bad_rows: Vec<BadRow>,
    plan: Plan,
}

/// Reads a file to its end. Nothing is sent before that.
pub(crate) fn read(path: &Path, rules: Rules) -> Result<Read, FileError> {
    let input = Input::open(path)?;
    let file = input.name.clone();
    let mut rows = Rows::of(input, rules)?;
    let mut grouping = Grouping::default();
    let mut bad_rows = Vec::new();
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        match row {
            Row::Good { account, tags } => grouping.add(account, &tags),
            Row::Bad(row) => bad_rows.push(row),
        }
    }
    Ok(Read {
        file,
        rows: count,
        bad_rows,
        plan: Plan::new(grouping.finish(), rules),
    })
}

/// Where an import goes, and how.
pub(crate) struct Run<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) timeout: Option<Duration>,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) output: Output,
    /// What the import goes to, where it is a demo: all tags are then read back and compared with the file.
    pub(crate) demo: Option<String>,
}

impl Run<'_> {
    /// Sends what was read, and reports.
    pub(crate) fn import(&self, read: Read) -> Result<Exit, CommandError> {
        let plan = &read.plan;
        let mut tally = Tally::new(plan);
        self.interrupt.busy_with(Busy::Importing);
        let started = Instant::now();
        let mut ended = self.send(plan, &mut tally);
        let seconds = started.elapsed().as_secs_f64();
        if let Some(reason) = not_sent(&ended) {
            tally.not_sent(reason);
        }
        let read_back = self
            .demo
            .as_ref()
            .map(|_| read_back::read_back(&self.connection.client, plan, &tally, self.interrupt));

        let cut_short = |it: &ReadBack| it.ended_early.is_some();
        if self.interrupt.came() && read_back.as_ref().is_some_and(cut_short) {
            ended = Ended::Interrupted;
        }

        let users = plan.groups().users();
        let users_failed = tally.failures().count();
        let report = Report {
            file: read.file,
            rows: read.rows,
            bad_rows: read.bad_rows.len(),
            users,
            requests: tally.requests,
            lower_bound: plan.requests(),
            retries: tally.retries(),
            users_tagged: users - users_failed,
            users_failed,
            seconds: rounded(seconds),
            quota_utilisation: self.utilisation(tally.charged, seconds),
            demo: self.demo.clone(),
            ended_early: ended.sentence(),
            read_back,
            failures: Failures(&tally),
            bad_row_details: read.bad_rows,
            ended,
        };
        self.interrupt.busy_with(Busy::Reporting);
        self.output.show(&report)?;
        Ok(report.exit())
    }

    fn send(&self, plan: &Plan, tally: &mut Tally<'_>) -> Ended {
        let sender = Sender {
            client: &self.connection.client,
            calls_per_second: self.connection.calls_per_second,
            timeout: self.timeout,
            interrupt: self.interrupt,
        };
        let bar = progress::bar(plan.requests());
        let end = sender.send(plan, |sent| {
            tally.take(sent);
            bar.inc(1);
        });
        bar.finish_and_clear();
        match end {
            _ if self.interrupt.came() && tally.unfinished() => Ended::Interrupted,
            Some(end) => Ended::Early(end),
            None => Ended::AllSent,
        }
    }

    /// The share of the quota that was used. The quota is so many calls in any second: a shorter run had a whole
    /// second's, and a run of some seconds may make a few more calls than its length says, which is no more than all.
    fn utilisation(&self, charged: u64, seconds: f64) -> f64 {
        let quota = f64::from(self.connection.calls_per_second) * seconds.max(1.0);
        #[allow(clippy::cast_precision_loss)] // no import makes 2^52 requests
        rounded((charged as f64 / quota).min(1.0))
    }
}

impl Ended {
    fn sentence(&self) -> Option<String> {
        match self {
            Ended::AllSent => None,
            Ended::Interrupted => Some("interrupted".to_owned()),
            Ended::Early(End::Refused(why) | End::GaveOut(why)) => Some(why.clone()),
        }
    }
}

/// Why what was not sent was not.
fn not_sent(ended: &Ended) -> Option<Reason> {
    match ended {
        Ended::AllSent => None,
        Ended::Interrupted => Some(Reason::ours(
            "not sent: interrupted".to_owned(),
            "import the file again",
        )),
        Ended::Early(End::Refused(_)) => Some(Reason::ours(
            "not sent: the service does not let this app in".to_owned(),
            "mend the settings, and import the file again",
        )),
        Ended::Early(End::GaveOut(_)) => Some(Reason::ours(
            "not sent: the service or the network gave out".to_owned(),
            "import the file again when it is back",
        )),
    }
}

/// To four digits, as more would be noise.
fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}
