//! The batcher as a handle: settings, outcomes of what was submitted, flush, close. Changes go in by `batched`.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use imtag_core::Rules;
use imtag_transport::{Batcher, BatcherOptions, CallOptions, Client, Stop, Unfinished, WhenFull};

use crate::boundary::{boundary, guarded};
use crate::call::im_call;
use crate::client::im_client;
use crate::completions::im_completions;
use crate::error::{Misuse, im_error};
use crate::pointer::{Out, borrow};
use crate::process::Home;
use crate::status::{IM_CANCELLED, IM_TIMEOUT, im_status};

/// A batcher: changes of many threads, of one user each, share requests. For servers that tag a user per event, where
/// a request for each would use up the app's quota with a hundredth of the users. Made by `im_batcher_new`; freed by
/// `im_batcher_free`.
///
/// Any number of threads may use it at once; the setters are for one thread, before. The client may be freed before it.
/// It sends by threads of its own, which sleep while there is nothing to do. In a forked child its functions answer
/// with `IM_MISUSE`, and `im_batcher_free` leaves alone what is the parent's.
///
/// A change is sent when 100 users are together, when its user has as many tags as a request takes of it (10), or when
/// it has lingered. The changes of an account are made in the order in which they were given.
pub struct im_batcher {
    home: Home,
    client: Client,
    options: Mutex<BatcherOptions>,
    /// Begun by the first change, and by whatever else has no sense before.
    batcher: OnceLock<Batcher>,
}

/// What a batcher does with a change when it is full: `IM_WAIT`, `IM_FAIL` or `IM_SIGNAL`.
pub type im_when_full = i32;

/// It waits for room, until the change's time is up.
pub const IM_WAIT: im_when_full = 1;
/// It refuses the change at once: `IM_FULL`.
pub const IM_FAIL: im_when_full = 2;
/// The same, and `im_batcher_poll` comes back once there is room, also without an outcome: for bindings that wait for
/// room without a thread for each that waits. Each refusal asks for it anew.
pub const IM_SIGNAL: im_when_full = 3;

impl im_batcher {
    pub(crate) fn rules(&self) -> &Rules {
        self.client.rules()
    }

    /// The batcher, begun if need be.
    pub(crate) fn begun(&self) -> Result<&Batcher, Misuse> {
        self.home.enter("batcher")?;
        let begin = || {
            let options = self.options.lock();
            let options = options.unwrap_or_else(PoisonError::into_inner).clone();
            options.start()
        };
        Ok(self.batcher.get_or_init(begin))
    }
}

/// Changes the options.
///
/// # Safety
/// `batcher` is NULL, or was made by this library and is not freed during this call.
unsafe fn set(
    batcher: *const im_batcher,
    how: impl FnOnce(BatcherOptions) -> Result<BatcherOptions, Misuse>,
) -> im_status {
    let act = || {
        // SAFETY: the caller's promise.
        let batcher = unsafe { borrow(batcher, "batcher") }?;
        batcher.home.enter("batcher")?;
        let options = batcher.options.lock();
        let mut options = options.unwrap_or_else(PoisonError::into_inner);
        if batcher.batcher.get().is_some() {
            return Err(
                Misuse::new("the batcher is in use: set it before the first change").into(),
            );
        }
        *options = how(options.clone())?;
        Ok(())
    };
    // SAFETY: NULL is no place for an error.
    unsafe { boundary(std::ptr::null_mut(), act) }
}

/// Makes a batcher. It has no thread before its first change.
///
/// client   not NULL; may be freed before the batcher
/// batcher  not NULL. NULL on entry; set on IM_OK. Free: im_batcher_free
/// error    may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_new(
    client: *const im_client,
    batcher: *mut *mut im_batcher,
    error: *mut *mut im_error,
) -> im_status {
    let act = || {
        // SAFETY: NULL or writable.
        let batcher = unsafe { Out::cleared(batcher) }.needed("batcher")?;
        // SAFETY: NULL, or alive during this call.
        let im_client(client) = unsafe { borrow(client, "client") }?;
        batcher.give(|| im_batcher {
            home: Home::here(),
            client: client.clone(),
            options: Mutex::new(client.batcher()),
            batcher: OnceLock::new(),
        });
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
}

/// Sets how long a change waits for others to share its request; 10 without. This and the other setters are for before
/// the first change: IM_MISUSE afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_linger_ms(
    batcher: *mut im_batcher,
    linger_ms: u64,
) -> im_status {
    // SAFETY: NULL, or alive during this call.
    unsafe {
        set(batcher, |options| {
            Ok(options.linger(Duration::from_millis(linger_ms)))
        })
    }
}

