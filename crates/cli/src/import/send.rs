//! Sending: the users of a file go into a bulk run, one after the other, and their outcomes go into the tracker. Users who
//! are settled already are skipped.
//!
//! ```text
//! feed: push the changes of each user, taking outcomes while the run is full ──► end of input ──► take the rest ──► Ended
//!   │                                                                                 ▲
//!   ├ first Ctrl-C, or the run has ended: feed no more ───────────────────────────────┤
//!   └ this machine denies a file, a thread or memory: send no more ───────────────────┘
//! ```
//!
//! What is under way is waited for, unless a second Ctrl-C cancels it.

use std::fs::File;
use std::time::{Duration, Instant};

use imtag_core::plan::BatchPolicy;
use imtag_transport::{
    Bulk, Cause, ChangeOperation, ChangeRequest, Client, Completion, Progress as BulkProgress,
    RunError, Summary,
};

use super::group::{GroupError, User, Users};
use super::report::Ended;
use super::report::progress::Progress;
use super::report::totals::{has_too_many_tags, too_many_tags};
use super::state::store::Counters;
use super::state::tracker::Tracker;
use crate::interrupt::Interrupt;
use crate::output::note;
use crate::ownership::UnusableFile;

/// The default timeout of a request with all its waits and retries.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The longest that one attempt may take, so that a lost answer leaves time for another.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The capacity of the bulk run where an earlier run left requests on their way. Some changes wait until none of these can
/// arrive any more; the others need space beside them for that many seconds.
const CAPACITY_AFTER_CRASH: usize = 50_000;

/// Numbers kept for the changes of a user, of which there are at most three: to clear, to remove, to add. Example: the
/// second change of the user at position 7 has the number 7 · 4 + 1.
const NUMBERS_PER_USER: u64 = 4;

/// How a file is sent.
pub(crate) struct Sender<'a> {
    pub(crate) client: &'a Client,
    /// For each request, with its retries.
    pub(crate) timeout: Option<Duration>,
    /// True if an earlier run may have left requests on their way.
    pub(crate) late_requests: bool,
    pub(crate) interrupt: &'a Interrupt,
}

/// Why the sending stopped: this machine denied something.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error(transparent)]
    File(#[from] UnusableFile),
    #[error("there is no thread to send with: {0}; raise this user's limit of threads (ulimit -u)")]
    NoThread(String),
}

