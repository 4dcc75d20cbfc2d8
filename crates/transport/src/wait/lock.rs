//! The only lock of this crate. It ignores poison: after a panic of one thread the others go on. No code panics half way
//! through a change of what a lock holds.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A mutex without poison.
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
