//! The panic boundary: nothing unwinds into C. A panic becomes a status, its text stays in the error, and nothing is
//! printed, as a guest has no business on its host's standard error.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};

use imtag_core::Effect;

use crate::cancellation::PutOff;
use crate::error::im_error;
use crate::pointer::Out;
use crate::status::{IM_OK, im_status};

thread_local! {
    /// How many boundaries this thread is inside of: a callback may call the library again.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
    /// What the last panic said, on its way from the hook to the boundary.
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs what a function does, and leaves an error unless it is done.
///
/// # Safety
/// `error` is NULL, or writable until this returns.
pub(crate) unsafe fn boundary(
    error: *mut *mut im_error,
    act: impl FnOnce() -> Result<(), Box<im_error>>,
) -> im_status {
    // SAFETY: the caller's promise.
    unsafe { bounded(error, Effect::PossiblyApplied, act) }
}

/// The same for a function that reads tags: however it fails, they were not read.
///
/// # Safety
/// As [`boundary`].
pub(crate) unsafe fn boundary_of_get(
    error: *mut *mut im_error,
    act: impl FnOnce() -> Result<(), Box<im_error>>,
) -> im_status {
    let act = || act().map_err(im_error::of_get);
    // SAFETY: the caller's promise.
    unsafe { bounded(error, Effect::NotRead, act) }
}

/// `defect`: what is known of the effect after a panic.
unsafe fn bounded(
    error: *mut *mut im_error,
    defect: Effect,
    act: impl FnOnce() -> Result<(), Box<im_error>>,
) -> im_status {
    // SAFETY: the caller's promise.
    let error = unsafe { Out::cleared(error) };
    let failed = match caught(act) {
        Ok(Ok(())) => return IM_OK,
        Ok(Err(failed)) => failed,
        Err(said) => Box::new(im_error::defect(&said, defect)),
    };
    let status = failed.status();
    error.give(|| *failed);
    status
}

/// The same for a function that has no error to leave: `otherwise` is its answer to a panic.
pub(crate) fn guarded<T>(otherwise: T, act: impl FnOnce() -> T) -> T {
    caught(act).unwrap_or(otherwise)
}

fn caught<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    // no `Once`: a fork in the middle of it would leave the child one that never ends
    static HOOKED: AtomicBool = AtomicBool::new(false);
    if !HOOKED.swap(true, Ordering::Relaxed) {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| match is_ours() {
            true => note(info),
            false => before(info),
        }));
    }
    let _put_off = PutOff::begin();
    INSIDE.set(INSIDE.get() + 1);
    // What a panic leaves half done is either dropped with it, or behind a lock that is taken again all the same.
    let done = panic::catch_unwind(AssertUnwindSafe(act));
    INSIDE.set(INSIDE.get() - 1);
    done.map_err(|payload| {
        // a payload whose own drop panics must not be dropped here
        std::mem::forget(payload);
        SAID.try_with(RefCell::take).unwrap_or_default()
    })
}

/// Whether a panic of this thread is the library's: in a static library this may be the host's own std.
fn is_ours() -> bool {
    let named = std::thread::current()
        .name()
        .map(|name| name.starts_with("imtag-"));
    INSIDE.get() > 0 || named.unwrap_or_default()
}

fn note(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    let text = payload.downcast_ref::<&str>().copied().or(owned);
    let text = text.unwrap_or("a panic without a text");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    // a thread that is ending may have no place left for it
    drop(SAID.try_with(|said| said.replace(format!("{text} ({place})"))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{im_error_effect, im_error_free};
    use crate::status::{IM_DEFECT, IM_MISUSE, IM_NOT_READ};
    use std::process::Command;
    use std::ptr;

    fn panics() -> Result<(), Box<im_error>> {
        panic!("a wheel came off")
    }

    #[test]
    fn a_panic_becomes_a_status_and_its_text_stays_in_the_error() {
        let mut error = ptr::null_mut();
        // SAFETY: a place of this frame.
        let status = unsafe { boundary(&raw mut error, panics) };
        assert_eq!(status, IM_DEFECT);
        // SAFETY: just set.
        let message = unsafe { (*error).message() };
        assert!(
            message.contains("a wheel came off (crates/ffi/src/boundary.rs:"),
            "{message}"
        );
        // SAFETY: made above.
        unsafe { im_error_free(error) };
    }

    #[test]
    fn a_get_that_panics_or_is_called_wrongly_has_not_read() {
        let misused = || Err(im_error::misuse("no client"));
        for (act, start) in [
            (
                panics as fn() -> Result<(), Box<im_error>>,
                "a defect of libimtag (not read): a wheel came off",
            ),
            (
                misused,
                "wrong use of libimtag, nothing was sent: no client",
            ),
        ] {
            let mut error = ptr::null_mut();
            // SAFETY: a place of this frame.
            unsafe { boundary_of_get(&raw mut error, act) };
            // SAFETY: just set.
            let (message, effect) = unsafe { ((*error).message(), im_error_effect(error)) };
            assert!(message.starts_with(start), "{message}");
            assert_eq!(effect, IM_NOT_READ);
            // SAFETY: made above.
            unsafe { im_error_free(error) };
        }
    }

    #[test]
    fn a_panic_without_a_place_for_an_error_is_a_status_all_the_same() {
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { boundary(ptr::null_mut(), panics) }, IM_DEFECT);
        assert_eq!(guarded(7, || panic!("another")), 7);
    }

    #[test]
    fn an_old_value_of_the_error_is_overwritten_and_not_freed() {
        let mut error = ptr::dangling_mut();
        // SAFETY: a place of this frame.
        assert_eq!(unsafe { boundary(&raw mut error, || Ok(())) }, IM_OK);
        assert!(error.is_null());
    }

    #[test]
    fn a_panic_in_a_callback_within_a_callback_ends_at_the_inner_boundary() {
        let outer = || {
            // SAFETY: NULL is allowed.
            let inner = unsafe { boundary(ptr::null_mut(), panics) };
            assert_eq!(inner, IM_DEFECT);
            Err(im_error::misuse("the outer one goes on"))
        };
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { boundary(ptr::null_mut(), outer) }, IM_MISUSE);
        assert_eq!(INSIDE.get(), 0);
    }

    /// Run by the next test, in a process of its own.
    #[test]
    #[ignore = "its output is what the next test looks at"]
    fn panics_behind_the_boundary() {
        assert_eq!(guarded(1, || panic!("hush")), 1);
    }

    #[test]
    fn a_panic_prints_nothing() {
        let mut this = Command::new(std::env::current_exe().unwrap());
        let name = "boundary::tests::panics_behind_the_boundary";
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