impl Sender<'_> {
    /// Sends all users who are not settled, and says how that ended.
    pub(crate) fn send(
        &self,
        users: &mut Users<'_>,
        tracker: &mut Tracker,
        shown: &Progress,
    ) -> (Summary, Ended) {
        let timeout = self.timeout.unwrap_or(TIMEOUT);
        let bulk = self.client.bulk();
        let bulk = if self.late_requests {
            bulk.capacity(CAPACITY_AFTER_CRASH).after_crash(true)
        } else {
            bulk
        };
        let bulk = bulk
            .timeout(timeout)
            .attempt_timeout(timeout.min(ATTEMPT_TIMEOUT))
            // the file is at hand, so the users who share a request come soon
            .linger(Duration::MAX)
            .cancel(self.interrupt.token())
            .drain(self.interrupt.drain())
            .start();
        let mut run = Sending {
            bulk,
            tracker,
            shown,
            started: Instant::now(),
            wait_announced: false,
        };
        let spare = spare_files();
        let mut stopped = self.feed(users, &mut run).err();
        if stopped.is_some() {
            self.interrupt.drain().cancel();
        }
        run.bulk.end_of_input();
        // the threads that send are started by now
        shown.start();
        loop {
            let completions = run.bulk.poll(run.tracker.store.until_commit());
            let is_over = completions.is_empty() && !run.is_commit_due();
            if let (Err(denied), None) = (run.take(completions), &stopped) {
                stopped = Some(denied);
                self.interrupt.drain().cancel();
            }
            if is_over {
                break;
            }
        }
        let summary = run.bulk.finish();
        drop(spare);
        run.count(&summary.progress);
        if stopped.is_none() && summary.ended.is_none() && !self.interrupt.came() {
            stopped = run.tracker.settle_deferred().err().map(Stopped::from);
        }
        let ended = match (stopped, &summary.ended) {
            (Some(stopped), _) => Ended::Denied(stopped.to_string()),
            _ if run.tracker.store.users.are_settled() => Ended::AllSent,
            _ if self.interrupt.came() => Ended::Interrupted,
            (None, Some(RunError::Refused(error))) => Ended::Refused {
                why: error.to_string(),
                remedy: error.remedy().into(),
            },
            (None, Some(RunError::Unavailable(error))) if error.is_local_failure() => {
                Ended::Denied(error.to_string())
            }
            (None, Some(RunError::Unavailable(error))) => Ended::Unavailable(error.to_string()),
            (None, Some(_)) => Ended::Interrupted,
            (None, None) => Ended::AllSent,
        };
        (summary, ended)
    }

    /// Pushes what is to be done, until there is no more or the run has ended. Who was not pushed is the next in `users`.
    fn feed(&self, users: &mut Users<'_>, run: &mut Sending<'_>) -> Result<(), Stopped> {
        let limits = self.client.rules().limits;
        let why = too_many_tags(&limits);
        while !self.interrupt.drain().is_cancelled() {
            let Some((position, user)) = users.next()? else {
                return Ok(());
            };
            if run.tracker.store.users.is_settled(position) {
                continue;
            }
            if has_too_many_tags(&user, &limits) {
                run.tracker.refuse(position, &user, &why)?;
                continue;
            }
            if self.late_requests && user.is_removed_then_added() {
                run.announce_wait();
            }
            if !run.dispatch(position, &user)? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// A bulk run, and where its outcomes go.
struct Sending<'r> {
    bulk: Bulk,
    tracker: &'r mut Tracker,
    shown: &'r Progress,
    started: Instant,
    /// True once the note is written that some users wait for late requests of an earlier run.
    wait_announced: bool,
}

impl Sending<'_> {
    /// Writes once why some users wait, while they do.
    fn announce_wait(&mut self) {
        let left = BatchPolicy::LATE_WINDOW.saturating_sub(self.started.elapsed());
        if self.wait_announced || left.is_zero() {
            return;
        }
        self.wait_announced = true;
        self.shown.waits(left);
        note(format_args!(
            "the last requests of the run before may still arrive: what is added to a user after a clear or a remove waits \
             for {} s; other users go on",
            left.as_secs_f64().ceil()
        ));
    }

    /// Pushes the changes of a user; false if the run has ended.
    fn dispatch(&mut self, position: u64, user: &User<'_>) -> Result<bool, Stopped> {
        let mut pushed = Ok(true);
        let mut dispatched = 0;
        for (nth, (op, tags)) in (0..).zip(user.changes()) {
            let change = match op {
                ChangeOperation::Add => ChangeRequest::add(user.account, tags),
                ChangeOperation::Remove => ChangeRequest::remove(user.account, tags),
                ChangeOperation::Clear => ChangeRequest::clear(user.account),
                ChangeOperation::Replace => ChangeRequest::replace(user.account, tags),
            };
            let id = position * NUMBERS_PER_USER + nth;
            pushed = self
                .await_capacity()
                .map(|()| self.bulk.push(id, change).is_ok());
            if !matches!(pushed, Ok(true)) {
                break;
            }
            self.tracker.dispatched(position);
            dispatched += 1;
        }
        let is_whole = matches!(pushed, Ok(true));
        let left = (!is_whole).then(|| user.changes().skip(dispatched));
        let left = left.into_iter().flatten();
        self.tracker.all_dispatched(position, user, left)?;
        pushed
    }

    /// Takes outcomes until another change can be pushed without blocking, so that known outcomes do not wait for a
    /// service that is slow.
    fn await_capacity(&mut self) -> Result<(), Stopped> {
        loop {
            let until_commit = self.tracker.store.until_commit();
            let completions = self.bulk.poll_or_capacity(until_commit);
            let has_capacity = completions.is_empty() && !self.is_commit_due();
            self.take(completions)?;
            if has_capacity {
                return Ok(());
            }
        }
    }

    fn is_commit_due(&self) -> bool {
        self.tracker.store.until_commit().is_zero()
    }

    /// Records outcomes, and commits them once they have waited for long enough.
    fn take(&mut self, completions: Vec<Completion>) -> Result<(), Stopped> {
        let no_thread = completions.iter().find_map(no_thread);
        let outcomes = completions.into_iter();
        let outcomes = outcomes.map(|it| (it.id / NUMBERS_PER_USER, it.change, it.result));
        let progress = self.bulk.progress();
        self.count(&progress);
        self.tracker.take(outcomes)?;
        self.shown.sent(&self.tracker.store.users, &progress);
        if self.is_commit_due() {
            self.tracker.store.commit()?;
        }
        no_thread.map_or(Ok(()), |error| Err(Stopped::NoThread(error)))
    }

    fn count(&mut self, progress: &BulkProgress) {
        self.tracker.store.count(Counters {
            requests: progress.requests,
            retries: progress.retries(),
            splits: progress.splits,
            elapsed: self.started.elapsed(),
        });
    }
}

