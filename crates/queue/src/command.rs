//! What the store's thread is asked, and what it shares with others.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Sender;
use std::time::Instant;

use parking_lot::Mutex;

use crate::answer::{Answer, Reply, channel};
use crate::change::{ChangeState, Failure, Filter, Outcome, Purged};
use crate::id::{ChangeId, PostId};
use crate::post::{Accepted, Encoded};
use crate::status::{Pause, PauseReason, Status};
use crate::store::Fed;

/// What is asked of the store's thread.
pub(crate) enum Command {
    Post(Encoded, Reply<Accepted>),
    DeleteFailures(Vec<ChangeId>, Reply<u64>),
    DeleteFailuresThrough(ChangeId, Reply<u64>),
    /// The operator's: true begins one.
    Pause(bool, Reply<()>),
    Purge(Filter, Reply<Purged>),
    Change(ChangeId, Reply<Option<ChangeState>>),
    Outcomes(PostId, Reply<Option<Vec<ChangeState>>>),
    Failures(Option<ChangeId>, usize, Reply<Vec<Failure>>),
    /// Answered once the post has no change that waits, with what is known of all.
    Settled(PostId, Reply<Option<Vec<ChangeState>>>),
    /// A session begins: what it is handed out may be on its way. Answers whether anything was before.
    Begin(Reply<bool>),
    /// Answered with the next blocks once there are some: as many as have so many changes together.
    Fetch(u32, Reply<Vec<Fed>>),
    /// It asks no more.
    StopFetching,
    /// Of changes that were handed out.
    Settle(Vec<(ChangeId, Outcome)>),
    /// The session has ended, and what has no outcome waits again. True if nothing of it is on its way any more.
    SessionEnded(bool),
    /// This block cannot be read.
    Unreadable(i64),
    /// No post is taken any more.
    Close,
    /// Nothing comes any more: all that is known is written, and the file closed. Answers how many changes wait.
    End(Reply<u64>),
}

/// What the threads of a queue share.
pub(crate) struct Shared {
    commands: Sender<Command>,
    /// As it was after the last commit, without the pauses, and when the oldest change was accepted.
    pub(crate) figures: Mutex<Figures>,
    /// Why the session pauses.
    pub(crate) session_pause: Mutex<Option<Pause>>,
    /// Ends the session's pause at once.
    pub(crate) resumes: AtomicBool,
}

/// What status is made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) status: Status,
    /// When the status was true.
    pub(crate) at: Option<Instant>,
}

impl Shared {
    pub(crate) fn new(commands: Sender<Command>) -> Shared {
        Shared {
            commands,
            figures: Mutex::default(),
            session_pause: Mutex::default(),
            resumes: AtomicBool::new(false),
        }
    }

    /// Asks without an answer. Nothing happens where the store has ended.
    pub(crate) fn tell(&self, command: Command) {
        // what it holds is dropped then, and a reply says that the queue has ended
        drop(self.commands.send(command));
    }

    pub(crate) fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Answer<T> {
        let (reply, answer) = channel();
        self.tell(command(reply));
        answer
    }

    /// True while the operator has paused the queue.
    pub(crate) fn is_paused(&self) -> bool {
        let pauses = &self.figures.lock().status.pauses;
        pauses.iter().any(|it| it.reason == PauseReason::Operator)
    }

    pub(crate) fn status(&self) -> Status {
        let Figures { mut status, at } = self.figures.lock().clone();
        let since = at.map(|at| at.elapsed()).unwrap_or_default();
        status.oldest = status.oldest.map(|it| it + since);
        status.pauses.extend(self.session_pause.lock().clone());
        status.pauses.sort_by_key(|it| it.reason);
        status
    }
}
