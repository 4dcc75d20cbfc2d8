//! Of tests that post changes that last.

use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};

use imtag_queue::{Accepted, NewPost};

use super::{Answer, Scene, Setup};

/// A queue's thread is held up, as by a disk that hangs, until this is dropped.
pub(crate) struct Hangs {
    _goes_on: mpsc::Sender<()>,
    /// Whose task holds it up.
    _answer: imtag_queue::Answer<Accepted>,
}

struct HoldsUp {
    hangs: Mutex<mpsc::Sender<()>>,
    until: Mutex<mpsc::Receiver<()>>,
}

impl Wake for HoldsUp {
    fn wake(self: Arc<Self>) {
        self.hangs.lock().unwrap().send(()).unwrap();
        let _ = self.until.lock().unwrap().recv();
    }
}

/// Holds the queue's thread up, where it answers a post without a change.
pub(crate) fn hang(scene: &Scene) -> Hangs {
    let queue = scene.queue();
    let (hangs, held) = mpsc::channel();
    let (goes_on, until) = mpsc::channel();
    let (hangs, until) = (Mutex::new(hangs), Mutex::new(until));
    let waker = Waker::from(Arc::new(HoldsUp { hangs, until }));
    loop {
        let mut answer = queue.post(NewPost::new());
        // not where the answer was quicker
        let polled = Pin::new(&mut answer).poll(&mut Context::from_waker(&waker));
        if polled.is_pending() {
            held.recv().unwrap();
            return Hangs {
                _goes_on: goes_on,
                _answer: answer,
            };
        }
    }
}

/// A daemon that keeps what is posted, and sends none of it.
pub(crate) fn paused() -> Scene {
    let scene = Scene::start(Setup::durable());
    scene.ask("POST", "/v1/pause", "", "");
    scene
}

/// Changes that wait.
pub(crate) fn stored(scene: &Scene) -> u64 {
    let figures = scene.page("/metrics").text;
    let mut lines = figures.lines();
    let line = lines.find_map(|it| it.strip_prefix("imtag_queue_changes "));
    line.unwrap().parse().unwrap()
}

/// Refused with this status, in a sentence that says this.
#[track_caller]
pub(crate) fn assert_refused(answer: &Answer, status: u16, part: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    let why = answer.json["error"].as_str().unwrap();
    assert!(why.contains(part), "{part:?} is not in {why:?}");
}
