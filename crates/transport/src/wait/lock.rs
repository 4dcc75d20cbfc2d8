//! The only lock of this crate. It ignores poison: after a panic of one thread the others go on. No code panics half way
//! through a change of what a lock holds.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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

    /// Unlocks, waits for a signal, at most so long, and locks again.
    pub(crate) fn wait<'l>(
        guard: MutexGuard<'l, T>,
        signal: &Condvar,
        at_most: Option<Duration>,
    ) -> MutexGuard<'l, T> {
        match at_most {
            Some(time) => {
                let waited = signal.wait_timeout(guard, time);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => signal.wait(guard).unwrap_or_else(PoisonError::into_inner),
        }
    }
}
