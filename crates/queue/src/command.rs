//! What the store's thread is asked, and what it shares with others.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Sender;
use std::thread::Thread;
use std::time::Instant;

use parking_lot::Mutex;

use crate::answer::{Answer, Reply, channel, given};
use crate::byte_limit::ByteLimit;
use crate::change::{ChangeState, Failure, Filter, Purged, Report};
use crate::error::Refused;
use crate::id::{ChangeId, PostId};
use crate::post::{Accepted, Encoded};
use crate::settings::Settings;
use crate::status::{Pause, PauseReason, Status};
use crate::store::Fed;

/// What is asked of the store's thread.
pub(crate) enum Command {
    Post(Encoded, Reply<Accepted>),
    DeleteFailures(Vec<ChangeId>, Reply<u64>),
    /// The operator's: true begins one, and is answered once nothing is sent any more.
    Pause(bool, Reply<()>),
    Purge(Filter, Reply<Purged>),
    Change(ChangeId, Reply<Option<ChangeState>>),
    Outcomes(PostId, Reply<Option<Vec<ChangeState>>>),
    Failures(Option<ChangeId>, usize, Reply<Vec<Failure>>),
    /// Answered once the post has no change that waits, with what is known of all.
    Settled(PostId, Reply<Option<Vec<ChangeState>>>),
    /// A session begins: what it is handed out may be on its way. Answers whether anything was before.
    Begin(Reply<Option<PostId>>),
    /// Answered with the next blocks once there are some: as many as have so many changes together.
    Fetch(u32, Reply<Vec<Fed>>),
    /// It asks no more.
    StopFetching,
    /// Of changes that were handed out.
    Settle(Vec<Report>),
    /// The session has ended, and what has no outcome waits again. True if nothing of it is on its way any more.
    SessionEnded(bool),
    /// This block cannot be read.
    Unreadable(i64),
    /// No post is taken any more.
    Close,
    /// Nothing comes any more: all that is known is written, and the file closed. Answers how many changes wait.
    End(Reply<u64>),
}

/// The bytes that all that is asked may take until it is answered, about: while a disk hangs, callers give up and come again.
pub(crate) const ASKED_IN_MEMORY: u64 = 64 << 20;

impl Command {
    /// True if its caller has gone, and so it need not be done.
    pub(crate) fn is_forgotten(&self) -> bool {
        match self {
            Command::Post(_, reply) => reply.is_forgotten(),
            Command::DeleteFailures(_, reply) => reply.is_forgotten(),
            Command::Change(_, reply) => reply.is_forgotten(),
            Command::Outcomes(_, reply) | Command::Settled(_, reply) => reply.is_forgotten(),
            Command::Failures(_, _, reply) => reply.is_forgotten(),
            Command::Purge(_, reply) => reply.is_forgotten(),
            _ => false,
        }
    }
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
    /// That which takes the session's outcomes, and sleeps in a pause.
    pub(crate) polls: Mutex<Option<Thread>>,
    pub(crate) broken: Broken,
    /// Of what is not answered yet, also where the callers have gone.
    pub(crate) asked: ByteLimit,
    /// Ends the session at once, as an operator pauses the queue. What is not sent yet waits again.
    pub(crate) ends_session: Mutex<Option<Box<dyn Fn() + Send>>>,
    pub(crate) settings: Settings,
}

/// Whether a thread has ended by a panic, and who waits for that.
#[derive(Default)]
pub(crate) struct Broken(Mutex<Breaks>);

#[derive(Default)]
struct Breaks {
    is_broken: bool,
    then: Vec<Box<dyn FnOnce() + Send>>,
}

impl Broken {
    /// Calls it once a thread has ended so: at once, if one has.
    pub(crate) fn then(&self, then: Box<dyn FnOnce() + Send>) {
        let mut breaks = self.0.lock();
        if breaks.is_broken {
            drop(breaks);
            return then();
        }
        breaks.then.push(then);
    }

    fn breaks(&self) {
        let mut breaks = self.0.lock();
        breaks.is_broken = true;
        let then = mem::take(&mut breaks.then);
        drop(breaks);
        then.into_iter().for_each(|then| then());
    }
}

/// What status is made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) status: Status,
    /// When the status was true.
    pub(crate) at: Option<Instant>,
}

impl Shared {
    pub(crate) fn new(commands: Sender<Command>, settings: Settings) -> Shared {
        Shared {
            commands,
            figures: Mutex::default(),
            session_pause: Mutex::default(),
            resumes: AtomicBool::new(false),
            polls: Mutex::default(),
            broken: Broken::default(),
            asked: ByteLimit::new(ASKED_IN_MEMORY),
            ends_session: Mutex::default(),
            settings,
        }
    }

    /// Does the work of a thread. A panic of it is told to those who wait for that.
    pub(crate) fn guard(&self, work: impl FnOnce()) {
        // what it was at is used by none afterwards
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            self.broken.breaks();
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

    /// The same for what takes so many bytes, where there is room for them.
    pub(crate) fn ask_within<T>(
        &self,
        bytes: u64,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Answer<T> {
        let Some(taken) = self.asked.hold(bytes) else {
            let mebibytes = ASKED_IN_MEMORY >> 20;
            return given(Err(Refused::Behind { mebibytes }));
        };
        let (mut reply, answer) = channel();
        reply.holds(taken);
        self.tell(command(reply));
        answer
    }

    /// An operator has paused the queue while changes may be sent.
    pub(crate) fn end_session(&self) {
        if let Some(ends) = &*self.ends_session.lock() {
            ends();
        }
    }

    /// An operator has resumed the queue: the session looks what to do.
    pub(crate) fn wake_session(&self) {
        if let Some(polls) = &*self.polls.lock() {
            polls.unpark();
        }
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