/// Opens files that are closed when all is sent: connections may take all files that this process may have open, and the
/// report needs some at the end. Fewer where there are fewer to be had: one connection is enough to send, so it is left
/// two files before more than one is kept.
fn spare_files() -> Vec<File> {
    /// The list and its folder, and what the system opens beside them.
    const FILES: usize = 4;
    const CONNECTIONS: usize = 2;
    let all = 0..FILES + CONNECTIONS;
    let files = all.map_while(|_| File::open("/dev/null").ok());
    let mut files: Vec<File> = files.collect();
    let spared = match files.len() {
        0 | 1 => 0,
        some => some.saturating_sub(CONNECTIONS).max(1),
    };
    files.truncate(spared);
    files
}

/// Why a change has no thread, in a run that has none at all: it gets no further.
fn no_thread(completion: &Completion) -> Option<String> {
    match completion.result.as_ref().err()?.cause() {
        Cause::NoThread(error) => Some(error.to_string()),
        _ => None,
    }
}

#[cfg(all(test, feature = "emulator", debug_assertions))] // checks are not counted in release builds
mod tests {
    use imtag_core::{Rules, counted};

    use super::*;
    use crate::import::demo::Demo;
    use crate::import::state::identity::Identity;
    use crate::import::state::store::Store;
    use crate::import::{Memory, ReadLimits, read};

    #[test]
    fn a_name_is_checked_when_its_row_is_read_and_when_its_change_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.csv");
        let rows = "account,op,tags\ncounted-u,add,counted-a;counted-b\ncounted-u,remove,counted-c\ncounted-v,clear,\n";
        std::fs::write(&file, rows).unwrap();
        let limits = ReadLimits {
            memory: Memory::LEAST,
            folder: folder.path().to_owned(),
        };
        counted::take();
        let mut read = read(&file, Rules::default(), limits).unwrap();
        assert_eq!(counted::take(), 6, "three accounts and three tags");

        let demo = Demo::start().unwrap();
        let files = demo.files();
        let identity = Identity::new(read.fingerprint, 2, Vec::new());
        let store = Store::open(&files.journal, identity).unwrap();
        let sender = Sender {
            client: &demo.client,
            timeout: None,
            late_requests: false,
            interrupt: &Interrupt::new(),
        };
        let shown = Progress::of_sending(2, 0, demo.client.calls_per_second());
        let mut tracker = Tracker::new(store.begin().unwrap());
        sender.send(&mut read.collected.users(), &mut tracker, &shown);
        assert_eq!(tracker.store.users.done(), 2);
        assert_eq!(counted::take(), 6, "each once, in a change");
    }
}
