//! Changes into a batcher: by calls that wait for the outcome, or submitted, with an outcome to poll.

use std::ffi::c_char;
use std::ptr;
use std::time::Duration;

use imtag_core::Rules;
use imtag_transport::{ChangeCause, ChangeError};

use crate::batcher::im_batcher;
use crate::boundary::status;
use crate::call::{im_call, options};
use crate::change::{args, copy_flat_args, im_operation};
use crate::error::im_error;
use crate::handle::borrow;
use crate::misuse::Misuse;
use crate::status::{IM_CANCELLED, IM_CLOSED, IM_TIMEOUT, im_status};
use crate::text::im_str;

/// Adds tags to a user, and waits until the request that it shares is answered.
///
/// batcher  not NULL; any thread; not freed during the call
/// account  borrowed until return. 1 to 32 bytes; on the timpush paths also a RegistrationID
/// tags     borrowed until return; NULL only if tag_count is 0. 1 to 100, of 1 to 50 bytes each
/// call     deadline, cancel; NULL: the batcher's. One call at a time; only im_call_cancel may run meanwhile. Its time
///          for an attempt has no meaning here. When its time is up or it is cancelled, a change that has not been sent
///          is taken back, and one that has is possibly applied
/// error    may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK the user is tagged. IM_INVALID nothing is sent: im_error_violation_*(); it comes before every other fault.
/// IM_FULL, IM_CLOSED it is not taken.
/// IM_TIMEOUT, IM_CANCELLED, IM_SERVICE and all others: im_error_effect() says what is known, im_error_undone() of which
/// tags.
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

/// Removes tags from a user, any number, and waits until the request that it shares is answered. All else as
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
        .call(args!(Clear, account, ptr::null(), 0), options!(call)))
}

/// Takes a change that adds tags to a user, without waiting for its outcome: that comes by im_batcher_poll, with this
/// id. Waits for capacity where the batcher is full and set to wait.
///
/// batcher  not NULL; any thread; not freed during the call
/// id       any number; comes with the outcome. Unique among changes without one, where im_batcher_withdraw is used
/// account  copied. 1 to 32 bytes; on the timpush paths also a RegistrationID
/// tags     copied; NULL only if tag_count is 0. 1 to 100, of 1 to 50 bytes each
/// error    may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK it is taken, also if it breaks the limits: then it is not sent, and its outcome is IM_INVALID. IM_FULL,
/// IM_CLOSED, IM_TIMEOUT (no capacity for as long as the batcher's time for a change) it is not taken. Nor is it with
/// IM_INVALID: the batcher is closed, and the change breaks the limits, which comes first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_submit_add_tag(
    batcher: *mut im_batcher,
    id: u64,
    account: im_str,
    tags: *const im_str,
    tag_count: usize,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |batcher| batcher.submit(
        id,
        args!(Add, account, tags, tag_count),
        None
    ))
}

/// Takes a change that removes tags from a user: any number. All else as im_batcher_submit_add_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_submit_remove_tag(
    batcher: *mut im_batcher,
    id: u64,
    account: im_str,
    tags: *const im_str,
    tag_count: usize,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |batcher| batcher.submit(
        id,
        args!(Remove, account, tags, tag_count),
        None
    ))
}

/// Takes a change that removes all tags of a user. All else as im_batcher_submit_add_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_submit_clear_tags(
    batcher: *mut im_batcher,
    id: u64,
    account: im_str,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |batcher| batcher.submit(
        id,
        args!(Clear, account, ptr::null(), 0),
        None
    ))
}

/// Takes a change as one buffer, with a time of its own: for bindings. All else as im_batcher_submit_add_tag.
///
/// operation     IM_ADD, IM_REMOVE or IM_CLEAR; the last has no tags
/// text          the account, then the tags, one after the other, with nothing between; copied
/// text_len      bytes of it
/// lengths       the bytes of each, in the same order; they add up to text_len
/// length_count  how many: the account and all tags
/// timeout_ms    for the change, with its wait for capacity, its retries and all; UINT64_MAX: the batcher's. 0:
///               IM_TIMEOUT, and it is not taken. A caller that waits no longer when it is up says so by
///               im_batcher_withdraw
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
        let within = (timeout_ms < u64::MAX).then(|| Duration::from_millis(timeout_ms));
        let (text, lengths) = ((text, text_len), (lengths, length_count));
        // SAFETY: readable until the function returns, as it documents.
        let change = unsafe { copy_flat_args(operation, text, lengths) }?;
        batcher.submit(id, change, within)
    })
}

/// Says of a change that was not submitted why it was not: for bindings that wait for capacity, or see that it is too
/// late, by themselves. It reads as if im_batcher_add_tag had said it; the arguments are those of
/// im_batcher_submit_flat.
///
/// batcher  NULL where it is freed already: the limits are those that are documented
/// why      IM_TIMEOUT, IM_CANCELLED or IM_CLOSED
/// Returns `why`, with the error; IM_INVALID where the change breaks the limits, as that comes first; IM_MISUSE for
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
            IM_TIMEOUT => ChangeCause::Expired,
            IM_CANCELLED => ChangeCause::Abandoned,
            IM_CLOSED => ChangeCause::Closed,
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
            unsafe { borrow(batcher, "batcher") }?.rules()
        };
        let (text, lengths) = ((text, text_len), (lengths, length_count));
        // SAFETY: readable until the function returns, as it documents.
        let change = unsafe { copy_flat_args(operation, text, lengths) }?;
        let change = change.check(rules).map_err(ChangeError::from)?;
        Err(ChangeError::not_sent(&change, why).into())
    })
}
