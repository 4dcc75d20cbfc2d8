//! An import. Each step knows only the result of the step before:
//!
//! ```text
//! input   input/                            rows, each checked: good ones, and bad_rows
//! group   group/, totals                    users, each with the changes to make, in bounded memory
//!                                           and in an order that follows from the file alone
//! send    files, journal, send, tracker     changes, and what became of each, kept safe in the journal
//! report  unfinished, reasons, ended,       who failed and why, who was not sent, and what to do
//!         failed, report, summary, dry_run
//! ```

mod bad_rows;
mod closing;
#[cfg(feature = "emulator")]
mod demo;
mod disk;
mod dry_run;
mod ended;
mod failed;
mod files;
mod group;
mod input;
mod journal;
mod line_form;
mod lock;
mod memory;
mod progress;
mod read_back;
mod reasons;
mod report;
mod send;
mod spare;
mod summary;
mod totals;
mod tracker;
mod unfinished;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use imtag_core::Rules;
use imtag_transport::{Client, RunError, Summary};

#[cfg(feature = "emulator")]
pub(crate) use demo::Demo;
#[cfg(feature = "emulator")]
pub(crate) use disk::is_of_the_path;
pub(crate) use files::Files;
pub(crate) use journal::JournalError;
pub(crate) use memory::Memory;

use bad_rows::BadRows;
use ended::Ended;
use group::{CollectedRows, Collector, GroupError, SpillError};
use input::{FileError, FileProblem, Input, JoinedTags, Rows};
use journal::{Fingerprint, Identity, Journal};
use progress::Progress;
use read_back::ReadBack;
use report::{LeftOut, Report, UndoneUsers};
use send::{Sender, Sent, Stopped};
use totals::Totals;
use tracker::{Leftover, Tracker};
use unfinished::Unfinished;

use crate::exit::{CommandError, Exit};
use crate::interrupt::{Busy, Interrupt};
use crate::output::{Output, note};
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
    joined_tags: Option<JoinedTags>,
    collected: CollectedRows,
    totals: Totals,
    rules: Rules,
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

impl From<ReadError> for CommandError {
    fn from(error: ReadError) -> CommandError {
        let exit = match &error {
            ReadError::File(error) if !error.is_of_this_machine() => Exit::Usage,
            _ => Exit::Unavailable,
        };
        CommandError::new(exit, error)
    }
}

impl From<SpillError> for ReadError {
    fn from(error: SpillError) -> ReadError {
        ReadError::Group(error.into())
    }
}

/// Rows after which progress is told how far the reading is.
const SHOWN_EVERY: u64 = 4096;

/// Reads a file to its end. Nothing is sent before that.
pub(crate) fn read(path: &Path, rules: Rules, room: Room) -> Result<Read, ReadError> {
    let input = Input::open(path, room.memory)?;
    let file = input.name.clone();
    let digesting = input.digesting.clone();
    let shown = Progress::of_reading(input.bytes);
    let mut bad_rows = BadRows::new(&room.folder);
    let mut rows = 0;
    let mut collector = Collector::new(room.memory, room.folder);
    let read = Rows::new(input, rules)?.for_each(|row| {
        rows += 1;
        if rows % SHOWN_EVERY == 0 {
            shown.read(rows, digesting.bytes());
        }
        match row {
            Ok(change) => collector.add(&change).map_err(ReadError::from),
            Err(row) => Ok(bad_rows.add(&row)?),
        }
    })?;
    shown.grouping();
    if let Some(joined) = &read.joined_tags {
        note(format_args!("warning: {joined}"));
    }
    let mut collected = collector.finish(rules.limits)?;
    let totals = Totals::count_users(&mut collected, &rules)?;
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
        rows: read.rows,
        bad_rows,
        joined_tags: read.joined_tags,
        collected,
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
    pub(crate) files: Files,
    /// What the import goes to, where it is a demo: all tags are then read back and compared with the file.
    pub(crate) demo: Option<String>,
}

