//! The progress of an import, on standard error: a line that changes where that is a terminal, else a line every ten
//! seconds. A thread of its own shows it, so that it goes on while the import waits. It is the last thread to be
//! started, as those that send matter more; where there is none to be had, nothing is shown.

use std::cell::OnceCell;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use imtag_core::CallRate;
use imtag_transport::Progress as Sent;
use parking_lot::Mutex;

use super::meter::{Meter, Stage};
use crate::import::state::users::UserSets;
use crate::output::{note, stderr};

/// More often than this is too fast to read.
const ON_A_TERMINAL: Duration = Duration::from_millis(200);

/// In a log.
const IN_A_LOG: Duration = Duration::from_secs(10);

/// Once so many changes have been pushed, the first request has its thread.
const SENDING: u64 = 1_000;

/// Shown until it is dropped.
pub(crate) struct Progress {
    stage: Arc<Mutex<Stage>>,
    started: Instant,
    /// Empty until it is started; `None` where the system gives no thread.
    thread: OnceCell<Option<ShowThread>>,
}

/// The thread that shows it, until `end` is dropped.
struct ShowThread {
    end: Sender<Infallible>,
    thread: JoinHandle<()>,
}

impl Progress {
    /// Of a file that is read, of so many bytes where that is known.
    pub(crate) fn of_reading(bytes: Option<u64>) -> Progress {
        let (rows, all) = (0, bytes);
        let progress = Progress::new(Stage::Reading {
            rows,
            bytes: 0,
            all,
        });
        progress.start();
        progress
    }

    /// Of users who are sent; `settled` of them are so already. Shown once it is started, or some are sent.
    pub(crate) fn of_sending(users: u64, settled: u64, quota: CallRate) -> Progress {
        Progress::new(Stage::Sending(Meter::new(users, settled, quota)))
    }

    fn new(stage: Stage) -> Progress {
        Progress {
            stage: Arc::new(Mutex::new(stage)),
            started: Instant::now(),
            thread: OnceCell::new(),
        }
    }

    /// From here on it is shown.
    pub(crate) fn start(&self) {
        self.thread.get_or_init(|| {
            let (end, ended) = channel();
            let (stage, started) = (Arc::clone(&self.stage), self.started);
            let thread = thread::Builder::new()
                .name("progress".to_owned())
                .spawn(move || show(&stage, started, &ended));
            let thread = thread.ok()?;
            Some(ShowThread { end, thread })
        });
    }

    pub(crate) fn read(&self, now_rows: u64, now_bytes: u64) {
        if let Stage::Reading { rows, bytes, .. } = &mut *self.stage.lock() {
            (*rows, *bytes) = (now_rows, now_bytes);
        }
    }

    /// All is read.
    pub(crate) fn grouping(&self) {
        *self.stage.lock() = Stage::Grouping;
    }

    /// From now on some users wait for so long, without an outcome.
    pub(crate) fn waits(&self, time: Duration) {
        let until = self.started.elapsed() + time;
        if let Stage::Sending(meter) = &mut *self.stage.lock() {
            meter.waits_until(until);
        }
    }

    pub(crate) fn sent(&self, users: &UserSets, sent: &Sent) {
        if sent.taken >= SENDING {
            self.start();
        }
        let at = self.started.elapsed();
        if let Stage::Sending(meter) = &mut *self.stage.lock() {
            meter.note(at, users.settled(), users.failed(), sent.sent);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(Some(ShowThread { end, thread })) = self.thread.take() {
            drop(end);
            let _ = thread.join(); // it panics only by a defect
        }
        stderr::clear();
    }
}

fn show(stage: &Mutex<Stage>, started: Instant, ended: &Receiver<Infallible>) {
    let on_a_terminal = stderr::is_possible();
    let every = if on_a_terminal {
        ON_A_TERMINAL
    } else {
        IN_A_LOG
    };
    while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        let width = on_a_terminal.then(stderr::width);
        let line = stage.lock().line(started.elapsed(), width);
        // without the lock, as a terminal may take its time
        if on_a_terminal {
            stderr::show(line);
        } else {
            note(line);
        }
    }
}
