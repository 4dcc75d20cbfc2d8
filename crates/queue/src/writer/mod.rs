//! The store's thread. It takes all that waits, writes it in one commit, and answers all: a sync of the disk serves as many
//! posts as came during the one before.
//!
//! ```text
//!   ┌───────────────────────────────────────────────────────────────────────────────┐
//!   ▼                                                                               │
//! commands ──► round: posts, deletions, outcomes ──► one commit ──► answers ──► reads, blocks for the session
//!                                                       └ the disk refuses: the same without posts, which are refused
//! ```
//!
//! Outcomes go with the next commit, and wait 100 ms for one at most; for a caller that waits for them, not at all. They are
//! kept until they are written. What is committed is in the order in which it became known: so an account's later change is
//! never settled on the disk before an earlier one.

mod jobs;
mod looks;
mod pace;
mod round;
mod session;
mod waiting;
mod work;

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use crate::answer::Reply;
use crate::change::ChangeState;
use crate::command::{Command, Figures, Shared};
use crate::id::ChangeId;
use crate::settings::Settings;
use crate::status::{Counters, Pause, PauseReason};
use crate::store::{Store, is_damage};
use jobs::Jobs;
use looks::Looks;
use pace::Pace;
use session::Session;
use waiting::Waiting;
use work::Round;

/// Bytes of posts that one commit takes. What comes beyond waits for the next.
const COMMIT_BYTES: u64 = 16 << 20;
/// After a disk that refused, until it is tried again.
const DISK_AGAIN: Duration = Duration::from_secs(1);
/// Pages of free space that are given back at once, and how long others have the disk until the next.
const PAGES_AT_ONCE: u32 = 1_000;
const SPACE_AGAIN: Duration = Duration::from_millis(5);

/// The thread's state.
pub(crate) struct Writer {
    store: Store,
    settings: Settings,
    commands: Receiver<Command>,
    shared: Arc<Shared>,
    counters: Counters,
    session: Session,
    /// Callers that wait until a post is settled.
    waiting: Waiting<Option<Vec<ChangeState>>>,
    jobs: Jobs,
    /// Operators who have paused the queue, until nothing is sent any more.
    pausing: Vec<Reply<()>>,
    /// Why the disk takes nothing, and when it is tried again.
    disk: Option<(Pause, Instant)>,
    damage: Option<Pause>,
    pace: Pace,
    /// How long the last commit took.
    sync: Duration,
    /// Came during it.
    arrived: VecDeque<Command>,
    /// When free space is next given back, if there may be some.
    space_at: Option<Instant>,
    gave_space: bool,
    looks: Looks,
    is_closed: bool,
    end: Option<Reply<u64>>,
}

impl Writer {
    pub(crate) fn new(
        store: Store,
        settings: Settings,
        commands: Receiver<Command>,
        shared: Arc<Shared>,
    ) -> Writer {
        let writer = Writer {
            store,
            settings,
            commands,
            shared,
            counters: Counters::default(),
            session: Session::new(),
            waiting: Waiting::new(),
            jobs: Jobs::default(),
            pausing: Vec::new(),
            disk: None,
            damage: None,
            pace: Pace::default(),
            sync: Duration::ZERO,
            arrived: VecDeque::new(),
            space_at: Some(Instant::now()),
            gave_space: false,
            looks: Looks::default(),
            is_closed: false,
            end: None,
        };
        writer.publish();
        writer
    }

    /// Works until the end is asked for.
    pub(crate) fn run(mut self) {
        let mut next = Round::default();
        loop {
            let round = self.take(mem::take(&mut next));
            next = self.write(round);
            self.give_space_back();
            self.publish();
            if let Some(reply) = self.end.take() {
                self.jobs.stop();
                let unsettled = self.store.status().changes;
                if let Err(error) = self.store.close() {
                    tracing::warn!(%error, "the queue's log was not brought into its file");
                }
                return reply.give(Ok(unsettled));
            }
        }
    }

