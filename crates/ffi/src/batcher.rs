//! The batcher as a handle: options, changes, outcomes of submitted changes, flush, close. A change is made by a call
//! that waits for its outcome, or submitted, and its outcome is polled.

use std::ffi::c_char;
use std::ptr::null;
use std::time::Duration;

use imtag_core::{ChangeRequest, Rules};
use imtag_transport::{
    Batcher, BatcherOptions, CallOptions, Cause, ChangeError, Client, WaitEnd, WhenFull,
};

use crate::boundary::{millis, set, status};
use crate::call::{im_call, options};
use crate::change::{args, copy_flat_args, im_operation};
use crate::completions::im_completions;
use crate::config::im_client;
use crate::error::im_error;
use crate::handle::{Misuse, borrow, read};
use crate::panic::guarded;
use crate::process::Startable;
use crate::stats::im_stats;
use crate::status::{IM_CANCELLED, IM_CLOSED, IM_TIMEOUT, im_status};
use crate::str::im_str;

/// A batcher: changes of many threads, of one user each, share requests. For servers that tag one user per event: with a
/// request for each change, the app's quota would allow a hundredth of the changes. Made by `im_batcher_new`; freed by
/// `im_batcher_free`.
///
/// Any number of threads may use it at once; the setters are for one thread, before that. The client may be freed before
/// the batcher. Threads of its own send, and sleep while there is nothing to do. In a forked child its functions return
/// `IM_MISUSE`, and `im_batcher_free` does not touch what is the parent's.
///
/// A change is sent when there are 100 users, when its user has as many tags as one request takes of a user (10), or when
/// its linger time is over. The changes of an account are made in the order in which they were given.
pub struct im_batcher {
    client: Client,
    /// Started by the first change, poll, flush or close.
    threads: Startable<BatcherOptions, Batcher>,
}

/// What a batcher does with a change when it is full: `IM_WAIT`, `IM_FAIL` or `IM_SIGNAL`.
pub type im_when_full = i32;

/// It waits for capacity, until the change's time is up.
pub const IM_WAIT: im_when_full = 1;
/// It refuses the change at once: `IM_FULL`.
pub const IM_FAIL: im_when_full = 2;
/// It refuses the change at once, `IM_FULL`, and `im_batcher_poll` returns once there is capacity, also without an
/// outcome: for bindings that wait for capacity without a thread for each change. Each refusal asks for one such return.
pub const IM_SIGNAL: im_when_full = 3;

impl im_batcher {
    /// Makes a change, and waits for its outcome.
    fn call(&self, change: ChangeRequest, options: &CallOptions) -> Result<(), Box<im_error>> {
        Ok(self.threads.started()?.call(change, options)?)
    }

    /// Takes a change, whose outcome is polled; `within`: its time, where it has one of its own.
    fn submit(
        &self,
        id: u64,
        change: ChangeRequest,
        within: Option<Duration>,
    ) -> Result<(), Box<im_error>> {
        let batcher = self.threads.started()?;
        match within {
            None => batcher.submit(id, change)?,
            Some(time) => batcher.submit_within(id, change, time)?,
        }
        Ok(())
    }
}

/// Makes a batcher. It starts no thread before its first change.
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
            threads: Startable::new("batcher", client.batcher(), BatcherOptions::start),
            client: client.clone(),
        });
        Ok(())
    })
}

/// Sets how long a change waits for others to share its request; default: 10. This and the other setters come before the
/// first change: IM_MISUSE after it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_linger_ms(
    batcher: *mut im_batcher,
    linger_ms: u64,
) -> im_status {
    set!(batcher.threads, linger(millis(linger_ms)))
}

/// Sets the capacity: how many changes the batcher holds before they are sent; default: 10,000, which the full quota
/// sends in a second; 0 counts as 1. With that many the batcher is full.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_capacity(
    batcher: *mut im_batcher,
    changes: usize,
) -> im_status {
    set!(batcher.threads, capacity(changes))
}

