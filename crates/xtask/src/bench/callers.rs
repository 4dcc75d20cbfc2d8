//! Callers on threads, each with one call after the other, and how long they wait. What they call is not known here.

use std::thread;
use std::time::{Duration, Instant};

use super::report::per_second;
use crate::Error;

const STACK_BYTES: usize = 256 * 1024;

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Done,
    Failed,
    /// Rejected, as it was to be: neither counted nor timed.
    Rejected,
}

impl From<bool> for Told {
    fn from(is_done: bool) -> Told {
        if is_done { Told::Done } else { Told::Failed }
    }
}

/// What all callers were told.
#[derive(Debug)]
pub(super) struct Called {
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) rejected: u64,
    pub(super) time: Duration,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
}

impl Called {
    pub(super) fn per_second(&self) -> f64 {
        per_second(self.done, self.time)
    }
}

/// Calls over and over with so many callers. `call` gets the caller's number, and how many calls it has made before.
pub(super) fn call_for(
    time: Duration,
    callers: u64,
    call: impl Fn(u64, u64) -> Told + Sync,
) -> Result<Called, Error> {
    let (began, call) = (Instant::now(), &call);
    let mut took = Vec::new();
    let mut called = Called {
        done: 0,
        failed: 0,
        rejected: 0,
        time,
        p50: Duration::ZERO,
        p99: Duration::ZERO,
    };
    thread::scope(|scope| -> Result<(), Error> {
        let mut threads = Vec::new();
        for caller in 0..callers {
            let thread = thread::Builder::new().stack_size(STACK_BYTES);
            threads.push(thread.spawn_scoped(scope, move || {
                let (mut took, mut failed, mut rejected) = (Vec::new(), 0, 0);
                for turn in 0.. {
                    if began.elapsed() >= time {
                        break;
                    }
                    let start = Instant::now();
                    match call(caller, turn) {
                        Told::Done => took.push(start.elapsed()),
                        Told::Failed => failed += 1,
                        Told::Rejected => rejected += 1,
                    }
                }
                (took, failed, rejected)
            })?);
        }
        for thread in threads {
            let of_thread = thread.join().map_err(|_| "a caller panicked")?;
            took.extend(of_thread.0);
            called.failed += of_thread.1;
            called.rejected += of_thread.2;
        }
        Ok(())
    })?;
    called.time = began.elapsed();
    called.done = took.len() as u64;
    took.sort_unstable();
    let wait = |per_cent| took.get(took.len() * per_cent / 100).copied();
    called.p50 = wait(50).unwrap_or_default();
    called.p99 = wait(99).unwrap_or_default();
    Ok(called)
}

/// As tables have it.
pub(super) fn millis(time: Duration) -> f64 {
    1e3 * time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_calls_in_turns_and_only_what_was_done_is_counted_as_that() {
        let called = call_for(Duration::from_millis(20), 3, |caller, turn| {
            thread::sleep(Duration::from_millis(1));
            match (caller, turn) {
                (0, 0) => Told::Failed,
                (0, _) => Told::Rejected,
                _ => Told::Done,
            }
        });
        let called = called.unwrap();
        assert_eq!(called.failed, 1);
        assert!(called.done >= 2 && called.rejected >= 1, "{called:?}");
        assert!(called.p50 >= Duration::from_millis(1), "{called:?}");
        assert!(called.p99 >= called.p50 && called.time >= Duration::from_millis(20));
    }
}
