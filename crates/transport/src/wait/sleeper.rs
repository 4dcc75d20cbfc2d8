//! What sleeps until something changes. A waker is its executor's code: it is cloned, woken and dropped without a lock.

use std::task::Waker;

use super::sync::thread::Thread;

/// What sleeps until it is woken.
#[derive(Debug)]
pub(crate) enum Sleeper {
    Thread(Thread),
    Task(Waker),
}
