//! The batcher as a handle: settings, outcomes of what was submitted, flush, close. Changes go in by `batched`.

use std::time::Duration;

use imtag_core::{ChangeRequest, Rules};
use imtag_transport::{Batcher, BatcherOptions, CallOptions, Client, WaitEnd, WhenFull};

use crate::boundary::{set, status};
use crate::call::{im_call, options};
use crate::client::im_client;
use crate::completions::im_completions;
use crate::error::im_error;
use crate::handle::read;
use crate::misuse::Misuse;
use crate::panic::guarded;
use crate::process::Startable;
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
/// its linger time is over. The changes of an account are made in the order in which they were given.
pub struct im_batcher {
    client: Client,
    /// Started by the first change, and by what needs a batcher: a poll, a flush, a close.
    batcher: Startable<BatcherOptions, Batcher>,
}

/// What a batcher does with a change when it is full: `IM_WAIT`, `IM_FAIL` or `IM_SIGNAL`.
pub type im_when_full = i32;

/// It waits for capacity, until the change's time is up.
pub const IM_WAIT: im_when_full = 1;
/// It refuses the change at once: `IM_FULL`.
pub const IM_FAIL: im_when_full = 2;
/// The same, and `im_batcher_poll` comes back once there is capacity, also without an outcome: for bindings that wait
/// for capacity without a thread for each that waits. Each refusal asks for it anew.
pub const IM_SIGNAL: im_when_full = 3;

impl im_batcher {
    fn set(
        &self,
        how: impl FnOnce(BatcherOptions) -> Result<BatcherOptions, Misuse>,
    ) -> Result<(), Misuse> {
        self.batcher.set(how)
    }

    pub(crate) fn rules(&self) -> &Rules {
        self.client.rules()
    }

    /// The batcher, started if need be.
    fn started(&self) -> Result<&Batcher, Misuse> {
        self.batcher.started()
    }

    /// Makes a change, and waits for its outcome.
    pub(crate) fn call(
        &self,
        change: ChangeRequest,
        options: &CallOptions,
    ) -> Result<(), Box<im_error>> {
        Ok(self.started()?.call(change, options)?)
    }

    /// Takes a change, whose outcome is polled; `within`: its time, where it has one of its own.
    pub(crate) fn submit(
        &self,
        id: u64,
        change: ChangeRequest,
        within: Option<Duration>,
    ) -> Result<(), Box<im_error>> {
        let batcher = self.started()?;
        match within {
            None => batcher.submit(id, change)?,
            Some(time) => batcher.submit_within(id, change, time)?,
        }
        Ok(())
    }
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
    status!(error, out(batcher), |client| {
        let im_client(client) = client;
        batcher.give(|| im_batcher {
            batcher: Startable::new("batcher", client.batcher(), BatcherOptions::start),
            client: client.clone(),
        });
        Ok(())
    })
}

/// Sets how long a change waits for others to share its request; 10 without. This and the other setters are for before
/// the first change: IM_MISUSE afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_linger_ms(
    batcher: *mut im_batcher,
    linger_ms: u64,
) -> im_status {
    set!(batcher, |options| options
        .linger(Duration::from_millis(linger_ms)))
}

/// Sets how many changes are held before they are sent; 10,000 without, a second's worth of the full quota, and 0 is
/// as 1. With as many the batcher is full.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_capacity(
    batcher: *mut im_batcher,
    changes: usize,
) -> im_status {
    set!(batcher, |options| options.capacity(changes))
}

/// Sets what happens to a change when the batcher is full: IM_WAIT, as without, IM_FAIL or IM_SIGNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_when_full(
    batcher: *mut im_batcher,
    when_full: im_when_full,
) -> im_status {
    set!(batcher, |options| options.when_full(match when_full {
        IM_WAIT => WhenFull::Wait,
        IM_FAIL => WhenFull::Fail,
        IM_SIGNAL => WhenFull::Signal,
        other =>
            return Err(Misuse::new(format!(
                "when_full: {other} is none: IM_WAIT, IM_FAIL or IM_SIGNAL"
            ))),
    }))
}

/// Sets the time for a change, with its waits and retries; 30,000 without.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_timeout_ms(
    batcher: *mut im_batcher,
    timeout_ms: u64,
) -> im_status {
    set!(batcher, |options| options
        .timeout(Duration::from_millis(timeout_ms)))
}

/// Sets the time for one attempt of a request; 10,000 without.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_attempt_timeout_ms(
    batcher: *mut im_batcher,
    timeout_ms: u64,
) -> im_status {
    set!(batcher, |options| options
        .attempt_timeout(Duration::from_millis(timeout_ms)))
}

/// Sets for how long an attempt that was abandoned may still arrive, and so how long the account's next change
/// of another kind waits; 10,000 without. No page of the service says how late it can be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_late_window_ms(
    batcher: *mut im_batcher,
    time_ms: u64,
) -> im_status {
    set!(batcher, |options| options
        .late_window(Duration::from_millis(time_ms)))
}

/// Hands out the submitted changes whose outcomes arrived since the last poll. Waits for one, at most so long, also where
/// nothing is under way, as another thread may submit.
///
/// timeout_ms   0: does not wait. UINT64_MAX: as long as it takes
/// completions  not NULL. NULL on entry; set where there is any. Free: im_completions_free
/// error        may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK with NULL for completions: the time is up, the batcher is closed and all were polled, or, with IM_SIGNAL, there
/// is capacity again. That may come with outcomes too: with IM_SIGNAL try again after each poll that comes back. That
/// changes failed is no failure of this function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_poll(
    batcher: *mut im_batcher,
    timeout_ms: u64,
    completions: *mut *mut im_completions,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, out(completions), |batcher| {
        let outcomes = batcher.started()?.poll(Duration::from_millis(timeout_ms));
        im_completions::give(outcomes, &completions);
        Ok(())
    })
}

/// Takes back a submitted change whose caller no longer waits. It returns at once. The outcome comes by im_batcher_poll,
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
    status!(error, |batcher| {
        let batcher = batcher.started()?;
        let why = match why {
            IM_CANCELLED => WaitEnd::Cancelled,
            IM_TIMEOUT => WaitEnd::TimedOut,
            other => {
                let text = format!("why: {other} is no reason: IM_CANCELLED or IM_TIMEOUT");
                return Err(Misuse::new(text).into());
            }
        };
        batcher.withdraw(id, why);
        Ok(())
    })
}

/// Sends what is there without waiting for more, and waits until every change that was given before has its outcome.
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
    status!(error, |batcher| {
        let done = batcher.started()?.flush(options!(call));
        done.map_err(im_error::unfinished)
    })
}

/// Takes no more changes, IM_CLOSED, sends what is there, and waits until all have their outcomes; those of submitted
/// changes that are not polled yet can be polled afterwards. Arguments and statuses as im_batcher_flush; where it is not
/// IM_OK it may be called again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_close(
    batcher: *mut im_batcher,
    call: *mut im_call,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |batcher| {
        let done = batcher.started()?.close(options!(call));
        done.map_err(im_error::unfinished)
    })
}

/// How many changes have no outcome yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_unsettled(batcher: *const im_batcher) -> usize {
    read!(batcher, 0, batcher.batcher.if_started()?.unsettled())
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
        batcher.batcher.into_started().map_or(0, Batcher::abandon)
    })
}
