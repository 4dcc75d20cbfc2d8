//! Options of one call: a time limit, and ways to end it early.

use std::ffi::c_void;
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use imtag_transport::{CallOptions, CancelToken};

use crate::boundary::set;
use crate::handle::{borrow, free, into_raw, read};
use crate::misuse::Misuse;
use crate::panic::guarded;
use crate::status::im_status;

/// Options of a call, and the way to cancel it. Made by `im_call_new`, freed by `im_call_free`, not while a call or
/// `im_call_cancel` uses it. It may serve calls one after the other, not at once, and once cancelled stays so.
pub struct im_call {
    /// Locked by the call that uses it, for as long as it runs.
    options: Mutex<CallOptions>,
    cancel: CancelToken,
}

/// Called on the calling thread about every 100 ms while a call waits. A number other than 0 cancels the call. It should
/// be quick, as other calls of the client may wait for this one. It may make calls itself.
pub type im_interrupt = Option<unsafe extern "C" fn(context: *mut c_void) -> i32>;

struct Interrupt {
    ask: unsafe extern "C" fn(context: *mut c_void) -> i32,
    context: *mut c_void,
}

// SAFETY: it is called on the thread that makes the call, which has it from its setter with the im_call; never by two
// threads at once.
unsafe impl Send for Interrupt {}
// SAFETY: the same.
unsafe impl Sync for Interrupt {}

impl Interrupt {
    fn asks_to_stop(&self) -> bool {
        // SAFETY: given for this use, with this context.
        unsafe { (self.ask)(self.context) != 0 }
    }
}

impl im_call {
    /// The options, for the one call that may use them.
    pub(crate) fn options(&self) -> Result<MutexGuard<'_, CallOptions>, Misuse> {
        match self.options.try_lock() {
            Ok(options) => Ok(options),
            Err(TryLockError::Poisoned(poisoned)) => Ok(PoisonError::into_inner(poisoned)),
            Err(TryLockError::WouldBlock) => Err(Misuse::new(
                "call is in use by another call: make an im_call for each",
            )),
        }
    }

    /// The same of a call that may be NULL: then there are none.
    ///
    /// # Safety
    /// `call` is NULL, or was made by this library and is not freed during `'a`.
    pub(crate) unsafe fn options_or_none<'a>(call: *const im_call) -> Result<Options<'a>, Misuse> {
        if call.is_null() {
            return Ok(Options::None(CallOptions::new()));
        }
        // SAFETY: the caller's promise.
        let call = unsafe { borrow(call, "call") }?;
        call.options().map(Options::OfCall)
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

/// The options of a function's argument, as `options!(call)`.
macro_rules! options {
    ($call:ident) => {
        // SAFETY: NULL, or made by this library and not freed before the function returns, as it documents.
        &*unsafe { $crate::call::im_call::options_or_none($call) }?
    };
}
pub(crate) use options;

/// The options that a call has.
pub(crate) enum Options<'a> {
    OfCall(MutexGuard<'a, CallOptions>),
    None(CallOptions),
}

impl Deref for Options<'_> {
    type Target = CallOptions;

    fn deref(&self) -> &CallOptions {
        match self {
            Options::OfCall(options) => options,
            Options::None(options) => options,
        }
    }
}

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

/// Sets the time for a whole call with all its waits and retries, from its start. 0: the time is already over, and
/// nothing is sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_call_set_timeout_ms(call: *mut im_call, timeout_ms: u64) -> im_status {
    set!(call, |options| options
        .timeout(Duration::from_millis(timeout_ms)))
}

/// Sets the time for one attempt, once it has its turn in the quota; when it is up, the call may try again. Without
/// it an attempt may use half of the time that the call has left, and all of it once one was silent for so long.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_call_set_attempt_timeout_ms(
    call: *mut im_call,
    timeout_ms: u64,
) -> im_status {
    set!(call, |options| options
        .attempt_timeout(Duration::from_millis(timeout_ms)))
}

/// Sets a function that is asked on the calling thread whether the call should go on: for hosts that must check for
/// signals themselves, as interpreters do.
///
/// interrupt  not NULL
/// context    handed to it as it is; borrowed until the im_call is freed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_call_set_interrupt(
    call: *mut im_call,
    interrupt: im_interrupt,
    context: *mut c_void,
) -> im_status {
    set!(call, |options| {
        let ask = interrupt.ok_or_else(|| Misuse::new("interrupt is NULL"))?;
        let interrupt = Interrupt { ask, context };
        options.interrupt(move || interrupt.asks_to_stop())
    })
}

/// Cancels the call that uses these options, now or later: it ends at once, with IM_CANCELLED and what is known of
/// its effect. From any thread, any number of times, but not from a signal handler. NULL is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_call_cancel(call: *const im_call) {
    read!(call, (), call.cancel.cancel());
}

/// Frees the options of a call; NULL is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_call_free(call: *mut im_call) {
    free!(call);
}
