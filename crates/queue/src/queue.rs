//! The queue as a daemon has it.

use std::fmt;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use imtag_local_server::KeptFiles;
use imtag_transport::Client;
use parking_lot::Mutex;

use crate::answer::Answer;
use crate::change::{ChangeState, Failure, Filter, Purged};
use crate::command::{Command, Shared};
use crate::error::OpenError;
use crate::feeder::Feeder;
use crate::id::{ChangeId, PostId};
use crate::post::{Accepted, NewPost};
use crate::settings::Settings;
use crate::status::Status;
use crate::store::Store;
use crate::writer::Writer;

/// The bytes of a question until it is answered, about.
const OF_A_QUESTION: u64 = 512;

/// A queue of changes that lasts. What it has accepted is on the disk, and is applied at least once, the changes of an
/// account in the order of their posts, whatever happens to the process or the machine.
///
/// It takes posts from any thread or task, and has its own thread for the disk. Nothing is sent before
/// [`send_by`](Queue::send_by). A clone is the same queue. [`drain`](Queue::drain) it at the end; if its last clone is
/// dropped before, what is under way is cancelled, and is sent again by the next start.
#[derive(Clone)]
pub struct Queue(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    /// None once it has ended.
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    feeder: Feeder,
    writer: JoinHandle<()>,
}

/// What is left in a queue that was drained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Changes without an outcome: they are sent by the next start.
    pub unsettled: u64,
    /// Of these, those that may be on their way.
    pub in_doubt: u64,
}

impl Queue {
    /// Opens the queue of a folder, and makes it where there is none. It takes no longer where there are more changes.
    ///
    /// # Errors
    /// If the file is another's, is damaged, or the system refuses it. It is as it was then.
    pub fn open(files: &KeptFiles, settings: Settings) -> Result<Queue, OpenError> {
        let store = Store::open(files, true)?;
        let (sender, commands) = mpsc::channel();
        let shared = Arc::new(Shared::new(sender, settings.clone()));
        let writer = Writer::new(store, settings, commands, Arc::clone(&shared));
        let threads = Threads::start(&shared, writer);
        let threads = threads.map_err(|error| OpenError::Denied {
            path: files.path().to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Queue(Arc::new(Inner {
            shared,
            threads: Mutex::new(Some(threads)),
        })))
    }

    fn ask<T>(&self, command: impl FnOnce(crate::answer::Reply<T>) -> Command) -> Answer<T> {
        self.0.shared.ask(command)
    }

    /// Refused as [`Behind`](crate::Refused::Behind) where what waits for the disk leaves no room for so many bytes.
    fn ask_within<T>(
        &self,
        bytes: u64,
        command: impl FnOnce(crate::answer::Reply<T>) -> Command,
    ) -> Answer<T> {
        self.0.shared.ask_within(bytes, command)
    }

    /// Stores a post. The answer comes once it is on the disk. A post whose key is known is not stored again.
    ///
    /// Refused as [`Full`](crate::Refused::Full), [`KeyReused`](crate::Refused::KeyReused),
    /// [`Behind`](crate::Refused::Behind) or [`Disk`](crate::Refused::Disk) nothing of it is stored. Where the answer is
    /// dropped before it is there, that is not known.
    pub fn post(&self, post: NewPost) -> Answer<Accepted> {
        let post = post.encoded();
        self.ask_within(post.memory(), |reply| Command::Post(post, reply))
    }

    /// Answered once no change of a post waits any more and that is on the disk, with what is known of its changes in that
    /// moment; at once, and with `None`, if it is unknown.
    pub fn settled(&self, post: PostId) -> Answer<Option<Vec<ChangeState>>> {
        self.ask(|reply| Command::Settled(post, reply))
    }

    /// What is known of the changes of a post, in their order. `None`: it was never there, or was settled long ago.
    pub fn outcomes(&self, post: PostId) -> Answer<Option<Vec<ChangeState>>> {
        self.ask_within(OF_A_QUESTION, |reply| Command::Outcomes(post, reply))
    }

    /// What is known of a change. `None`: it was never there, or its post was settled long ago.
    pub fn change(&self, id: ChangeId) -> Answer<Option<ChangeState>> {
        self.ask_within(OF_A_QUESTION, |reply| Command::Change(id, reply))
    }

    /// Failures that are kept, of changes behind one, in the order of these; at most so many, and
    /// fewer where they are long: there is no more once there is none.
    pub fn failures(&self, after: Option<ChangeId>, limit: usize) -> Answer<Vec<Failure>> {
        self.ask_within(OF_A_QUESTION, |reply| {
            Command::Failures(after, limit, reply)
        })
    }

    /// Deletes the failures of these changes, as they are taken care of. Answers how many there were. It is done in parts,
    /// between other commits; not at all where the answer is dropped before it begins.
    ///
    /// A failure is named by its change, and never by its place: failures do not come in the order of their changes.
    pub fn delete_failures(&self, ids: Vec<ChangeId>) -> Answer<u64> {
        let bytes = OF_A_QUESTION + size_of_val(ids.as_slice()) as u64;
        self.ask_within(bytes, |reply| Command::DeleteFailures(ids, reply))
    }

    /// Sends nothing more until a [`resume`](Queue::resume), over restarts too; posts are accepted. Answered once that is
    /// on the disk and nothing is sent any more: what was not sent yet waits again, and so does what had no answer, which may
    /// have been applied, and is sent again after the resume.
    pub fn pause(&self) -> Answer<()> {
        self.ask(|reply| Command::Pause(true, reply))
    }

    /// Ends a [`pause`](Queue::pause). Where nothing is sent for another reason, it is tried again at once.
    pub fn resume(&self) -> Answer<()> {
        self.0.shared.resumes.store(true, Ordering::SeqCst);
        self.ask(|reply| Command::Pause(false, reply))
    }

    /// Deletes changes that wait; those that are under way stay, and are counted. All that wait, with an empty filter. It
    /// goes on in parts, between other commits, once it [has begun](Answer::has_begun), whether or not the answer is awaited.
    /// [`Status::purging`] says how far it is;
    /// meanwhile another is refused as [`Purging`](crate::Refused::Purging).
    pub fn purge(&self, filter: Filter) -> Answer<Purged> {
        let texts = [&filter.account, &filter.tag];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        self.ask_within(OF_A_QUESTION + texts as u64, |reply| {
            Command::Purge(filter, reply)
        })
    }

    /// How it is. It does not wait for the disk.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.shared.status()
    }

