//! The bodies of exported functions that return a status. An exported function is written out, as cbindgen does not see
//! what a macro makes. Its body is one macro, from here or from `handle`, so that all that it does is behind the panic
//! boundary; a test holds this.
//!
//! Within the body, the name of a handle's argument stands for what it points to:
//!
//! ```text
//! status!(error, |bulk| bulk.end_of_input())    a failure is stored in error
//! status!(error, out(completions), |bulk| …)    the same, with a place that must not be NULL
//! set!(bulk.run, linger(time))                  a setter of options, which stores no error
//! set!(bulk.run, |options| …)                   the same, written out
//! ```

use std::time::Duration;

use imtag_core::Effect;

use crate::error::im_error;
use crate::handle::Out;
use crate::panic::caught;
use crate::status::{IM_OK, im_status};

macro_rules! status {
    ($error:expr, |$($handle:ident),+| $act:expr) => {
        $crate::boundary::status!($error, out(), |$($handle),+| $act)
    };
    ($error:expr, out($($out:ident),*), |$($handle:ident),+| $act:expr) => {
        $crate::boundary::status!($error, || {
            // SAFETY: NULL or writable until the function returns, as it documents.
            $(let $out = unsafe { $crate::handle::Out::cleared($out) }.needed(stringify!($out))?;)*
            // SAFETY: NULL, or made by this library and not freed before the function returns, as it documents.
            $(let $handle = unsafe { $crate::handle::borrow($handle, stringify!($handle)) }?;)+
            $act
        })
    };
    ($error:expr, $act:expr) => {{
        let act = $act;
        // SAFETY: NULL or writable until the function returns, as it documents.
        unsafe { $crate::boundary::boundary($error, false, act) }
    }};
}

macro_rules! set {
    ($handle:ident$(.$part:ident)?, $setter:ident($($value:expr),+)) => {
        $crate::boundary::set!($handle$(.$part)?, |options| options.$setter($($value),+))
    };
    ($handle:ident$(.$part:ident)?, |$options:ident| $set:expr) => {
        $crate::boundary::status!(std::ptr::null_mut(), |$handle| {
            $handle$(.$part)?.set(|$options| Ok($set))?;
            Ok(())
        })
    };
}

pub(crate) use {set, status};

/// A time that C gives.
pub(crate) const fn millis(time_ms: u64) -> Duration {
    Duration::from_millis(time_ms)
}

/// Runs what a function does, and stores an error if it fails. A function that only reads tags, `is_get`, has no effect,
/// however it fails.
///
/// # Safety
/// `error` is NULL, or writable until this returns.
pub(crate) unsafe fn boundary(
    error: *mut *mut im_error,
    is_get: bool,
    act: impl FnOnce() -> Result<(), Box<im_error>>,
) -> im_status {
    // SAFETY: the caller's promise.
    let error = unsafe { Out::cleared(error) };
    let failed = match caught(act) {
        Ok(Ok(())) => return IM_OK,
        Ok(Err(failed)) if is_get => failed.not_read(),
        Ok(Err(failed)) => failed,
        Err(text) if is_get => im_error::defect(&text, Effect::NotRead),
        Err(text) => im_error::defect(&text, Effect::PossiblyApplied),
    };
    let status = failed.status();
    error.give(|| *failed);
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{im_error_effect, im_error_free};
    use crate::status::{IM_DEFECT, IM_NOT_READ};
    use std::ptr;

    fn panics() -> Result<(), Box<im_error>> {
        panic!("a wheel came off")
    }

    #[test]
    fn a_panic_becomes_a_status_and_its_text_stays_in_the_error() {
        let mut error = ptr::null_mut();
        // SAFETY: a place of this frame.
        let status = unsafe { boundary(&raw mut error, false, panics) };
        assert_eq!(status, IM_DEFECT);
        // SAFETY: just set.
        let message = unsafe { (*error).message() };
        assert!(
            message.contains("a wheel came off (crates/ffi/src/boundary.rs:"),
            "{message}"
        );
        // SAFETY: made above.
        unsafe { im_error_free(error) };
        // SAFETY: NULL is allowed.
        let status = unsafe { boundary(ptr::null_mut(), false, panics) };
        assert_eq!(status, IM_DEFECT);
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
            unsafe { boundary(&raw mut error, true, act) };
            // SAFETY: just set.
            let (message, effect) = unsafe { ((*error).message(), im_error_effect(error)) };
            assert!(message.starts_with(start), "{message}");
            assert_eq!(effect, IM_NOT_READ);
            // SAFETY: made above.
            unsafe { im_error_free(error) };
        }
    }
}
