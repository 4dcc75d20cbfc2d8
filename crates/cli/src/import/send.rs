//! Sending: the users of a file go into a bulk run, one after the other, and what becomes of them goes into the book.
//! Who is settled already is passed by. Ctrl-C stops the sending, and what is under way is waited for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use imtag_transport::{
    Bulk, Change, ChangeCause, ChangeError, Client, Progress as BulkProgress, Settled, Summary,
};

use super::book::{Book, changes_of};
use super::change::Op;
use super::disk::DiskError;
use super::group::User;
use super::journal::Counters;
use super::progress::Progress;
use super::spare::SpareFiles;
use super::totals::has_too_many_tags;
use super::users::{Gathered, GroupError};
use crate::interrupt::Interrupt;
use crate::reason::Reason;

/// For a request with all its waits and retries, where the command line does not say otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);

/// For one attempt of it, so that a lost answer leaves time for another.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Changes that are held before they are sent where an import is taken up: those that wait for what a killed run may
/// have under way are to leave room for the others, for as many seconds as they wait.
const ROOM_WHEN_TAKEN_UP: usize = 50_000;

/// Changes of a user, at most: to clear, to remove, to add.
const CHANGES: u64 = 4;

/// What is needed to send.
pub(crate) struct Sender<'a> {
    pub(crate) client: &'a Client,
    /// For each request, with its retries.
    pub(crate) timeout: Option<Duration>,
    /// Whether an earlier run may have left requests on their way.
    pub(crate) taken_up: bool,
    pub(crate) interrupt: &'a Interrupt,
}

/// How the sending went.
pub(crate) struct Sent {
    pub(crate) summary: Summary,
    /// Why it stopped, where this machine is at fault.
    pub(crate) stopped: Option<Stopped>,
}

/// What this machine denies.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("there is no thread to send with: {0}; raise this user's limit of threads (ulimit -u)")]
    NoThread(Arc<std::io::Error>),
}

impl Sender<'_> {
    /// Sends whatever is not settled.
    pub(crate) fn send(&self, gathered: &mut Gathered, book: &mut Book, shown: &Progress) -> Sent {
        let timeout = self.timeout.unwrap_or(TIMEOUT);
        let bulk = self.client.bulk();
        let bulk = match self.taken_up {
            true => bulk.room(ROOM_WHEN_TAKEN_UP).after_crash(true),
            false => bulk,
        };
        let bulk = bulk
            .timeout(timeout)
            .attempt_timeout(timeout.min(ATTEMPT_TIMEOUT))
            // the file is at hand: whoever is to share a request comes soon
            .linger(Duration::MAX)
            .cancel(self.interrupt.token())
            .drain(self.interrupt.drain())
            .start();
        let mut run = Run {
            bulk,
            book,
            shown,
            started: Instant::now(),
            counted: Counters::default(),
        };
        let spare = SpareFiles::open();
        let mut stopped = self.feed(gathered, &mut run).err();
        if stopped.is_some() {
            run.bulk.cancel();
        }
        run.bulk.end_of_input();
        // what is sent has its threads by now
        shown.start();
        loop {
            let settled = run.bulk.poll(Duration::MAX);
            if settled.is_empty() {
                break;
            }
            if let (Err(denied), None) = (run.take(settled), &stopped) {
                stopped = Some(denied);
                run.bulk.cancel();
            }
        }
        let summary = run.bulk.finish();
        drop(spare);
        run.count(&summary.progress);
        if stopped.is_none() && summary.ended.is_none() && !self.interrupt.came() {
            stopped = run.book.list_held().err().map(Stopped::from);
        }
        Sent { summary, stopped }
    }

    /// Gives out what is to be done, until there is no more or the run has ended.
    fn feed(&self, gathered: &mut Gathered, run: &mut Run<'_>) -> Result<(), Stopped> {
        let limits = self.client.rules().limits;
        let too_many_tags = Reason::too_many_tags(&limits);
        let mut users = gathered.users();
        while let Some((position, user)) = users.next()? {
            if self.interrupt.drain().is_cancelled() {
                return Ok(());
            }
            if run.book.settled.is_settled(position) {
                continue;
            }
            if has_too_many_tags(&user, &limits) {
                run.book.refuse(position, &user, &too_many_tags)?;
            } else if !run.give(position, &user)? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// A run, and where its outcomes go.
struct Run<'r> {
    bulk: Bulk,
    book: &'r mut Book,
    shown: &'r Progress,
    started: Instant,
    /// What the journal's counters have been told.
    counted: Counters,
}

impl Run<'_> {
    /// Gives out what is to be done for a user; false where the run has ended.
    fn give(&mut self, position: u64, user: &User<'_>) -> Result<bool, Stopped> {
        for (nth, (op, tags)) in (0..).zip(changes_of(user)) {
            let change = match op {
                Op::Add => Change::add(user.account, tags),
                Op::Remove => Change::remove(user.account, tags),
                Op::Clear => Change::clear(user.account),
            };
            self.make_room()?;
            if self.bulk.push(position * CHANGES + nth, change).is_err() {
                return Ok(false);
            }
            self.book.given(position);
        }
        self.book.all_given(position)?;
        Ok(true)
    }

    /// Takes outcomes until another change can be given out at once: what is known is not to wait for a service that
    /// takes its time.
    fn make_room(&mut self) -> Result<(), Stopped> {
        loop {
            let settled = self.bulk.poll_or_room();
            let there_is_room = settled.is_empty();
            self.take(settled)?;
            if there_is_room {
                return Ok(());
            }
        }
    }

    fn take(&mut self, settled: Vec<Settled>) -> Result<(), Stopped> {
        let no_thread = settled.iter().find_map(no_thread);
        let of_users = settled.into_iter().map(of_user);
        let progress = self.bulk.progress();
        self.count(&progress);
        self.book.take(of_users)?;
        self.shown.sent(&self.book.settled, &progress);
        self.book.journal.check()?;
        no_thread.map_or(Ok(()), |error| Err(Stopped::NoThread(error)))
    }

    /// Tells the journal's counters what the run came to since they were told last.
    fn count(&mut self, progress: &BulkProgress) {
        let now = Counters {
            requests: progress.requests,
            retries: progress.retries(),
            splits: progress.splits,
            elapsed: self.started.elapsed(),
            resumes: 0,
        };
        let before = std::mem::replace(&mut self.counted, now);
        self.book.journal.count(Counters {
            requests: now.requests - before.requests,
            retries: now.retries - before.retries,
            splits: now.splits - before.splits,
            elapsed: now.elapsed - before.elapsed,
            resumes: 0,
        });
    }
}

/// A run that has no thread at all gets no further.
fn no_thread(settled: &Settled) -> Option<Arc<std::io::Error>> {
    match settled.result.as_ref().err()?.cause() {
        ChangeCause::NoThread(error) => Some(Arc::clone(error)),
        _ => None,
    }
}

fn of_user(settled: Settled) -> (u64, Arc<Change>, Result<(), ChangeError>) {
    let Settled {
        id, change, result, ..
    } = settled;
    (id / CHANGES, change, result)
}