    /// Waits for what is to be done, and takes all of it that is there.
    fn take(&mut self, mut round: Round) -> Round {
        let first = match self.next_due(&round) {
            _ if !self.arrived.is_empty() => Err(RecvTimeoutError::Timeout),
            None => self
                .commands
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => {
                let wait = due.saturating_duration_since(Instant::now());
                self.commands.recv_timeout(wait)
            }
        };
        if let Ok(first) = first {
            self.accept(first, &mut round);
        }
        let mut until = None;
        while round.bytes < COMMIT_BYTES && self.end.is_none() {
            let arrived = self.arrived.pop_front();
            if let Some(command) = arrived.or_else(|| self.commands.try_recv().ok()) {
                self.accept(command, &mut round);
                continue;
            }
            let Some(wait) = self.pace.wait(round.posts.len()) else {
                break;
            };
            let now = Instant::now();
            let until = *until.get_or_insert(now + wait);
            match self
                .commands
                .recv_timeout(until.saturating_duration_since(now))
            {
                Ok(command) => self.accept(command, &mut round),
                Err(_) => break,
            }
        }
        round
    }

    /// When there is something to do though nothing is asked.
    fn next_due(&mut self, round: &Round) -> Option<Instant> {
        let again = self.disk.as_ref().map(|(_, again)| *again);
        if round.has_waited() {
            return again.or(Some(Instant::now()));
        }
        let works = !self.jobs.is_empty() || self.session.ended.is_some();
        let works = works.then(Instant::now).or(self.session.settle_due());
        // none of a disk that refuses, which is tried again for all together
        let looks = again
            .is_none()
            .then(|| self.looks.due(&self.store, &self.settings));
        let dues = [again.or(works), self.space_at, looks.flatten()];
        dues.into_iter().flatten().min()
    }

    fn accept(&mut self, command: Command, round: &mut Round) {
        match command {
            // the drop of the reply says so
            Command::Post(..) if self.is_closed => {}
            // its caller was told that this is not known, and sends it again
            command if command.is_forgotten() => {}
            Command::Post(post, reply) => {
                round.bytes += post.bytes;
                round.posts.push((post, reply));
            }
            Command::DeleteFailures(ids, reply) => self.jobs.delete_failures(ids, reply),
            Command::Pause(pauses, reply) => round.pauses.push((pauses, reply)),
            Command::Purge(filter, reply) => self.jobs.purge(filter, &self.store, reply),
            Command::Begin(reply) => {
                self.session.begins();
                round.begins.push(reply);
            }
            Command::Fetch(changes, reply) => self.session.fetch(changes, reply),
            Command::StopFetching => self.session.stop(),
            Command::Settle(outcomes) => {
                let is_awaited = |post| self.waiting.is_awaited(post);
                self.session.settle(outcomes, is_awaited);
            }
            Command::SessionEnded(is_clean) => {
                self.session.stop();
                self.session.ended = Some(is_clean);
            }
            Command::Unreadable(block) => {
                self.session.close_block(block);
                self.damage = Some(unreadable(block));
            }
            Command::Close => self.is_closed = true,
            Command::End(reply) => self.end = Some(reply),
            read @ (Command::Change(..)
            | Command::Outcomes(..)
            | Command::Failures(..)
            | Command::Settled(..)) => round.reads.push(read),
        }
    }

    /// Gives a part of the free space back, where it is time to.
    fn give_space_back(&mut self) {
        if self.space_at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        let more = self.store.give_space_back(PAGES_AT_ONCE);
        self.space_at = match more {
            Ok(true) => Some(Instant::now() + SPACE_AGAIN),
            _ => None,
        };
        let gave_space = mem::replace(&mut self.gave_space, more == Ok(true));
        if gave_space && self.space_at.is_none() {
            // the file is cut only now
            let _ = self.store.checkpoint();
        }
    }

