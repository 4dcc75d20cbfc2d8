//! An import. Each step knows only the result of the steps before; this file puts them together.
//!
//! ```text
//! input/    a file: rows, each checked; bad_rows keeps those that are left out
//! group/    rows: users, each with the changes to make, in bounded memory and in an order that follows from the file
//!           alone; report/totals counts them
//! send      users: requests, and what became of each change
//! state/    who is settled, in the journal; who failed, in the failed list: safe over a crash
//! leftover  who is not done, and why: in the failed list until the next run
//! report/   all of it for people and programs; how far it is, meanwhile
//! ```

mod bad_rows;
#[cfg(feature = "emulator")]
mod demo;
mod group;
mod input;
mod leftover;
mod memory;
mod report;
mod send;
mod state;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use imtag_core::{CallRate, Rules};
use imtag_transport::Client;

#[cfg(feature = "emulator")]
pub(crate) use demo::Demo;
pub(crate) use memory::Memory;
#[cfg(feature = "emulator")]
pub(crate) use state::disk::is_of_the_path;
pub(crate) use state::files::Files;

use bad_rows::BadRows;
use group::{CollectedRows, GroupError};
use input::{FileError, FileProblem, Fingerprint, Input, JoinedTags, for_each_row};
use leftover::Leftover;
use report::dry_run::{self, DryRun};
use report::progress::Progress;
use report::read_back::{ReadBack, read_back};
use report::totals::Totals;
use report::{Ended, Report, UndoneUsers};
use send::Sender;
use state::journal::{Identity, Journal, JournalError, Opened};
use state::tracker::Tracker;

use crate::exit::{CommandError, Exit};
use crate::interrupt::{Busy, Interrupt};
use crate::output::{Output, note};
use crate::settings::Connection;

/// How much of this machine the reading may use.
#[derive(Debug, Clone)]
pub(crate) struct ReadLimits {
    pub(crate) memory: Memory,
    /// The folder of the temporary file, for what does not fit into the memory.
    pub(crate) folder: PathBuf,
}

/// A file that has been read, and what is to be done for it.
pub(crate) struct ReadFile {
    file: String,
    rows: u64,
    bad_rows: BadRows,
    joined_tags: Option<JoinedTags>,
    collected: CollectedRows,
    totals: Totals,
    rules: Rules,
    fingerprint: Fingerprint,
}

impl From<FileError> for CommandError {
    fn from(error: FileError) -> CommandError {
        CommandError::file(error.is_of_this_machine(), error)
    }
}

impl From<GroupError> for CommandError {
    fn from(error: GroupError) -> CommandError {
        CommandError::new(Exit::Unavailable, error)
    }
}

/// Rows after which the progress shows how far the reading is.
const SHOWN_EVERY: u64 = 4096;

/// Reads a file to its end. Nothing is sent before that.
pub(crate) fn read(
    path: &Path,
    rules: Rules,
    limits: ReadLimits,
) -> Result<ReadFile, CommandError> {
    let input = Input::open(path, limits.memory)?;
    let file = input.lines.name.clone();
    let digesting = input.digesting.clone();
    let shown = Progress::of_reading(input.bytes);
    let mut bad_rows = BadRows::new(&limits.folder);
    let mut rows = 0;
    let mut collected = CollectedRows::new(limits.memory, limits.folder, rules.limits);
    let joined_tags = for_each_row(input, &rules, |row| {
        rows += 1;
        if rows % SHOWN_EVERY == 0 {
            shown.read(rows, digesting.bytes());
        }
        let kept = match row {
            Ok(row) => collected.add(&row),
            Err(row) => bad_rows.add(row),
        };
        kept.map_err(|error| CommandError::from(GroupError::from(error)))
    })?;
    shown.grouping();
    if let Some(joined) = &joined_tags {
        note(format_args!("warning: {joined}"));
    }
    collected.finish().map_err(GroupError::from)?;
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
    Ok(ReadFile {
        file,
        rows,
        bad_rows,
        joined_tags,
        collected,
        totals,
        rules,
        fingerprint: digesting.fingerprint(),
    })
}