impl Run<'_> {
    /// Sends what was read and is not settled, and reports.
    pub(crate) fn import(&self, mut read: Read) -> Result<Exit, CommandError> {
        let client = &self.connection.client;
        let identity = Identity {
            input: read.fingerprint,
            users: read.totals.users,
            facts: facts(client),
        };
        // from here on there are files, which a signal is not to leave behind
        self.interrupt.busy_with(Busy::Importing);
        let bad_rows = read.bad_rows.count();
        let bad_rows_list = match &self.files.bad_rows {
            Some(list) => bad_rows::list::write(list, &mut read.bad_rows)?.then(|| list.clone()),
            None => None,
        };
        let opened = Journal::open(&self.files.journal, &identity, &self.files.failed)?;
        let resumed = opened.settled.done() + opened.settled.failed();
        if opened.resumed {
            let (journal, users) = (self.files.journal.display(), identity.users);
            let are = if users == 1 { "user is" } else { "users are" };
            let torn = match opened.torn {
                0 => String::new(),
                1 => "; its last byte was cut off by a crash".to_owned(),
                bytes => format!("; its last {bytes} bytes were cut off by a crash"),
            };
            note(format_args!(
                "going on by {journal}: {resumed} of {users} {are} settled{torn}"
            ));
        }
        let resumed_after_crash = opened.resumed_after_crash;
        let mut tracker = Tracker::new(opened);
        let shown = Progress::of_sending(
            identity.users,
            &tracker.settled,
            self.connection.calls_per_second,
        );
        let started = Instant::now();
        let sender = Sender {
            client,
            timeout: self.timeout,
            resumed_after_crash,
            interrupt: self.interrupt,
        };
        let Sent { summary, stopped } = sender.send(&mut read.collected, &mut tracker, &shown);
        drop(shown);
        let seconds = started.elapsed().as_secs_f64();
        let (journal, mut leftover) = tracker.close();
        let counters = journal.counters();
        let mut ended = self.ended(&summary, stopped, &leftover);
        if let Err(denied) = journal.flush() {
            ended.denied(&denied);
        }
        leftover.unwritten_failures = journal.unwritten_failures();
        let not_sent = ended.not_sent();
        let mut unfinished = Unfinished {
            list: &self.files.failed,
            collected: &mut read.collected,
            leftover: &leftover,
            not_sent: &not_sent,
        };
        let by_reason = unfinished.by_reason();
        let refused = matches!(ended, Ended::Refused { .. });
        let (remaining, closed) = closing::close(journal, &mut unfinished, refused);
        if let Err(denied) = closed {
            ended.denied(&denied);
        }
        let read_back = match &self.demo {
            Some(_) => Some(self.read_back(&mut read.collected, &leftover)?),
            None => None,
        };
        let cut_short = |it: &ReadBack| it.ended_early.is_some();
        if self.interrupt.came() && read_back.as_ref().is_some_and(cut_short) {
            ended = Ended::Interrupted;
        }
        let users_tagged = leftover.settled.done();
        let users_failed = leftover.settled.failed() + leftover.held_back().count() as u64;
        // where earlier runs are counted, their requests and their time are too
        let quota_utilisation = match resumed {
            0 => self.utilisation(summary.progress.sent, seconds),
            _ => {
                let attempts = counters.requests + counters.retries;
                self.utilisation(attempts, counters.elapsed.as_secs_f64())
            }
        };
        let report = Report {
            file: read.file,
            rows: read.rows,
            bad_rows,
            users: identity.users,
            resumed,
            requests: counters.requests,
            lower_bound: read.totals.lower_bound(),
            retries: counters.retries,
            splits: counters.splits,
            users_tagged,
            users_failed,
            users_not_sent: identity.users - users_tagged - users_failed,
            seconds: rounded(counters.elapsed.as_secs_f64()),
            quota_utilisation,
            demo: self.demo.clone(),
            ended_early: ended.sentence(),
            read_back,
            undone: UndoneUsers {
                by_reason,
                list: remaining
                    .list
                    .then(|| self.files.failed.clone())
                    .filter(|_| self.demo.is_none()),
            },
            left_out: LeftOut {
                kinds: read.bad_rows.into_kinds(),
                list: bad_rows_list,
            },
            earlier_list: remaining.earlier_list.then(|| self.files.failed.clone()),
            journal: remaining.journal.then(|| self.files.journal.clone()),
            joined_tags: read.joined_tags,
            ended,
            timpush_would_save: summary.timpush_would_save(),
        };
        self.interrupt.busy_with(Busy::Reporting);
        self.output.show(&report)?;
        Ok(report.exit())
    }

    fn ended(&self, summary: &Summary, stopped: Option<Stopped>, leftover: &Leftover) -> Ended {
        if let Some(stopped) = stopped {
            return Ended::Denied(stopped.to_string());
        }
        match &summary.ended {
            _ if leftover.settled.is_complete() => Ended::AllSent,
            _ if self.interrupt.came() => Ended::Interrupted,
            Some(RunError::Refused(error)) => Ended::Refused {
                why: error.to_string(),
                remedy: error.remedy().into(),
            },
            Some(RunError::Unavailable(error)) if error.is_local_failure() => {
                Ended::Denied(error.to_string())
            }
            Some(RunError::Unavailable(error)) => Ended::Unavailable(error.to_string()),
            Some(_) => Ended::Interrupted,
            None => Ended::AllSent,
        }
    }

    fn read_back(
        &self,
        collected: &mut CollectedRows,
        leftover: &Leftover,
    ) -> Result<ReadBack, CommandError> {
        let mut failed = HashSet::new();
        if leftover.settled.failed() > 0 {
            for listed in failed::list(&self.files.failed, &leftover.unwritten_failures)
                .map_err(JournalError::from)?
            {
                failed.insert(listed.map_err(JournalError::from)?.account);
            }
        }
        let is_done = |position, account: &str| {
            leftover.settled.is_settled(position) && !failed.contains(account)
        };
        let client = &self.connection.client;
        let read = read_back::read_back(client, collected, is_done, self.interrupt);
        Ok(read.map_err(ReadError::from)?)
    }

    /// The share of the quota that was used. The quota is so many calls in any second: a shorter run had a whole
    /// second's, and a run of some seconds may make a few more calls than its length says, which is no more than all.
    fn utilisation(&self, charged: u64, seconds: f64) -> f64 {
        let rate = self.connection.calls_per_second;
        let quota = rate.admitted_per_second() * seconds.max(rate.window().as_secs_f64());
        #[allow(clippy::cast_precision_loss)] // no import makes 2^52 requests
        rounded((charged as f64 / quota).min(1.0))
    }
}

/// What identifies an import beside its input: the app that it tags, and the settings that the users' order depends on.
fn facts(client: &Client) -> Vec<(String, String)> {
    let (rules, endpoint) = (client.rules(), client.endpoint());
    let limits = &rules.limits;
    let facts = [
        ("SDKAppID", client.sdkappid().to_string()),
        (
            "endpoint",
            format!("{}:{}", endpoint.host(), endpoint.port()),
        ),
        ("generation", rules.generation.to_string()),
        ("tags a user", limits.tags_per_user.to_string()),
        (
            "tags a user and request",
            limits.tags_per_user_and_request.to_string(),
        ),
        ("bytes of an account", limits.account_bytes.to_string()),
        ("bytes of a tag", limits.tag_bytes.to_string()),
    ];
    facts.map(|(name, fact)| (name.to_owned(), fact)).into()
}

/// To four digits, as more would be noise.
fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}