/// Sets what happens to a change when the batcher is full: IM_WAIT (the default), IM_FAIL or IM_SIGNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_when_full(
    batcher: *mut im_batcher,
    when_full: im_when_full,
) -> im_status {
    set!(
        batcher.threads,
        when_full(match when_full {
            IM_WAIT => WhenFull::Wait,
            IM_FAIL => WhenFull::Fail,
            IM_SIGNAL => WhenFull::Signal,
            other =>
                return Err(Misuse::new(format!(
                    "when_full: {other} is none: IM_WAIT, IM_FAIL or IM_SIGNAL"
                ))),
        })
    )
}

/// Sets the time for a change, with its waits and retries; default: 30,000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_timeout_ms(
    batcher: *mut im_batcher,
    timeout_ms: u64,
) -> im_status {
    set!(batcher.threads, timeout(millis(timeout_ms)))
}

/// Sets the time for one attempt of a request; default: 10,000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_attempt_timeout_ms(
    batcher: *mut im_batcher,
    timeout_ms: u64,
) -> im_status {
    set!(batcher.threads, attempt_timeout(millis(timeout_ms)))
}

/// Sets the late window, as im_bulk_set_late_window_ms says; default: 10,000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_set_late_window_ms(
    batcher: *mut im_batcher,
    time_ms: u64,
) -> im_status {
    set!(batcher.threads, late_window(millis(time_ms)))
}

/// Adds tags to a user, and waits until the request that it shares is answered.
///
/// batcher  not NULL; any thread; not freed during the call
/// account  borrowed until return. 1 to 32 bytes; on the timpush paths also a RegistrationID
/// tags     borrowed until return; NULL only if tag_count is 0. 1 to 100, of 1 to 50 bytes each
/// call     deadline, cancel; NULL: the batcher's. One call at a time; only im_call_cancel may run meanwhile. Its time
///          for an attempt is not used here. When its time is up or it is cancelled, a change that was not sent is
///          withdrawn, and one that was sent is possibly applied
/// error    may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK: the user has the tags. IM_INVALID: nothing was sent, see im_error_violation_*(); it is reported before any
/// other fault. IM_FULL, IM_CLOSED: the change was not taken. IM_TIMEOUT, IM_CANCELLED, IM_SERVICE and all others:
/// im_error_effect() says what is known of the effect, im_error_undone() of which tags.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_add_tag(
    batcher: *mut im_batcher,
    account: im_str,
    tags: *const im_str,
    tag_count: usize,
    call: *mut im_call,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |batcher| batcher
        .call(args!(Add, account, tags, tag_count), options!(call)))
}

/// Removes any number of tags from a user, and waits until the request that it shares is answered. All else as
/// im_batcher_add_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_remove_tag(
    batcher: *mut im_batcher,
    account: im_str,
    tags: *const im_str,
    tag_count: usize,
    call: *mut im_call,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |batcher| batcher
        .call(args!(Remove, account, tags, tag_count), options!(call)))
}

/// Removes all tags of a user, and waits until the request that it shares is answered. All else as im_batcher_add_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_clear_tags(
    batcher: *mut im_batcher,
    account: im_str,
    call: *mut im_call,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |batcher| batcher
        .call(args!(Clear, account, null(), 0), options!(call)))
}

/// Replaces the tags of a user, as im_bulk_replace_tags does, and waits until the request that it shares is answered. All
/// else as im_batcher_add_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_replace_tags(
    batcher: *mut im_batcher,
    account: im_str,
    tags: *const im_str,
    tag_count: usize,
    call: *mut im_call,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |batcher| batcher
        .call(args!(Replace, account, tags, tag_count), options!(call)))
}

/// Submits a change that adds tags to a user, without waiting for its outcome: im_batcher_poll returns it, with this id.
/// Waits for capacity if the batcher is full and set to wait.
///
/// batcher  not NULL; any thread; not freed during the call
/// id       any number; returned with the outcome. For im_batcher_withdraw, unique among changes without an outcome
/// account  copied. 1 to 32 bytes; on the timpush paths also a RegistrationID
/// tags     copied; NULL only if tag_count is 0. 1 to 100, of 1 to 50 bytes each
/// error    may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK: the change is taken, also if it breaks the limits; then it is not sent, and its outcome is IM_INVALID. With any
/// other status it is not taken. IM_FULL, IM_CLOSED. IM_TIMEOUT: there was no capacity within the batcher's time for a
/// change. IM_INVALID: the batcher is closed, and the change breaks the limits, which is reported first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_submit_add_tag(
    batcher: *mut im_batcher,
    id: u64,
    account: im_str,
    tags: *const im_str,
    tag_count: usize,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |batcher| {
        batcher.submit(id, args!(Add, account, tags, tag_count), None)
    })
}

