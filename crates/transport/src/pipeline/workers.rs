//! The workers of one session: which of them are busy, which sleep, and whether one is woken or started. It only decides:
//! the engine unparks and starts threads when the lock is free.
//!
//! ```text
//!            ┌───────────── done with its request ────────────┐
//!            ▼                                                │
//! started ► coming ──► looks ─┬─ a request is ready ──► busy ─┘
//!            ▲           ▲    ├─ nothing ──► idle ──┬─ woken ──► coming
//!            └─ woken ───┼──────────────────────────┘
//!                        │    │                     └─ its own timer ──► looks
//!                        └────┼───────────────────────────────┘
//!                             └─ the session closes ──► ends
//! ```
//!
//! One rule decides, after each step that touched the session:
//!
//! | a worker is coming | the plan says | then |
//! |---|---|---|
//! | yes | | nothing: the session is staffed again when it has looked |
//! | no | a request is ready | an idle worker is woken; else one is started, up to the most |
//! | no | nothing before a moment | nothing if an idle worker's timer is due by then; else one is woken or started to hold it |
//! | no | idle | nothing |
//!
//! So one worker at most is on its way to look, and one more than those that send is there: it holds the timer, and takes
//! the next request. If no more can be started, a busy worker looks when its request is done.

use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use imtag_core::plan::Readiness;

use crate::wait::thread::{JoinHandle, Thread};

/// Starts the thread of a worker.
pub(crate) type StartWorker = Arc<dyn Fn() -> io::Result<JoinHandle<()>> + Send + Sync>;

/// What the rule decides.
pub(super) enum Staffing {
    /// There are enough.
    Enough,
    Wake(Thread),
    Start(StartWorker),
}

/// A worker that sleeps.
struct Idle {
    thread: Thread,
    /// When it wakes by itself.
    until: Option<Duration>,
}

/// The workers of one session.
pub(crate) struct Workers {
    start: StartWorker,
    most: usize,
    /// Those that are started and have not ended.
    running: usize,
    /// Those that will look: started, woken, or done with a request.
    coming: usize,
    idle: Vec<Idle>,
    /// Those whose handles are not in `threads` yet.
    starting: usize,
    threads: Vec<JoinHandle<()>>,
    /// The last start failed: none is tried again before something else happens.
    start_failed: bool,
}

impl Workers {
    /// None is started yet. `most`: how many there are at once.
    pub(super) fn new(start: StartWorker, most: usize) -> Workers {
        Workers {
            start,
            most,
            running: 0,
            coming: 0,
            idle: Vec::new(),
            starting: 0,
            threads: Vec::new(),
            start_failed: false,
        }
    }

    /// Sets how many there are at once. Those that are more stay.
    pub(super) fn set_most(&mut self, most: usize) {
        self.most = most;
    }

    /// Says that a busy worker is done, and looks next. So none is woken for what it can take itself.
    pub(crate) fn is_coming(&mut self) {
        self.coming += 1;
    }

    /// A worker looks.
    pub(super) fn looks(&mut self, this: &Thread) {
        let its = self
            .idle
            .iter()
            .position(|idle| idle.thread.id() == this.id());
        match its {
            // it woke by its timer, or for no reason
            Some(at) => drop(self.idle.remove(at)),
            None => self.coming -= 1,
        }
    }

    /// A worker that found nothing sleeps. `again`: when there may be something; of all idle workers, only the one that is
    /// due first wakes by itself.
    pub(super) fn sleeps(&mut self, thread: Thread, again: Option<Duration>) -> Option<Duration> {
        let until = again.filter(|moment| !self.holds(*moment));
        self.idle.push(Idle { thread, until });
        until
    }

    /// True if an idle worker wakes by then.
    fn holds(&self, moment: Duration) -> bool {
        let timers = self.idle.iter().filter_map(|idle| idle.until);
        timers.min().is_some_and(|until| until <= moment)
    }

    /// True if nothing is to be decided: a worker that is coming looks itself, or none could be started just now.
    pub(super) fn is_staffed(&mut self) -> bool {
        self.coming > 0 || mem::take(&mut self.start_failed)
    }

    /// Decides whether a worker is woken or started, unless it [is staffed](Workers::is_staffed).
    pub(super) fn staff(&mut self, readiness: Readiness) -> Staffing {
        let due = |at: &usize| self.idle[*at].until.unwrap_or(Duration::MAX);
        let every = 0..self.idle.len();
        let woken = match readiness {
            Readiness::Idle => return Staffing::Enough,
            // the one that holds the timer goes on holding it, if there is another
            Readiness::Ready => every.max_by_key(due),
            Readiness::NotBefore(moment) if self.holds(moment) => return Staffing::Enough,
            Readiness::NotBefore(_) => every.rev().min_by_key(due),
        };
        if let Some(at) = woken {
            self.coming += 1;
            return Staffing::Wake(self.idle.remove(at).thread);
        }
        if self.running >= self.most {
            return Staffing::Enough;
        }
        self.running += 1;
        self.coming += 1;
        self.starting += 1;
        Staffing::Start(Arc::clone(&self.start))
    }

    /// A worker's thread was started.
    pub(super) fn has_started(&mut self, thread: JoinHandle<()>) {
        self.starting -= 1;
        self.threads.push(thread);
    }

    /// A worker's thread could not be started. Returns true if there is no other.
    pub(super) fn has_not_started(&mut self) -> bool {
        self.starting -= 1;
        self.coming -= 1;
        self.running -= 1;
        self.start_failed = true;
        self.running == 0
    }

    /// A worker's thread ends. Returns true if there is no other.
    pub(super) fn has_ended(&mut self, this: &Thread) -> bool {
        // by a defect it may end while it is counted as idle: nothing may wait for it to look
        self.idle.retain(|idle| idle.thread.id() != this.id());
        self.running -= 1;
        self.running == 0
    }

    /// Wakes all that sleep: the session closes.
    pub(super) fn wake_all(&mut self) -> impl Iterator<Item = Thread> + '_ {
        self.coming += self.idle.len();
        self.idle.drain(..).map(|idle| idle.thread)
    }

    /// The threads to join, once all have ended.
    pub(super) fn take_ended(&mut self) -> Option<Vec<JoinHandle<()>>> {
        self.have_ended().then(|| mem::take(&mut self.threads))
    }

    /// True if there is none.
    pub(super) fn have_ended(&self) -> bool {
        self.running == 0 && self.starting == 0
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_worker_that_ends_by_a_defect_while_it_sleeps_is_replaced() {
        let start = || Ok(thread::spawn(|| {}));
        let mut workers = Workers::new(Arc::new(start), 1);
        let Staffing::Start(start) = workers.staff(Readiness::Ready) else {
            panic!("none is started");
        };
        workers.has_started(start().unwrap());
        let this = thread::current();
        workers.looks(&this);
        workers.sleeps(this.clone(), Some(Duration::MAX));
        assert!(workers.has_ended(&this));
        assert!(!workers.is_staffed());
        let next = workers.staff(Readiness::Ready);
        assert!(matches!(next, Staffing::Start(_)));
    }
}
