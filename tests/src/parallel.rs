//! Work that is done side by side, on as many threads as there are cores; and what is done once for all of them.

use std::sync::{Mutex, OnceLock};
use std::thread;

use crate::error::Error;

/// Does work once, however many ask for what comes of it; each of them gets the same error.
pub fn once<T>(
    done: &'static OnceLock<Result<T, String>>,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<&'static T, Error> {
    let done = done.get_or_init(|| work().map_err(|why| why.to_string()));
    done.as_ref().map_err(|why| why.clone().into())
}

/// Does all of it; what comes of it, in the order of the items.
pub fn in_parallel<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let waiting = Mutex::new(items.into_iter().enumerate());
    let worker = || {
        let mut done = Vec::new();
        loop {
            let next = waiting.lock().expect("no worker panics with it").next();
            let Some((place, item)) = next else {
                return done;
            };
            done.push((place, work(item)));
        }
    };
    let mut done = Vec::new();
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            done.extend(worker.join().expect("no work panics"));
        }
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}