    /// Sends by this client from now on. Another that sent until now finishes first what is under way. It does not wait.
    pub fn send_by(&self, client: Client) {
        if let Some(threads) = &*self.0.threads.lock() {
            threads.feeder.send_by(client);
        }
    }

    /// Calls `then` where a thread of the queue has ended by a fault of its own, which it has told on the standard error:
    /// no more is stored or sent by this process. What was accepted is on the disk, and is sent by the next start.
    pub fn on_broken(&self, then: impl FnOnce() + Send + 'static) {
        self.0.shared.broken.then(Box::new(then));
    }

    /// Takes no more posts, sends nothing more, and waits for what is under way, at most until then. All outcomes are on
    /// the disk afterwards, and the file is closed.
    pub fn drain(&self, by: Instant) -> Drained {
        self.0.end(by)
    }
}

impl Threads {
    fn start(shared: &Arc<Shared>, writer: Writer) -> io::Result<Threads> {
        let thread = thread::Builder::new().name("imtag-queue".to_owned());
        let its = Arc::clone(shared);
        let writer = thread.spawn(move || its.guard(|| writer.run()))?;
        match Feeder::start(Arc::clone(shared)) {
            Ok(feeder) => Ok(Threads { feeder, writer }),
            Err(error) => {
                end(shared, writer);
                Err(error)
            }
        }
    }
}

impl Inner {
    fn end(&self, by: Instant) -> Drained {
        let Some(threads) = self.threads.lock().take() else {
            return Drained::default();
        };
        self.shared.tell(Command::Close);
        let in_doubt = threads.feeder.end(by);
        let unsettled = end(&self.shared, threads.writer);
        Drained {
            unsettled,
            in_doubt,
        }
    }
}

/// Closes the store. Returns how many changes wait.
fn end(shared: &Shared, writer: JoinHandle<()>) -> u64 {
    let unsettled = shared.ask(Command::End).wait().unwrap_or(0);
    drop(writer.join());
    unsettled
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end(Instant::now());
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}
