//! Where a handle that starts threads may be used: in the process that made it, as a forked child has none of these
//! threads, and on a thread that is not ending.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use imtag_transport::{keep_process_id, process_id};

use crate::handle::{Misuse, lock};

/// Keeps this process' number in memory that the kernel wipes in a forked child, so that calls need no system call to tell
/// a child from its parent. Where the system cannot do so, each look remains a system call.
pub(crate) fn keep_number() {
    // no `Once`: a fork in the middle of it would leave the child one that never ends
    static ASKED: AtomicBool = AtomicBool::new(false);
    if !ASKED.swap(true, Ordering::Relaxed) {
        wiped_on_fork().into_iter().for_each(keep_process_id);
    }
}

/// A zero that is a zero again in each forked child. It is there as long as this process, as the library is.
#[cfg(target_os = "linux")]
fn wiped_on_fork() -> Option<&'static AtomicU32> {
    zero_with_advice(libc::MADV_WIPEONFORK)
}

/// A zero on a page of its own, with this advice to the kernel; none where it does not know the advice.
#[cfg(target_os = "linux")]
fn zero_with_advice(advice: libc::c_int) -> Option<&'static AtomicU32> {
    // the kernel rounds it up to a page
    const BYTES: usize = size_of::<AtomicU32>();
    let (access, private) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
    );
    // SAFETY: new memory, at a place that the kernel chooses.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), BYTES, access, private, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: it is this function's own page.
    let advise = |advice| unsafe { libc::madvise(page, BYTES, advice) };
    // an emulated kernel may take any advice and follow none
    if advise(-1) == 0 || advise(advice) != 0 {
        // SAFETY: nothing refers to it.
        unsafe { libc::munmap(page, BYTES) };
        return None;
    }
    // SAFETY: a page is aligned, holds zeros, is never unmapped from here on, and changes only by atomic stores, and in a
    // child before it runs.
    Some(unsafe { &*page.cast::<AtomicU32>() })
}

#[cfg(not(target_os = "linux"))]
fn wiped_on_fork() -> Option<&'static AtomicU32> {
    None
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

/// Whether a handle may be used here, by the process that made it. It takes no lock, as a fork may have happened while one
/// was held.
pub(crate) fn check_owner(owner: u32, name: &str) -> Result<(), Misuse> {
    if is_owner(owner) {
        return check_thread();
    }
    Err(Misuse::new(format!(
        "{name} belongs to the process that this one was forked from: make one in each process, after the fork (in gunicorn: in post_fork)"
    )))
}

/// True in the process that made a handle.
pub(crate) fn is_owner(owner: u32) -> bool {
    owner == process_id()
}

/// The inside of a handle that starts threads: options, until the first use starts what they are for.
pub(crate) struct Startable<O, T> {
    /// The handle's name in messages.
    name: &'static str,
    /// The process that made it.
    owner: u32,
    options: Mutex<O>,
    started: OnceLock<T>,
    start: fn(O) -> T,
}

impl<O: Clone, T> Startable<O, T> {
    pub(crate) fn new(name: &'static str, options: O, start: fn(O) -> T) -> Self {
        Startable {
            name,
            owner: process_id(),
            options: Mutex::new(options),
            started: OnceLock::new(),
            start,
        }
    }

    /// Changes the options, while nothing is started.
    pub(crate) fn set(&self, how: impl FnOnce(O) -> Result<O, Misuse>) -> Result<(), Misuse> {
        self.check_here()?;
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
        self.check_here()?;
        Ok(self.start())
    }

    /// The same on any thread, also one that is ending; none in a forked child.
    pub(crate) fn started_here(&self) -> Option<&T> {
        self.is_here().then(|| self.start())
    }

    fn start(&self) -> &T {
        let start = || (self.start)(lock(&self.options).clone());
        self.started.get_or_init(start)
    }

    /// What is started, in the process that started it.
    pub(crate) fn if_started(&self) -> Option<&T> {
        self.started.get().filter(|_| self.is_here())
    }

    /// Takes it out, to end it.
    pub(crate) fn into_started(self) -> Option<T> {
        self.started.into_inner()
    }

    fn check_here(&self) -> Result<(), Misuse> {
        check_owner(self.owner, self.name)
    }

    fn is_here(&self) -> bool {
        is_owner(self.owner)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// What a forked child finds.
    fn in_child(finds: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child calls nothing but what a signal handler may.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let code = i32::from(finds());
            // SAFETY: it ends the child.
            unsafe { libc::_exit(code) };
        }
        let mut status = -1;
        // SAFETY: the child of this test.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert!(libc::WIFEXITED(status), "{status}");
        libc::WEXITSTATUS(status) == 1
    }

    #[test]
    fn a_forked_child_finds_no_number_and_its_parent_keeps_its_own() {
        let kept = wiped_on_fork().expect("Linux 4.14 or later");
        assert_eq!(kept.load(Ordering::Relaxed), 0);
        kept.store(7, Ordering::Relaxed);
        assert!(in_child(|| kept.load(Ordering::Relaxed) == 0));
        assert_eq!(kept.load(Ordering::Relaxed), 7);
    }

    #[test]
    fn no_number_is_kept_where_the_kernel_does_not_know_the_advice() {
        assert!(zero_with_advice(9_999).is_none());
    }

    #[test]
    fn a_forked_child_is_another_process_with_and_without_a_number_that_is_kept() {
        let parent = process_id();
        for _ in 0..2 {
            assert!(in_child(|| process_id() != parent));
            assert_eq!(process_id(), parent);
            keep_number();
        }
    }
}
