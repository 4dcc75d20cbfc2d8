//! Where a handle that starts threads may be used: in the process that made it, as a forked child has none of these
//! threads, and on a thread that is not ending.

use std::sync::{Mutex, OnceLock};

use crate::handle::{Misuse, lock};

/// The process that made a handle.
pub(crate) struct OwnerProcess(u32);

impl OwnerProcess {
    pub(crate) fn current() -> OwnerProcess {
        OwnerProcess(std::process::id())
    }

    pub(crate) fn is_current(&self) -> bool {
        self.0 == std::process::id()
    }

    /// Whether the handle may be used here. It takes no lock, as a fork may have happened while one was held.
    pub(crate) fn check(&self, name: &str) -> Result<(), Misuse> {
        if !self.is_current() {
            return Err(Misuse::new(format!(
                "{name} belongs to the process that this one was forked from: make one in each process, after the fork (in gunicorn: in post_fork)"
            )));
        }
        check_thread()
    }
}

thread_local! {
    /// Destroyed when the thread ends, together with the thread-locals that a call needs. Destructors of C++, of C's
    /// keys and functions of `atexit` may run after that.
    static THREAD: Ends = const { Ends };
}

struct Ends;

impl Drop for Ends {
    fn drop(&mut self) {}
}

/// Whether this thread still has what a call needs.
pub(crate) fn check_thread() -> Result<(), Misuse> {
    THREAD.try_with(|_| ()).map_err(|_| {
        Misuse::new(
            "this thread is ending, and has too little left for a call: make it before, or on another thread",
        )
    })
}

/// The inside of a handle that starts threads: options, until the first use starts what they are for.
pub(crate) struct Startable<O, T> {
    /// The handle's name in messages.
    name: &'static str,
    owner: OwnerProcess,
    options: Mutex<O>,
    started: OnceLock<T>,
    start: fn(O) -> T,
}

impl<O: Clone, T> Startable<O, T> {
    pub(crate) fn new(name: &'static str, options: O, start: fn(O) -> T) -> Self {
        Startable {
            name,
            owner: OwnerProcess::current(),
            options: Mutex::new(options),
            started: OnceLock::new(),
            start,
        }
    }

    /// Changes the options, while nothing is started.
    pub(crate) fn set(&self, how: impl FnOnce(O) -> Result<O, Misuse>) -> Result<(), Misuse> {
        self.owner.check(self.name)?;
        let mut options = lock(&self.options);
        if self.started.get().is_some() {
            let name = self.name;
            let why = format!("the {name} is in use: set it before the first change");
            return Err(Misuse::new(why));
        }
        *options = how(options.clone())?;
        Ok(())
    }

    /// What is started; starts it if it is not.
    pub(crate) fn started(&self) -> Result<&T, Misuse> {
        self.owner.check(self.name)?;
        Ok(self.start())
    }

    /// The same on any thread, also one that is ending; none in a forked child.
    pub(crate) fn started_here(&self) -> Option<&T> {
        self.owner.is_current().then(|| self.start())
    }

    fn start(&self) -> &T {
        let start = || (self.start)(lock(&self.options).clone());
        self.started.get_or_init(start)
    }

    /// What is started, in the process that started it.
    pub(crate) fn if_started(&self) -> Option<&T> {
        self.started.get().filter(|_| self.owner.is_current())
    }

    /// Takes it out, to end it.
    pub(crate) fn into_started(self) -> Option<T> {
        self.started.into_inner()
    }
}