/// Sets how many changes are held before they are sent; 10,000 without, a second's worth of the full quota, and 0 is
/// as 1. With as many the batcher is full.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_room(
    batcher: *mut im_batcher,
    changes: usize,
) -> im_status {
    // SAFETY: NULL, or alive during this call.
    unsafe { set(batcher, |options| Ok(options.room(changes))) }
}

/// Sets what happens to a change when the batcher is full: IM_WAIT, as without, IM_FAIL or IM_SIGNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_when_full(
    batcher: *mut im_batcher,
    when_full: im_when_full,
) -> im_status {
    let how = |options: BatcherOptions| match when_full {
        IM_WAIT => Ok(options.when_full(WhenFull::Wait)),
        IM_FAIL => Ok(options.when_full(WhenFull::Fail)),
        IM_SIGNAL => Ok(options.when_full(WhenFull::Signal)),
        other => Err(Misuse::new(format!(
            "when_full: {other} is none: IM_WAIT, IM_FAIL or IM_SIGNAL"
        ))),
    };
    // SAFETY: NULL, or alive during this call.
    unsafe { set(batcher, how) }
}

/// Sets the time for a change, with its waits and retries; 30,000 without.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_timeout_ms(
    batcher: *mut im_batcher,
    timeout_ms: u64,
) -> im_status {
    // SAFETY: NULL, or alive during this call.
    unsafe {
        set(batcher, |options| {
            Ok(options.timeout(Duration::from_millis(timeout_ms)))
        })
    }
}

/// Sets the time for one attempt of a request; 10,000 without.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_attempt_timeout_ms(
    batcher: *mut im_batcher,
    timeout_ms: u64,
) -> im_status {
    // SAFETY: NULL, or alive during this call.
    unsafe {
        set(batcher, |options| {
            Ok(options.attempt_timeout(Duration::from_millis(timeout_ms)))
        })
    }
}

/// Sets for how long an attempt that was given up may still have its effect, and so how long the account's next change
/// of another kind waits; 10,000 without. No page of the service says how late it can be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_settling_time_ms(
    batcher: *mut im_batcher,
    time_ms: u64,
) -> im_status {
    // SAFETY: NULL, or alive during this call.
    unsafe {
        set(batcher, |options| {
            Ok(options.settling_time(Duration::from_millis(time_ms)))
        })
    }
}

