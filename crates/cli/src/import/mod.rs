//! An import. Each step knows only the result of the steps before; this file puts them together.
//!
//! ```text
//! input/    a file: rows, each checked; bad_rows keeps those that are left out
//! group/    rows: users, each with the changes to make, in bounded memory and in an order that follows from the file
//!           and the limits; report/totals counts them, so users are grouped twice: to count them, and to send
//! send      users: requests, and what became of each change
//! state/    who is settled and who failed, in the journal: safe over a crash; who failed, in the failed list
//! undone    who is not done, and why
//! report/   all of it for people and programs; how far it is, meanwhile
//! ```

mod bad_rows;
#[cfg(feature = "emulator")]
mod demo;
mod group;
mod input;
mod list_failed;
mod memory;
mod report;
mod send;
mod state;
mod undone;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use imtag_core::{CallRate, Operation, Rules};
use imtag_transport::Client;

#[cfg(feature = "emulator")]
pub(crate) use demo::Demo;
pub(crate) use list_failed::list_failed;
pub(crate) use memory::Memory;
pub(crate) use state::files::Files;

use bad_rows::BadRows;
use group::{CollectedRows, GroupError};
use input::{FileError, FileProblem, Fingerprint, Input, JoinedTags, for_each_row};
use report::dry_run::DryRun;
use report::progress::Progress;
use report::read_back::{ReadBack, read_back};
use report::totals::Totals;
use report::{Ended, Report, Undone};
use send::Sender;
use state::failed_list;
use state::identity::Identity;
use state::store::Store;
use state::tracker::Tracker;

