//! How far an import is, on standard error: a line that changes where that is a terminal, else a line every ten seconds.
//! A thread of its own shows it, so that it goes on while the import waits. It is the last to be started, as those that
//! send matter more; where there is none to be had, nothing is shown.

use std::cell::OnceCell;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use imtag_core::CallRate;
use imtag_transport::Progress as Sent;

use super::meter::{self, Meter, Reading};
use crate::import::state::journal::Settled;
use crate::output::note;
use crate::output::stderr;

/// More often than this nobody can read it.
const ON_A_TERMINAL: Duration = Duration::from_millis(200);

/// In a log.
const IN_A_LOG: Duration = Duration::from_secs(10);

/// Once so many changes have been taken in, the first request is with its thread.
const SENDING: u64 = 1_000;

/// Shown until it is dropped.
pub(crate) struct Progress {
    shared: Arc<Shared>,
    started: Instant,
    thread: OnceCell<io::Result<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

struct State {
    stage: Stage,
    is_over: bool,
}

enum Stage {
    Reading(Reading),
    Grouping,
    Sending(Meter),
}

impl Progress {
    /// Of a file that is read, of so many bytes where that is known.
    pub(crate) fn of_reading(bytes: Option<u64>) -> Progress {
        let progress = Progress::new(Stage::Reading(Reading::new(bytes)));
        progress.start();
        progress
    }

    /// Of users who are sent; `settled` of them are so already. Shown once it is started, or some are sent.
    pub(crate) fn of_sending(users: u64, settled: u64, quota: CallRate) -> Progress {
        Progress::new(Stage::Sending(Meter::new(users, settled, quota)))
    }

    fn new(stage: Stage) -> Progress {
        Progress {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    stage,
                    is_over: false,
                }),
                ended: Condvar::new(),
            }),
            started: Instant::now(),
            thread: OnceCell::new(),
        }
    }

    /// From here on it is shown.
    pub(crate) fn start(&self) {
        self.thread.get_or_init(|| {
            let (its, started) = (Arc::clone(&self.shared), self.started);
            thread::Builder::new()
                .name("progress".to_owned())
                .spawn(move || its.run(started))
        });
    }

    pub(crate) fn read(&self, rows: u64, bytes: u64) {
        if let Stage::Reading(reading) = &mut self.shared.state().stage {
            reading.note(rows, bytes);
        }
    }

    /// All is read.
    pub(crate) fn grouping(&self) {
        self.shared.state().stage = Stage::Grouping;
    }

    /// From now on some users wait for so long, without an outcome.
    pub(crate) fn waits(&self, time: Duration) {
        let until = self.started.elapsed() + time;
        if let Stage::Sending(meter) = &mut self.shared.state().stage {
            meter.waits_until(until);
        }
    }

    pub(crate) fn sent(&self, settled: &Settled, sent: &Sent) {
        if sent.taken >= SENDING {
            self.start();
        }
        let at = self.started.elapsed();
        if let Stage::Sending(meter) = &mut self.shared.state().stage {
            let all = settled.count();
            meter.note(at, all, settled.failed(), sent.sent);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.shared.state().is_over = true;
        self.shared.ended.notify_all();
        if let Some(Ok(thread)) = self.thread.take() {
            // it panics only by a defect
            drop(thread.join());
        }
        stderr::clear();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread.
    fn run(&self, started: Instant) {
        let on_a_terminal = stderr::is_possible();
        let every = if on_a_terminal {
            ON_A_TERMINAL
        } else {
            IN_A_LOG
        };
        loop {
            let state = self.state();
            let waited = self
                .ended
                .wait_timeout_while(state, every, |state| !state.is_over);
            let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.is_over {
                return;
            }
            let width = on_a_terminal.then(stderr::width);
            let line = state.stage.line(started.elapsed(), width);
            drop(state); // a terminal may take its time
            if on_a_terminal {
                stderr::show(line);
            } else {
                note(line);
            }
        }
    }
}

impl Stage {
    /// What there is to show, in so many columns; all of it, where there is no such limit.
    fn line(&self, at: Duration, width: Option<usize>) -> String {
        match self {
            Stage::Reading(reading) => reading.line(width),
            Stage::Grouping => meter::fit(
                &[
                    "putting the rows of each user together".to_owned(),
                    "grouping".to_owned(),
                ],
                None,
                width,
            ),
            Stage::Sending(meter) => meter.line(at, width),
        }
    }
}
