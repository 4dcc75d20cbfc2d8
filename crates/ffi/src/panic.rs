//! The panic boundary: nothing unwinds into C. A panic is caught, its text is kept for the error, and nothing is printed,
//! as a library does not write to its host's standard error. `pthread_cancel` would unwind too, and end the process at
//! the boundary: it is deferred until the thread has left the library.

use std::cell::{Cell, RefCell};
#[cfg(target_os = "linux")]
use std::ffi::c_int;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    /// How many boundaries this thread is inside of: a callback may call the library again.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
    /// The text of the last panic: the hook stores it, the boundary takes it.
    static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs what a function does that returns no status: after a panic it returns `otherwise`.
pub(crate) fn guarded<T>(otherwise: T, act: impl FnOnce() -> T) -> T {
    caught(act).unwrap_or(otherwise)
}

/// Runs `act`. An error is the text of its panic.
pub(crate) fn caught<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    // no `Once`: a fork in the middle of it would leave the child one that never ends
    static HOOKED: AtomicBool = AtomicBool::new(false);
    // looked at first, as threads that swap are in each other's way
    if !HOOKED.load(Ordering::Relaxed) && !HOOKED.swap(true, Ordering::Relaxed) {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if in_library() {
                keep_text(info);
            } else {
                before(info);
            }
        }));
    }
    let _deferred = DeferCancel::new();
    INSIDE.set(INSIDE.get() + 1);
    // What a panic leaves half done is either dropped with it, or behind a lock that is taken again all the same.
    let done = panic::catch_unwind(AssertUnwindSafe(act));
    INSIDE.set(INSIDE.get() - 1);
    done.map_err(|payload| {
        // a payload whose own drop panics must not be dropped here
        std::mem::forget(payload);
        TEXT.try_with(RefCell::take).unwrap_or_default()
    })
}

/// True if a panic of this thread is the library's: in a static library this may be the host's own std.
fn in_library() -> bool {
    let thread = std::thread::current();
    let by_name = thread.name().is_some_and(|name| name.starts_with("imtag-"));
    INSIDE.get() > 0 || by_name
}

fn keep_text(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    let text = payload.downcast_ref::<&str>().copied().or(owned);
    let text = text.unwrap_or("a panic without a text");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    // a thread that is ending may have no place left for it
    drop(TEXT.try_with(|kept| kept.replace(format!("{text} ({place})"))));
}

/// While this lives, this thread is not cancelled.
struct DeferCancel {
    #[cfg(target_os = "linux")]
    before: c_int,
}

#[cfg(target_os = "linux")]
impl DeferCancel {
    /// `PTHREAD_CANCEL_DISABLE`, the same in each C library of Linux.
    const DISABLE: c_int = 1;

    fn new() -> DeferCancel {
        let mut before = 0;
        // SAFETY: a valid state, and a place of this frame. It fails for an invalid state only.
        unsafe { pthread_setcancelstate(Self::DISABLE, &raw mut before) };
        DeferCancel { before }
    }
}

#[cfg(target_os = "linux")]
impl Drop for DeferCancel {
    fn drop(&mut self) {
        // SAFETY: the state of before; NULL where it is not asked for.
        unsafe { pthread_setcancelstate(self.before, std::ptr::null_mut()) };
    }
}

#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

#[cfg(not(target_os = "linux"))]
impl DeferCancel {
    fn new() -> DeferCancel {
        DeferCancel {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_panic_in_a_callback_within_a_callback_ends_at_the_inner_boundary() {
        let outer = caught(|| {
            let inner = caught(|| panic!("the inner one"));
            inner.is_err() && INSIDE.get() == 1
        });
        assert_eq!(outer, Ok(true));
        assert_eq!(INSIDE.get(), 0);
    }

    /// The next test runs it in a process of its own.
    #[test]
    #[ignore = "its output is what the next test looks at"]
    fn panics_behind_the_boundary() {
        assert_eq!(guarded(1, || panic!("hush")), 1);
    }

    #[test]
    fn a_panic_prints_nothing() {
        let mut this = Command::new(std::env::current_exe().unwrap());
        let name = "panic::tests::panics_behind_the_boundary";
        let ran = this
            .args(["--exact", name, "--ignored", "--nocapture"])
            .output()
            .unwrap();
        let (out, err) = (
            String::from_utf8(ran.stdout).unwrap(),
            String::from_utf8(ran.stderr).unwrap(),
        );
        assert!(
            ran.status.success() && out.contains("1 passed"),
            "{out}{err}"
        );
        assert!(!out.contains("hush") && !err.contains("hush"), "{out}{err}");
    }
}
