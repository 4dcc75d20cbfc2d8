//! What the process has for its connections: threads, and descriptors.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};

/// After so many tasks the runtime looks for new connections and requests: callers that were answered first come again
/// while the rest of a burst is answered, and not behind all of it.
const TASKS_BETWEEN: u32 = 16;

/// A runtime: the thread that blocks on it alone where `workers` is 0 or 1, or else so many threads of this name. It has
/// no timer of its own, so it sleeps until a connection or a limit of time wakes it.
///
/// # Errors
/// Where the system gives no thread or no descriptor.
pub fn runtime(name: &str, workers: usize) -> io::Result<Runtime> {
    let mut builder = if workers > 1 {
        Builder::new_multi_thread()
    } else {
        Builder::new_current_thread()
    };
    if workers > 1 {
        builder.worker_threads(workers);
    }
    builder.thread_name(name).event_interval(TASKS_BETWEEN);
    builder.enable_io().enable_time().build()
}

/// Raises how many descriptors the process may open to what the system allows it at most; returns that number, `None`
/// where there is no bound. Programs that it starts inherit the number.
///
/// # Errors
/// Where the system does not allow it after all.
pub fn raise_open_files() -> io::Result<Option<u64>> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let raised = Rlimit {
            current: maximum,
            maximum,
        };
        setrlimit(Resource::Nofile, raised)?;
    }
    Ok(maximum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_files_may_be_open_as_the_system_allows() {
        let most = raise_open_files().unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current, most);
        assert_eq!(raise_open_files().unwrap(), most);
    }
}