/// Hands out the submitted changes that have their outcomes since it was asked last. Waits for one, at most so long, also
/// where nothing is under way, as another thread may submit.
///
/// timeout_ms   0: does not wait. UINT64_MAX: as long as it takes
/// completions  not NULL. NULL on entry; set where there is any. Free: im_completions_free
/// error        may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK with NULL for completions: the time is up, the batcher is closed and all were polled, or, with IM_SIGNAL, there
/// is room again. That changes failed is no failure of this function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_poll(
    batcher: *mut im_batcher,
    timeout_ms: u64,
    completions: *mut *mut im_completions,
    error: *mut *mut im_error,
) -> im_status {
    let act = || {
        // SAFETY: NULL or writable.
        let completions = unsafe { Out::cleared(completions) }.needed("completions")?;
        // SAFETY: NULL, or alive during this call.
        let batcher = unsafe { borrow(batcher, "batcher") }?.begun()?;
        let settled = batcher.poll(Duration::from_millis(timeout_ms));
        im_completions::give(settled, &completions);
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
}

/// Takes back a submitted change whose caller waits no longer. It does not wait. The outcome comes by im_batcher_poll,
/// once, as that of every change: where it is in no request yet it is not sent, and its outcome is `why`, not applied;
/// else it may be sent, or sent again, all the same, and its outcome is `why`, possibly applied. Where its request is
/// answered first, its outcome is the answer's; with IM_TIMEOUT that is waited for, 100 ms at most, as the request of a
/// change whose time is up ends at the same moment.
///
/// id     of the change. Ids are to be unique among changes without an outcome: where several changes have this one, the
///        last of them is taken back, or none
/// why    IM_CANCELLED, or IM_TIMEOUT: its caller's time is up
/// error  may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK also where no change has this id, as its outcome is there already. IM_MISUSE another `why`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_withdraw(
    batcher: *mut im_batcher,
    id: u64,
    why: im_status,
    error: *mut *mut im_error,
) -> im_status {
    let act = || {
        // SAFETY: NULL, or alive during this call.
        let batcher = unsafe { borrow(batcher, "batcher") }?.begun()?;
        let why = match why {
            IM_CANCELLED => Stop::Cancelled,
            IM_TIMEOUT => Stop::TimedOut,
            other => {
                let text = format!("why: {other} is no reason: IM_CANCELLED or IM_TIMEOUT");
                return Err(Misuse::new(text).into());
            }
        };
        batcher.withdraw(id, why);
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
}

/// Waits for changes to have their outcomes.
///
/// # Safety
/// As `im_batcher_flush` says.
unsafe fn wait(
    batcher: *const im_batcher,
    call: *const im_call,
    error: *mut *mut im_error,
    how: impl FnOnce(&Batcher, &CallOptions) -> Result<(), Unfinished>,
) -> im_status {
    let act = || {
        // SAFETY: NULL, or alive during this call.
        let batcher = unsafe { borrow(batcher, "batcher") }?.begun()?;
        let none = CallOptions::new();
        // SAFETY: the same.
        let options = unsafe { im_call::options_or_none(call) }?;
        how(batcher, options.as_deref().unwrap_or(&none)).map_err(im_error::unfinished)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
}

/// Sends what is there without waiting for company, and waits until every change that was given before has its outcome.
///
/// call   deadline, cancel; NULL: as long as it takes. One call at a time; only im_call_cancel may run meanwhile
/// error  may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK all have their outcomes, good or bad; IM_TIMEOUT, IM_CANCELLED some have none yet: they stay under way, and
/// nothing is lost.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_flush(
    batcher: *mut im_batcher,
    call: *mut im_call,
    error: *mut *mut im_error,
) -> im_status {
    // SAFETY: the caller's promise.
    unsafe { wait(batcher, call, error, Batcher::flush) }
}

/// Takes no more changes, IM_CLOSED, sends what is there, and waits until all have their outcomes; those of submitted
/// changes that nobody has polled can be polled afterwards. Arguments and statuses as im_batcher_flush; where it is not
/// IM_OK it may be called again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_close(
    batcher: *mut im_batcher,
    call: *mut im_call,
    error: *mut *mut im_error,
) -> im_status {
    // SAFETY: the caller's promise.
    unsafe { wait(batcher, call, error, Batcher::close) }
}

/// How many changes have no outcome yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_unsettled(batcher: *const im_batcher) -> usize {
    guarded(0, || {
        // SAFETY: NULL, or alive during this call.
        let batcher = unsafe { borrow(batcher, "batcher") }.ok();
        let batcher = batcher.filter(|batcher| batcher.home.is_here());
        let begun = batcher.and_then(|batcher| batcher.batcher.get());
        begun.map_or(0, Batcher::unsettled)
    })
}

/// Frees a batcher; NULL is none. Not while another thread uses it. One that is not closed is ended: what is under way
/// is cancelled, and nothing more is sent.
///
/// Returns how many changes had no outcome: 0 after im_batcher_close.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_free(batcher: *mut im_batcher) -> usize {
    guarded(0, || {
        if batcher.is_null() {
            return 0;
        }
        // SAFETY: made by `im_batcher_new`, freed only once, and in no use.
        let batcher = unsafe { Box::from_raw(batcher) };
        batcher.batcher.into_inner().map_or(0, Batcher::abandon)
    })
}
