//! An import. Each of its steps knows the one before only by what it hands over:
//!
//!     open    file, unpack, digest, lines       bytes, unpacked, known by their fingerprint
//!     read    header, records, ndjson, read     rows, each checked: good ones, and bad_rows
//!     group   entry, names, parts, spool,       users, each with what is to be done, in bounded memory
//!             group, users, totals              and in an order that follows from the file alone
//!     send    held, plan, send, course
//!     report  tally, report, summary, dry_run

mod bad_rows;
mod change;
mod course;
#[cfg(feature = "emulator")]
mod demo;
mod digest;
#[allow(dead_code, reason = "not wired into the command yet")]
mod disk;
mod dry_run;
mod entry;
#[allow(dead_code, unused_imports, reason = "not wired into the command yet")]
mod failed;
mod file;
mod group;
mod header;
mod held;
#[allow(dead_code, unused_imports, reason = "not wired into the command yet")]
mod journal;
mod lines;
#[allow(dead_code, reason = "not wired into the command yet")]
mod lock;
mod memory;
mod names;
mod ndjson;
mod parts;
mod plan;
mod progress;
mod read;
mod read_back;
mod records;
mod report;
mod send;
mod spool;
mod summary;
mod tally;
mod totals;
mod unpack;
mod users;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use imtag_core::Rules;

#[cfg(feature = "emulator")]
pub(crate) use demo::Demo;
pub(crate) use memory::Memory;

use bad_rows::BadRows;
use course::End;
use file::{FileError, FileProblem, Input};
use held::Groups;
use journal::Fingerprint;
use plan::Plan;
use read::Rows;
use read_back::ReadBack;
use report::{Ended, Failures, Report};
use send::Sender;
use spool::SpoolError;
use tally::Tally;
use totals::Totals;
use users::{Gathered, Gathering, GroupError};

use crate::exit::Exit;
use crate::failure::CommandError;
use crate::interrupt::{Busy, Interrupt};
use crate::output::Output;
use crate::reason::Reason;
use crate::settings::Connection;

/// What reading may take of this machine.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) memory: Memory,
    /// For what does not fit into it.
    pub(crate) folder: PathBuf,
}

/// A file that has been read, and what is to be done for it.
pub(crate) struct Read {
    file: String,
    rows: u64,
    bad_rows: BadRows,
    gathered: Gathered,
    totals: Totals,
    rules: Rules,
    #[allow(dead_code, reason = "for the journal, which is not wired in yet")]
    fingerprint: Fingerprint,
}

/// Why nothing can be done for a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Group(#[from] GroupError),
}

impl From<SpoolError> for ReadError {
    fn from(error: SpoolError) -> ReadError {
        ReadError::Group(error.into())
    }
}

/// Reads a file to its end. Nothing is sent before that.
pub(crate) fn read(path: &Path, rules: Rules, room: Room) -> Result<Read, ReadError> {
    let input = Input::open(path, room.memory)?;
    let file = input.name.clone();
    let digesting = input.digesting.clone();
    let mut bad_rows = BadRows::new(&room.folder);
    let mut gathering = Gathering::new(room.memory, room.folder);
    let rows = Rows::of(input, rules)?.for_each(|row| match row {
        Ok(change) => gathering.add(&change).map_err(ReadError::from),
        Err(row) => Ok(bad_rows.add(&row)?),
    })?;
    let mut gathered = gathering.finish(rules.limits)?;
    let totals = Totals::of(&mut gathered, &rules)?;
    if totals.too_many_tags_of_the_app {
        let most = rules.limits.tags_per_app;
        let problem = FileProblem::TooManyTags { most };
        return Err(FileError {
            name: file,
            problem,
        }
        .into());
    }
    Ok(Read {
        file,
        rows,
        bad_rows,
        gathered,
        totals,
        rules,
        fingerprint: digesting.fingerprint(),
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
    pub(crate) fn import(&self, mut read: Read) -> Result<Exit, CommandError> {
        if read.totals.clear.users + read.totals.remove.users > 0 {
            return Err(CommandError::Usage(
                "rows that remove or clear can be looked at (--dry-run) and not sent yet"
                    .to_owned(),
            ));
        }
        let groups = Groups::of(&mut read.gathered).map_err(ReadError::from)?;
        let plan = &Plan::new(groups, read.rules);
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
            bad_rows: read.bad_rows.count(),
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
