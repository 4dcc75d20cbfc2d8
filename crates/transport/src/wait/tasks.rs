//! The asynchronous tasks that wait for something behind a lock to change. They stand beside it, behind the same lock. A
//! waker is its executor's code: it is cloned, woken and dropped without the lock.

use std::collections::BTreeMap;
use std::task::Waker;

use super::sync::thread::Thread;

/// What sleeps until it is woken.
#[derive(Debug)]
pub(crate) enum Sleeper {
    Thread(Thread),
    Task(Waker),
}

/// Tasks that wait for something of which each may take a part, in the order in which they came. They are woken one after
/// the other: the one that was woken looks, and wakes the next by what it does.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    by_turn: BTreeMap<u64, Waker>,
    turns: u64,
}

impl Tasks {
    /// Adds a task, at the end or in the turn that it had, and returns its turn. `waker` becomes the one that it had there.
    pub(crate) fn wait(&mut self, turn: Option<u64>, waker: &mut Option<Waker>) -> u64 {
        let turn = turn.unwrap_or(self.turns);
        self.turns = self.turns.max(turn + 1);
        if let Some(new) = waker.take() {
            *waker = self.by_turn.insert(turn, new);
        }
        turn
    }

    /// Removes a task, which the caller drops; none if it was woken.
    pub(crate) fn leave(&mut self, turn: u64) -> Option<Waker> {
        self.by_turn.remove(&turn)
    }

    /// Removes the first, which the caller wakes.
    pub(crate) fn take_first(&mut self) -> Option<Waker> {
        self.by_turn.pop_first().map(|(_, waker)| waker)
    }

    /// Removes all, which the caller wakes.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Waker> + use<> {
        std::mem::take(&mut self.by_turn).into_values()
    }
}
