//! Options of one call: a time limit, and ways to end it early.

use std::ffi::c_void;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use imtag_transport::{CallOptions, CancelToken};

use crate::boundary::{millis, set};
use crate::handle::{Context, Misuse, borrow, free, into_raw, read};
use crate::panic::guarded;
use crate::status::im_status;

/// Options of a call, and its cancellation. Made by `im_call_new`, freed by `im_call_free`, not while a call or
/// `im_call_cancel` uses it. It may serve one call after another, not two at once. Once cancelled it stays cancelled.
pub struct im_call {
    /// Locked by the call that uses it, for as long as it runs.
    options: Mutex<CallOptions>,
    cancel: CancelToken,
}

/// Called on the calling thread about every 100 ms while a call waits. A number other than 0 cancels the call. It should
/// return quickly, as other calls of the client may wait for this one. It may make calls itself.
pub type im_interrupt = Option<unsafe extern "C" fn(context: *mut c_void) -> i32>;

impl im_call {
    /// The options, locked for the one call that may use them.
    fn options(&self) -> Result<MutexGuard<'_, CallOptions>, Misuse> {
        match self.options.try_lock() {
            Ok(options) => Ok(options),
            Err(TryLockError::Poisoned(poisoned)) => Ok(PoisonError::into_inner(poisoned)),
            Err(TryLockError::WouldBlock) => Err(Misuse::new(
                "call is in use by another call: make an im_call for each",
            )),
        }
    }

    /// The same of a call that may be NULL, which is none.
    ///
    /// # Safety
    /// `call` is NULL, or was made by this library and is not freed during `'a`.
    pub(crate) unsafe fn options_of<'a>(
        call: *const im_call,
    ) -> Result<Option<MutexGuard<'a, CallOptions>>, Misuse> {
        if call.is_null() {
            return Ok(None);
        }
        // SAFETY: the caller's promise.
        unsafe { borrow(call, "call") }?.options().map(Some)
    }

    fn set(
        &self,
        how: impl FnOnce(CallOptions) -> Result<CallOptions, Misuse>,
    ) -> Result<(), Misuse> {
        let mut options = self.options()?;
        *options = how(options.clone())?;
        Ok(())
    }
}

/// The options that a function is given, as `options!(call)`: an argument, as they are locked until its statement ends.
macro_rules! options {
    ($call:ident) => {
        // SAFETY: NULL, or made by this library and not freed before the function returns, as it documents.
        unsafe { $crate::call::im_call::options_of($call) }?
            .as_deref()
            .unwrap_or(&imtag_transport::CallOptions::new())
    };
}
pub(crate) use options;

/// Makes the options of a call, all of them the client's.
#[unsafe(no_mangle)]
pub extern "C" fn im_call_new() -> *mut im_call {
    guarded(std::ptr::null_mut(), || {
        let cancel = CancelToken::new();
        into_raw(im_call {
            options: Mutex::new(CallOptions::new().cancel(&cancel)),
            cancel,
        })
    })
}

/// Sets the time for a whole call, from its start, with all its waits and retries. 0: the time is already over, and
/// nothing is sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_call_set_timeout_ms(call: *mut im_call, timeout_ms: u64) -> im_status {
    set!(call, timeout(millis(timeout_ms)))
}

/// Sets the time for one attempt, from its turn in the quota; when it is up, the call may try again. If it is not set, an
/// attempt has half of the time that the call has left: of 10 s, the first has 5 s. After an attempt without an answer in
/// that time, the next has all that is left.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_call_set_attempt_timeout_ms(
    call: *mut im_call,
    timeout_ms: u64,
) -> im_status {
    set!(call, attempt_timeout(millis(timeout_ms)))
}

/// Sets a function that the calling thread calls to see if the call should go on: for hosts that must check for signals
/// themselves, as interpreters do.
///
/// interrupt  not NULL
/// context    passed to it as it is; borrowed until the im_call is freed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_call_set_interrupt(
    call: *mut im_call,
    interrupt: im_interrupt,
    context: *mut c_void,
) -> im_status {
    set!(call, |options| {
        let interrupt = interrupt.ok_or_else(|| Misuse::new("interrupt is NULL"))?;
        let context = Context::new(context);
        options.interrupt(move || {
            // SAFETY: given for this use, with this context; on the thread of the one call that uses the options.
            unsafe { interrupt(context.get()) != 0 }
        })
    })
}

/// Cancels the call that uses these options, now or later: it ends at once, with IM_CANCELLED and what is known of
/// its effect. Any thread, any number of times, but not from a signal handler. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_call_cancel(call: *const im_call) {
    read!(call, (), call.cancel.cancel());
}

/// Frees the options of a call; NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_call_free(call: *mut im_call) {
    free!(call);
}
