//! The lock, the threads and the clock of all that waits. What the models of the pipeline replace is here, and nowhere else:
//! `tests/models` runs the same code on threads whose every order is tried.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

pub(crate) use std::sync::MutexGuard;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64};
pub(crate) use std::thread;

pub(crate) use crate::process::process_id;

/// The time.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The only lock of this crate: a mutex without poison. After a panic of one thread the others go on. No code panics half
/// way through a change of what a lock holds.
#[derive(Debug, Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Lock<T> {
        Lock(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