use crate::exit::{CommandError, Exit};
use crate::interrupt::{Busy, Interrupt};
use crate::output::{Output, note, note_warning};
use crate::ownership::whole::{OwnFile, is_filled_file};

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
        note_warning(joined);
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
    let mut totals = read.totals;
    let failures = std::mem::take(&mut totals.failures);
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
    pub(crate) client: &'a Client,
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
        let client = self.client;
        let users = read.totals.users;
        let identity = Identity::new(read.fingerprint, users, settings(client));
        // from here on there are files, which a signal is not to leave behind
        self.interrupt.busy_with(Busy::Importing);
        let (store, mut list) = self.open_store(identity, &mut read.bad_rows)?;
        let resumed = store.users.settled();
        let sender = Sender {
            client,
            timeout: self.timeout,
            late_requests: store.users_in_doubt() > 0,
            interrupt: self.interrupt,
        };
        let mut tracker = Tracker::new(store);
        let quota = self.client.calls_per_second();
        let shown = Progress::of_sending(users, resumed, quota);
        let started = Instant::now();
        let mut rest = read.collected.users();
        let (summary, mut ended) = sender.send(&mut rest, &mut tracker, &shown);
        drop(shown);
        let seconds = started.elapsed().as_secs_f64();

        let why = ended.not_sent();
        let app_refused = matches!(ended, Ended::Refused { .. });
        tracker.say_why(&why);
        let not_sent = undone::not_sent(&tracker, &mut rest, &why);
        let not_sent = ended.or_denied(not_sent);
        // a mere refusal of the app or its settings replaces no earlier list
        let replaces = !app_refused || tracker.has_more_than_refusals();
        ended.or_denied(tracker.hold_back(replaces));
        let mut store = tracker.close();
        ended.or_denied(store.commit());
        let mut undone = Undone {
            failed: ended.or_denied(undone::failed(&store)),
            not_sent,
            list: None,
        };
        let users_failed = store.users_listed();
        // a run that settles nobody, and holds nobody back, costs no list of an earlier one
        let is_over = store.users.settled() > 0 && store.users.are_settled();
        let replaces = is_over || store.replaces_held_back();
        let path = &self.files.failed.path;
        let is_due = users_failed > 0 && (replaces || !is_filled_file(path));
        // a list that says more than the journal would be another's to the next run, which lists all of them
        if is_due && !store.is_broken {
            let written = failed_list::write(&mut list, &mut store);
            undone.list = written.is_ok().then(|| path.clone());
            ended.or_denied(written);
        } else if replaces && users_failed == 0 {
            ended.or_denied(list.remove());
        } else {
            list.leave();
        }
        let is_listed = users_failed == 0 || undone.list.is_some();
        let read_back = match &self.demo {
            Some(_) => {
                // the third time that the file is grouped: to hold all that was sent would take as much memory as the file
                let collected = &mut read.collected;
                Some(read_back(client, collected, &store.users, self.interrupt)?)
            }
            None => None,
        };
        let cut_short = |it: &ReadBack| it.ended_early.is_some();
        if self.interrupt.came() && read_back.as_ref().is_some_and(cut_short) {
            ended = Ended::Interrupted;
        }
        let counters = store.counters();
        let users_tagged = store.users.done();
        let closed = store.close(is_listed);
        let stays = *closed.as_ref().unwrap_or(&true);
        ended.or_denied(closed);
        // where earlier runs are counted, their requests and their time are too
        let quota_utilisation = match resumed {
            0 => self.utilisation(summary.progress.sent, seconds),
            _ => {
                let attempts = counters.requests.saturating_add(counters.retries);
                self.utilisation(attempts, counters.elapsed.as_secs_f64())
            }
        };
        let is_earlier = undone.list.is_none() && !replaces && is_filled_file(path);
        let report = Report {
            file: read.file,
            rows: read.rows,
            bad_rows: read.bad_rows.count(),
            users,
            resumed,
            requests: counters.requests,
            lower_bound: read.totals.lower_bound(),
            retries: counters.retries,
            quota_rejections: rejections(client),
            splits: counters.splits,
            users_tagged,
            users_failed,
            users_not_sent: users - users_tagged - users_failed,
            seconds: rounded(counters.elapsed.as_secs_f64()),
            quota_utilisation,
            above_alarm: report::is_above_alarm(quota, summary.progress.sent, seconds),
            demo: self.demo.clone(),
            ended,
            read_back,
            undone,
            left_out: read.bad_rows,
            earlier_list: is_earlier.then(|| path.clone()),
            journal: stays.then(|| self.files.journal.clone()),
            joined_tags: read.joined_tags,
            timpush_would_save: summary.timpush_would_save(),
        };
        self.interrupt.busy_with(Busy::Reporting);
        self.output.show(&report)?;
        Ok(report.exit())
    }

    /// Opens the journal and the lists, and says it where an import is resumed. Nothing that was there is changed before
    /// all is checked.
    fn open_store(
        &self,
        identity: Identity,
        bad_rows: &mut BadRows,
    ) -> Result<(Store, OwnFile), CommandError> {
        let journal = &self.files.journal;
        let mut store = Store::open(journal, identity)?;
        let held = failed_list::hold(&self.files.failed, &mut store).and_then(|mut list| {
            if let Some(path) = &self.files.bad_rows {
                bad_rows.write_list(path).inspect_err(|_| list.leave())?;
            }
            let is_gone = store.users_listed() > 0 && list.is_empty();
            if is_gone || store.users.failed() > 0 {
                failed_list::write(&mut list, &mut store)?;
            }
            Ok(list)
        });
        let list = match held {
            Ok(list) => list,
            Err(error) => {
                store.leave();
                return Err(error.into());
            }
        };
        let store = store.begin().inspect_err(|_| list.leave())?;
        if store.is_resumed() {
            let (settled, users) = (store.users.settled(), store.users.users());
            let are = if users == 1 { "user is" } else { "users are" };
            let journal = journal.display();
            note(format_args!(
                "resuming from {journal}: {settled} of {users} {are} settled"
            ));
        }
        Ok((store, list))
    }

    /// The share of the quota that was used. The quota is so many calls in any second: a shorter run had a whole
    /// second's, and a run of some seconds may make a few more calls than its length says, which is no more than all.
    fn utilisation(&self, charged: u64, seconds: f64) -> f64 {
        let rate = self.client.calls_per_second();
        let quota = rate.admitted_per_second() * seconds.max(rate.window().as_secs_f64());
        #[allow(clippy::cast_precision_loss)] // no import makes 2^52 requests
        rounded((charged as f64 / quota).min(1.0))
    }
}

/// What identifies an import beside its input: the app that it tags, and the settings that the users' order depends on.
fn settings(client: &Client) -> Vec<(String, String)> {
    let (rules, endpoint) = (client.rules(), client.endpoint());
    let limits = &rules.limits;
    let settings = [
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
    settings
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

/// How many attempts the service rejected as too frequent; not the reads that look what came of an import.
fn rejections(client: &Client) -> u64 {
    let changes = Operation::ALL
        .into_iter()
        .filter(|it| *it != Operation::Get);
    let stats = client.stats();
    changes.map(|it| stats.operation(it).quota_rejections).sum()
}

/// To four digits, as more would be noise.
fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}
