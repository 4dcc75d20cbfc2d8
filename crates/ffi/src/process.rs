//! Where a handle with threads of its own may be used: in the process that made it, as a forked child has none of
//! these threads, and on a thread that is not ending.

use crate::error::Misuse;

/// The process that made a handle.
pub(crate) struct Home(u32);

impl Home {
    pub(crate) fn here() -> Home {
        Home(std::process::id())
    }

    /// Whether this is it.
    pub(crate) fn is_here(&self) -> bool {
        self.0 == std::process::id()
    }

    /// Lets in who may use the handle. It takes no lock, as a fork may have caught any of them taken.
    pub(crate) fn enter(&self, name: &str) -> Result<(), Misuse> {
        if !self.is_here() {
            return Err(Misuse::new(format!(
                "{name} belongs to the process that this one was forked from: make one in each process, after the fork (in gunicorn: in post_fork)"
            )));
        }
        thread_goes_on()
    }
}

thread_local! {
    /// Gone when the thread ends, as is what a call needs of its thread: destructors of C++ and of C's keys, and what
    /// `atexit` knows of, may come later.
    static THREAD: Ends = const { Ends };
}

struct Ends;

impl Drop for Ends {
    fn drop(&mut self) {}
}

/// Whether this thread still has what a call needs.
pub(crate) fn thread_goes_on() -> Result<(), Misuse> {
    THREAD.try_with(|_| ()).map_err(|_| {
        Misuse::new(
            "this thread is ending, and has too little left for a call: make it before, or on another thread",
        )
    })
}