/// Shows what would be sent at this quota.
pub(crate) fn dry_run(
    mut read: ReadFile,
    calls_per_second: CallRate,
    list: Option<&Path>,
    output: Output,
) -> Result<Exit, CommandError> {
    if let Some(list) = list {
        read.bad_rows.write_list(list)?;
    }
    let totals = read.totals;
    let failures = dry_run::failures(&mut read.collected, &totals, &read.rules.limits)?;
    #[allow(clippy::cast_precision_loss)] // no import makes 2^52 requests
    let requests = totals.longest_operation() as f64;
    let report = DryRun {
        dry_run: true,
        file: read.file,
        rows: read.rows,
        bad_rows: read.bad_rows.count(),
        lower_bound: totals.lower_bound(),
        // each operation has a quota of its own, so that they go on side by side
        seconds_at_full_quota: rounded(requests / calls_per_second.admitted_per_second()),
        totals,
        failures,
        left_out: read.bad_rows,
        joined_tags: read.joined_tags,
        calls_per_second,
    };
    output.show(&report)?;
    Ok(report.exit())
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
    pub(crate) fn import(&self, mut read: ReadFile) -> Result<Exit, CommandError> {
        let client = &self.connection.client;
        let identity = Identity {
            input: read.fingerprint,
            users: read.totals.users,
            facts: facts(client),
        };
        // from here on there are files, which a signal is not to leave behind
        self.interrupt.busy_with(Busy::Importing);
        if let Some(list) = &self.files.bad_rows {
            read.bad_rows.write_list(list)?;
        }
        let mut collected = read.collected;
        let opened = Journal::open(&self.files.journal, &identity, &self.files.failed)?;
        self.announce(&opened);
        let resumed = opened.settled.count();
        let sender = Sender {
            client,
            timeout: self.timeout,
            late_requests: !opened.in_doubt.is_empty(),
            interrupt: self.interrupt,
        };
        let mut tracker = Tracker::new(opened);
        let quota = self.connection.calls_per_second;
        let shown = Progress::of_sending(identity.users, resumed, quota);
        let started = Instant::now();
        let (summary, mut ended) = sender.send(&mut collected, &mut tracker, &shown);
        drop(shown);
        let seconds = started.elapsed().as_secs_f64();

        let (journal, settled, unsettled, earlier) = tracker.close();
        let counters = journal.counters();
        if let Err(denied) = journal.flush() {
            ended.denied(&denied);
        }
        let leftover = Leftover {
            settled,
            unsettled,
            earlier,
            list: &self.files.failed,
            unwritten: journal.unwritten_failures(),
            not_sent: ended.not_sent(),
        };
        // before those who are held back are added to the list
        let by_reason = leftover.by_reason(&mut collected);
        let app_refused = matches!(ended, Ended::Refused { .. });
        let (remaining, closed) = leftover.close(journal, &mut collected, app_refused);
        if let Err(denied) = closed {
            ended.denied(&denied);
        }
        let read_back = match &self.demo {
            Some(_) => Some(self.read_back(&mut collected, &leftover)?),
            None => None,
        };
        let cut_short = |it: &ReadBack| it.ended_early.is_some();
        if self.interrupt.came() && read_back.as_ref().is_some_and(cut_short) {
            ended = Ended::Interrupted;
        }
        let users_tagged = leftover.settled.done();
        let users_failed = leftover.users_failed();
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
            bad_rows: read.bad_rows.count(),
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
            ended,
            read_back,
            undone: UndoneUsers {
                by_reason,
                list: (remaining.list && self.demo.is_none()).then(|| self.files.failed.clone()),
            },
            left_out: read.bad_rows,
            earlier_list: remaining.earlier_list.then(|| self.files.failed.clone()),
            journal: remaining.journal.then(|| self.files.journal.clone()),
            joined_tags: read.joined_tags,
            timpush_would_save: summary.timpush_would_save(),
        };
        self.interrupt.busy_with(Busy::Reporting);
        self.output.show(&report)?;
        Ok(report.exit())
    }

    /// Says that an import is resumed.
    fn announce(&self, opened: &Opened) {
        if !opened.resumed {
            return;
        }
        let (journal, settled) = (self.files.journal.display(), opened.settled.count());
        let users = opened.settled.users();
        let are = if users == 1 { "user is" } else { "users are" };
        let torn = match opened.torn {
            0 => String::new(),
            1 => "; its last byte was cut off by a crash".to_owned(),
            bytes => format!("; its last {bytes} bytes were cut off by a crash"),
        };
        note(format_args!(
            "resuming from {journal}: {settled} of {users} {are} settled{torn}"
        ));
    }

    fn read_back(
        &self,
        collected: &mut CollectedRows,
        leftover: &Leftover<'_>,
    ) -> Result<ReadBack, CommandError> {
        let failed = leftover.failed_accounts();
        let failed = failed.map_err(JournalError::from)?;
        let is_done = |position, account: &str| {
            leftover.settled.is_settled(position) && !failed.contains(account)
        };
        let client = &self.connection.client;
        Ok(read_back(client, collected, is_done, self.interrupt)?)
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
