//! What the tests of a queue have in common.

#![allow(dead_code, clippy::unwrap_used)] // all of it is test code, and each test file uses a part

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use imtag_core::{ChangeRequest, Rules};
use imtag_emulator::Emulator;
use imtag_local_server::KeptFiles;
use imtag_queue::{Accepted, Answer, NewPost, OpenError, PostId, Queue, Settings};
use imtag_transport::{Client, RetryPolicy, SecretKey};

/// A folder with a queue in it.
pub(crate) struct Home {
    path: PathBuf,
    _folder: Option<tempfile::TempDir>,
    pub(crate) settings: Settings,
}

impl Home {
    pub(crate) fn new() -> Home {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("data"));
        Home {
            _folder: Some(folder),
            ..home
        }
    }

    /// One that is removed with the folder that it is in.
    pub(crate) fn at(path: PathBuf) -> Home {
        let mut settings = Settings::default();
        settings.min_free = 0; // whatever the disk of the tests has
        Home {
            path,
            _folder: None,
            settings,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// As a daemon opens it. The folder is free again once both are dropped.
    pub(crate) fn open(&self) -> Open {
        self.try_open().unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<Open, OpenError> {
        let files = KeptFiles::open(self.path(), "daemon")?;
        let queue = Queue::open(&files, self.settings.clone())?;
        Ok(Open { queue, files })
    }

    /// The files as they are now, as a `kill -9` would leave them, in a folder of their own.
    pub(crate) fn killed(&self) -> Home {
        let home = Home {
            settings: self.settings.clone(),
            ..Home::new()
        };
        copy(self.path(), home.path());
        home
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

pub(crate) struct Open {
    pub(crate) queue: Queue,
    files: KeptFiles,
}

impl std::ops::Deref for Open {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        &self.queue
    }
}

pub(crate) fn add(account: &str, tag: &str) -> ChangeRequest {
    ChangeRequest::add(account, [tag])
}

pub(crate) fn post(changes: impl IntoIterator<Item = ChangeRequest>) -> NewPost {
    let mut post = NewPost::new();
    for change in changes {
        assert!(post.push(&change.check(&Rules::default()).unwrap()));
    }
    post
}

/// A post of so many changes of users `0` and so on.
pub(crate) fn many(changes: u32) -> NewPost {
    post((0..changes).map(|nth| add(&nth.to_string(), "vip")))
}

pub(crate) fn keyed(mut post: NewPost, key: &str, body: &str) -> NewPost {
    post.set_key("uid 33", key, body.as_bytes());
    post
}

/// A key that is the emulator's and the client's.
pub(crate) fn key() -> SecretKey {
    SecretKey::new("5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e").unwrap()
}

/// An emulator, not started yet, with a quota that no test reaches by accident.
pub(crate) fn service() -> imtag_emulator::Builder {
    Emulator::builder()
        .secret_key(key())
        .calls_per_second(1_000)
}

/// A client whose retries cost a test nothing.
pub(crate) fn client(emulator: &Emulator) -> Client {
    client_with(emulator, key())
}

pub(crate) fn client_with(emulator: &Emulator, key: SecretKey) -> Client {
    Client::builder(1_400_000_000, "administrator", key)
        .endpoint(emulator.endpoint())
        .calls_per_second(1_000)
        .retry(RetryPolicy {
            first_backoff: Duration::from_millis(1),
            longest_backoff: Duration::from_millis(20),
            ..RetryPolicy::default()
        })
        .build()
        .unwrap()
}

/// What its thread does when it answers.
struct Then<F>(F);

impl<F: Fn() + Send + Sync> Wake for Then<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

impl Open {
    /// Does something on the queue's thread, where it answers a post of one change, as long as that is awaited.
    pub(crate) fn on_its_thread(
        &self,
        then: impl Fn() + Send + Sync + 'static,
    ) -> Answer<Accepted> {
        let waker = Waker::from(Arc::new(Then(then)));
        loop {
            let mut answer = self.post(many(1));
            // not where the answer was quicker
            let polled = Pin::new(&mut answer).poll(&mut Context::from_waker(&waker));
            if polled.is_pending() {
                return answer;
            }
        }
    }
}

/// The queue's thread is held up, as by a disk that hangs.
pub(crate) struct Hangs {
    goes_on: mpsc::Sender<()>,
    first: Answer<Accepted>,
}

impl Open {
    pub(crate) fn hang(&self) -> Hangs {
        let (goes_on, waits) = mpsc::channel::<()>();
        let waits = Mutex::new(waits);
        let (hangs, held) = mpsc::channel();
        let first = self.on_its_thread(move || {
            hangs.send(()).unwrap();
            let _ = waits.lock().unwrap().recv();
        });
        held.recv().unwrap();
        Hangs { goes_on, first }
    }
}

impl Hangs {
    pub(crate) fn end(self) {
        drop(self.goes_on);
        self.first.wait().unwrap();
    }
}

/// Looks until it is so. Fails after two minutes.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(120), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

impl Open {
    pub(crate) fn until_empty(&self) {
        until("changes are left", || self.status().changes == 0);
    }

    pub(crate) fn accept(&self, changes: impl IntoIterator<Item = ChangeRequest>) -> PostId {
        self.post(post(changes)).wait().unwrap().post
    }
}