/// Submits a change that removes any number of tags from a user. All else as im_batcher_submit_add_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_submit_remove_tag(
    batcher: *mut im_batcher,
    id: u64,
    account: im_str,
    tags: *const im_str,
    tag_count: usize,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |batcher| {
        batcher.submit(id, args!(Remove, account, tags, tag_count), None)
    })
}

/// Submits a change that removes all tags of a user. All else as im_batcher_submit_add_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_submit_clear_tags(
    batcher: *mut im_batcher,
    id: u64,
    account: im_str,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |batcher| {
        batcher.submit(id, args!(Clear, account, null(), 0), None)
    })
}

/// Submits a change that replaces the tags of a user, as im_bulk_replace_tags does. All else as im_batcher_submit_add_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_submit_replace_tags(
    batcher: *mut im_batcher,
    id: u64,
    account: im_str,
    tags: *const im_str,
    tag_count: usize,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |batcher| {
        batcher.submit(id, args!(Replace, account, tags, tag_count), None)
    })
}

/// Submits a change as one buffer, with a time of its own: for bindings. All else as im_batcher_submit_add_tag.
///
/// operation     IM_ADD, IM_REMOVE, IM_CLEAR or IM_REPLACE; one that clears has no tags
/// text          the account, then the tags, one after the other, with nothing between; copied
/// text_len      bytes of it
/// lengths       the bytes of each, in the same order; they add up to text_len. NULL as in im_add_tag_flat
/// length_count  how many: the account and all tags
/// timeout_ms    for the change, with its wait for capacity and its retries; UINT64_MAX: the batcher's. 0: IM_TIMEOUT,
///               and it is not taken. A caller that no longer waits when it is up calls im_batcher_withdraw
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_submit_flat(
    batcher: *mut im_batcher,
    operation: im_operation,
    id: u64,
    text: *const c_char,
    text_len: usize,
    lengths: *const usize,
    length_count: usize,
    timeout_ms: u64,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |batcher| {
        let within = (timeout_ms < u64::MAX).then(|| millis(timeout_ms));
        let (text, lengths) = ((text, text_len), (lengths, length_count));
        // SAFETY: readable until the function returns, as it documents.
        let change = unsafe { copy_flat_args(operation, text, lengths) }?;
        batcher.submit(id, change, within)
    })
}

/// Makes the error of a change that was not submitted, the one that im_batcher_add_tag would return: for bindings that
/// wait for capacity, or check the deadline, by themselves. The arguments are those of im_batcher_submit_flat.
///
/// batcher  NULL if it is freed already: then the documented limits apply
/// why      IM_TIMEOUT, IM_CANCELLED or IM_CLOSED
/// Returns `why`, with the error; IM_INVALID if the change breaks the limits, which is reported first; IM_MISUSE for
/// another `why`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_refuse_flat(
    batcher: *const im_batcher,
    why: im_status,
    operation: im_operation,
    text: *const c_char,
    text_len: usize,
    lengths: *const usize,
    length_count: usize,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, || {
        let why = match why {
            IM_TIMEOUT => Cause::Expired,
            IM_CANCELLED => Cause::Abandoned,
            IM_CLOSED => Cause::Closed,
            other => {
                let reasons = "IM_TIMEOUT, IM_CANCELLED or IM_CLOSED";
                return Err(Misuse::new(format!("why: {other} is no reason: {reasons}")).into());
            }
        };
        let documented = Rules::default();
        let rules = if batcher.is_null() {
            &documented
        } else {
            // SAFETY: alive until the function returns, as it documents.
            unsafe { borrow(batcher, "batcher") }?.client.rules()
        };
        let (text, lengths) = ((text, text_len), (lengths, length_count));
        // SAFETY: readable until the function returns, as it documents.
        let change = unsafe { copy_flat_args(operation, text, lengths) }?;
        let change = change.check(rules).map_err(ChangeError::from)?;
        Err(ChangeError::not_sent(&change, why).into())
    })
}