    /// Notes that the disk, or the file, refuses: `what` it does.
    fn note_refusal(&mut self, what: &str, error: &rusqlite::Error) {
        let pause = |reason, text| Pause {
            reason,
            text,
            since: SystemTime::now(),
        };
        if is_damage(error) {
            let text = format!("the file is damaged ({error}): bring back a copy of the folder");
            self.damage.get_or_insert(pause(PauseReason::Damaged, text));
        }
        let text = format!("the disk {what}: {error}");
        let again = Instant::now() + DISK_AGAIN;
        let (_, at) = self
            .disk
            .get_or_insert((pause(PauseReason::Disk, text), again));
        *at = again;
    }

    fn publish(&self) {
        let mut status = self.store.status();
        let disk = self.disk.as_ref().map(|(pause, _)| pause.clone());
        status
            .pauses
            .extend(disk.into_iter().chain(self.damage.clone()));
        status.under_way = self.session.under_way;
        status.counters = self.counters.clone();
        status.oldest = self.store.oldest().ok().flatten();
        self.jobs.publish(&mut status);
        let at = Some(Instant::now());
        *self.shared.figures.lock() = Figures { status, at };
    }
}

fn unreadable(block: i64) -> Pause {
    let post = ChangeId::from_key(block).post;
    Pause {
        reason: PauseReason::Damaged,
        text: format!(
            "changes of post {post} cannot be read, as the file is damaged: bring back a copy of the folder, or resume, which \
             passes over them"
        ),
        since: SystemTime::now(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use imtag_local_server::KeptFiles;

    use super::*;
    use crate::answer::channel;
    use crate::post::NewPost;

    fn writer(settings: &Settings) -> (tempfile::TempDir, Writer) {
        let folder = tempfile::tempdir().unwrap();
        let files = KeptFiles::open(&folder.path().join("data"), "daemon").unwrap();
        let (sender, commands) = mpsc::channel();
        let shared = Arc::new(Shared::new(sender, settings.clone()));
        let store = Store::open(&files, true).unwrap();
        let writer = Writer::new(store, settings.clone(), commands, shared);
        (folder, writer)
    }

    fn keep(writer: &mut Writer, post: NewPost) {
        let mut round = Round::default();
        let (reply, answer) = channel();
        writer.accept(Command::Post(post.encoded(), reply), &mut round);
        writer.write(round);
        answer.wait().unwrap();
    }

    #[test]
    fn it_wakes_for_kept_posts_when_the_first_has_been_kept_long_enough() {
        let (_folder, mut writer) = writer(&Settings::default());
        let mut due_after = |post: Option<NewPost>| {
            if let Some(post) = post {
                keep(&mut writer, post);
            }
            writer.space_at = None;
            writer.next_due(&Round::default())
        };
        assert_eq!(due_after(None), None);
        let mut keyed = NewPost::new();
        keyed.set_key("uid 33", "a", b"");
        let in_hours = |due: Option<Instant>, hours: u64| {
            let due = due.unwrap().saturating_duration_since(Instant::now());
            let expected = Duration::from_secs(3_600 * hours);
            assert!(due <= expected + Duration::from_secs(1), "{due:?}");
            assert!(due >= expected - Duration::from_secs(60), "{due:?}");
        };
        in_hours(due_after(Some(keyed)), 24);
        in_hours(due_after(Some(NewPost::new())), 1);
    }

    #[test]
    fn while_the_disk_refuses_it_wakes_only_to_try_it_again() {
        let settings = Settings {
            kept_for: Duration::ZERO,
            ..Settings::default()
        };
        let (_folder, mut writer) = writer(&settings);
        keep(&mut writer, NewPost::new());
        writer.space_at = None;
        writer.looks.looked(Instant::now(), true);
        let due = writer.next_due(&Round::default()).unwrap();
        // a post is to be forgotten, in the next moment at the latest
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        writer.note_refusal("refuses", &rusqlite::Error::InvalidQuery);
        let again = writer.disk.as_ref().map(|(_, again)| *again);
        assert_eq!(writer.next_due(&Round::default()), again);
        let commits = writer.counters.commits;
        writer.write(Round::default());
        assert_eq!(writer.counters.commits, commits, "it is not tried before");
    }
}
