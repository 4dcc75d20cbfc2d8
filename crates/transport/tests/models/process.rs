//! A process that never forks, and whose threads are those of the models. Some cannot be started.

use std::cell::Cell;
use std::io;

use crate::wait::thread::{self, JoinHandle};

/// Of a process that never forks.
pub(crate) struct PerProcess<T>(T);

impl<T> PerProcess<T> {
    pub(crate) fn new(value: T) -> PerProcess<T> {
        PerProcess(value)
    }

    pub(crate) fn get(&self, _make: impl Fn() -> T) -> &T {
        &self.0
    }
}

thread_local! {
    /// So many threads cannot be started.
    pub(crate) static FAILING_STARTS: Cell<u32> = const { Cell::new(0) };
    /// So many were started.
    pub(crate) static STARTS: Cell<u32> = const { Cell::new(0) };
}

/// The longest backoff.
pub(crate) fn random_u64() -> u64 {
    u64::MAX
}

pub(crate) fn spawn_without_signals<T: Send + 'static>(
    _name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let failing = FAILING_STARTS.get();
    if failing > 0 {
        FAILING_STARTS.set(failing - 1);
        return Err(io::ErrorKind::WouldBlock.into());
    }
    STARTS.set(STARTS.get() + 1);
    Ok(thread::spawn(run))
}