/// Returns the outcomes of submitted changes that arrived since the last poll. If there are none, it waits for the first,
/// at most timeout_ms, also while no change is under way, as another thread may submit one.
///
/// timeout_ms   0: does not wait. UINT64_MAX: as long as it takes
/// completions  not NULL. NULL on entry; set if there are outcomes. Free: im_completions_free
/// error        may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK with NULL for completions: the time is up, the batcher is closed and all outcomes were polled, or, with
/// IM_SIGNAL, there is capacity again. There may be capacity also when it returns outcomes: with IM_SIGNAL submit again
/// after each poll. The poll succeeds also if changes failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_poll(
    batcher: *mut im_batcher,
    timeout_ms: u64,
    completions: *mut *mut im_completions,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, out(completions), |batcher| {
        let outcomes = batcher.threads.started()?.poll(millis(timeout_ms));
        let outcomes = outcomes.into_iter();
        let outcomes = outcomes.map(|it| (it.id(), it.into_result()));
        im_completions::give(outcomes, &completions);
        Ok(())
    })
}

/// Withdraws a submitted change whose caller no longer waits. It returns at once; im_batcher_poll returns the outcome,
/// once, as for every change:
///
/// not sent yet    its request has had no turn in the quota; it is not sent; `why`, not applied
/// sent            it may arrive, or be sent again, all the same; `why`, possibly applied
/// answered first  the outcome of the answer. With IM_TIMEOUT this waits up to 100 ms for the answer, as the request of
///                 a change whose time is up ends at the same moment
///
/// id     of the change. Keep ids unique among changes without an outcome: if several have this id, the last of them is
///        withdrawn, or none
/// why    IM_CANCELLED, or IM_TIMEOUT: its caller's time is up
/// error  may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK: also if no change has this id, as its outcome is there already. IM_MISUSE: another `why`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_withdraw(
    batcher: *mut im_batcher,
    id: u64,
    why: im_status,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |batcher| {
        let batcher = batcher.threads.started()?;
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

/// Sends the changes that it holds without waiting for more, also if it returns early, and waits until every change that
/// was given before has its outcome. Changes that are given later wait for others as ever.
///
/// call   deadline, cancel; NULL: as long as it takes. One call at a time; only im_call_cancel may run meanwhile
/// error  may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK: all have their outcomes, good or bad. IM_TIMEOUT, IM_CANCELLED: some have none yet; they stay under way, and
/// nothing is lost.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_flush(
    batcher: *mut im_batcher,
    call: *mut im_call,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |batcher| {
        let done = batcher.threads.started()?.flush(options!(call));
        done.map_err(im_error::unfinished)
    })
}

/// Takes no more changes (IM_CLOSED), sends those that it holds, and waits until all have their outcomes; outcomes that
/// are not polled yet can be polled afterwards. Arguments and statuses as im_batcher_flush; unless it returns IM_OK it
/// may be called again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_close(
    batcher: *mut im_batcher,
    call: *mut im_call,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |batcher| {
        let done = batcher.threads.started()?.close(options!(call));
        done.map_err(im_error::unfinished)
    })
}

/// How many changes have no outcome yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_unsettled(batcher: *const im_batcher) -> usize {
    read!(batcher, 0, batcher.threads.if_started()?.unsettled())
}

/// Returns the figures of a batcher: those of im_bulk_stats, with imtag_batcher_ in place of imtag_bulk_. All else as there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_stats(
    batcher: *const im_batcher,
    stats: *mut *mut im_stats,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, out(stats), |batcher| {
        let its = batcher.threads.started()?.stats();
        stats.give(|| im_stats::new(its.figures()));
        Ok(())
    })
}

/// Frees a batcher; NULL does nothing. Not while another thread uses it. A batcher that is not closed ends: requests in
/// flight are cancelled, and nothing more is sent.
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
        batcher.threads.into_started().map_or(0, Batcher::abandon)
    })
}
