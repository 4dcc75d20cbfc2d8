//! The threads that wait for something behind a lock to change. They stand beside it, behind the same lock: a thread that
//! registers before it unlocks and parks is woken by any later change.

use std::collections::VecDeque;
use std::thread::{self, Thread, ThreadId};

/// Threads that wait, the first to wake first. Each has its id beside it, as thousands may wait.
#[derive(Debug, Default)]
pub(crate) struct Waiters(VecDeque<(ThreadId, Thread)>);

impl Waiters {
    /// Adds this thread at the end, unless it is there already.
    pub(crate) fn register(&mut self) {
        if !self.is_registered() {
            let this = thread::current();
            self.0.push_back((this.id(), this));
        }
    }

    /// True until this thread leaves or is released.
    pub(crate) fn is_registered(&self) -> bool {
        let this = thread::current().id();
        self.0.iter().any(|(id, _)| *id == this)
    }

    /// Removes this thread.
    pub(crate) fn leave(&mut self) {
        let this = thread::current().id();
        self.0.retain(|(id, _)| *id != this);
    }

    /// True if this thread is the next to wake.
    pub(crate) fn is_first(&self) -> bool {
        let first = self.0.front();
        first.is_some_and(|(id, _)| *id == thread::current().id())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Wakes the first, which stays registered.
    pub(crate) fn wake_first(&self) {
        if let Some((_, thread)) = self.0.front() {
            thread.unpark();
        }
    }

    /// Wakes the first, and removes it.
    pub(crate) fn release_first(&mut self) {
        if let Some((_, thread)) = self.0.pop_front() {
            thread.unpark();
        }
    }

    /// Wakes all, and removes them.
    pub(crate) fn release_all(&mut self) {
        for (_, thread) in self.0.drain(..) {
            thread.unpark();
        }
    }
}
