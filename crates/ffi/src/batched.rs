//! Changes into a batcher: to wait for their outcome, or to poll it.

use imtag_core::Operation;
use imtag_transport::{CallOptions, ChangeError};

use crate::batcher::im_batcher;
use crate::boundary::boundary;
use crate::call::im_call;
use crate::change::{BadChange, change};
use crate::error::{Misuse, im_error};
use crate::pointer::borrow;
use crate::status::im_status;
use crate::text::im_str;
use crate::users::Strings;

/// A change as C gives it.
struct Given {
    operation: Operation,
    account: im_str,
    tags: *const im_str,
    tag_count: usize,
}

impl Given {
    fn of(operation: Operation, account: im_str, tags: *const im_str, tag_count: usize) -> Given {
        Given {
            operation,
            account,
            tags,
            tag_count,
        }
    }

    fn clear(account: im_str) -> Given {
        Given::of(Operation::Clear, account, std::ptr::null(), 0)
    }

    /// # Safety
    /// Account and tags are readable for `'a`.
    unsafe fn bytes<'a>(&self) -> Result<(&'a [u8], Strings<'a>), Misuse> {
        // SAFETY: the caller's promise.
        let account = unsafe { self.account.bytes(&|| "account".to_owned()) }?;
        // SAFETY: the same.
        let tags = unsafe { Strings::borrow(self.tags, self.tag_count, &|| "tags".to_owned()) }?;
        Ok((account, tags))
    }
}

/// Makes a change, and waits for its outcome.
///
/// # Safety
/// The arguments are as `im_batcher_add_tag` says.
unsafe fn call_with(
    batcher: *const im_batcher,
    given: Given,
    call: *const im_call,
    error: *mut *mut im_error,
) -> im_status {
    let act = || {
        // SAFETY: NULL, or alive during this call.
        let batcher = unsafe { borrow(batcher, "batcher") }?;
        let begun = batcher.begun()?;
        // SAFETY: readable during this call.
        let (account, tags) = unsafe { given.bytes() }?;
        let none = CallOptions::new();
        // SAFETY: NULL, or alive during this call.
        let options = unsafe { im_call::options_or_none(call) }?;
        match change(batcher.rules(), given.operation, account, tags.iter()) {
            Ok(change) => begun.call(change, options.as_deref().unwrap_or(&none))?,
            Err(BadChange { change, invalid }) => {
                return Err(ChangeError::invalid(&change, invalid).into());
            }
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
}

/// Takes a change in, whose outcome is polled.
///
/// # Safety
/// The arguments are as `im_batcher_submit_add_tag` says.
unsafe fn submit(
    batcher: *const im_batcher,
    id: u64,
    given: Given,
    error: *mut *mut im_error,
) -> im_status {
    let act = || {
        // SAFETY: NULL, or alive during this call.
        let batcher = unsafe { borrow(batcher, "batcher") }?;
        let begun = batcher.begun()?;
        // SAFETY: readable during this call.
        let (account, tags) = unsafe { given.bytes() }?;
        match change(batcher.rules(), given.operation, account, tags.iter()) {
            Ok(change) => begun.submit(id, change)?,
            Err(BadChange { change, invalid }) => begun.submit_invalid(id, change, invalid)?,
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
}

/// Adds tags to a user, and waits until the request that it shares is answered.
///
/// batcher  not NULL; any thread; not freed during the call
/// account  borrowed until return. 1 to 32 bytes; on the timpush paths also a RegistrationID
/// tags     borrowed until return; NULL only if tag_count is 0. 1 to 100, of 1 to 50 bytes each
/// call     deadline, cancel; NULL: the batcher's. One call at a time; only im_call_cancel may run meanwhile. Its time
///          for an attempt has no meaning here. When its time is up or it is cancelled, a change that has not been sent
///          is taken back, and one that has is possibly applied
/// error    may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK the user is tagged. IM_INVALID nothing is sent: im_error_violation_*(). IM_FULL, IM_CLOSED it is not taken.
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
    // SAFETY: the caller's promise.
    unsafe {
        call_with(
            batcher,
            Given::of(Operation::Add, account, tags, tag_count),
            call,
            error,
        )
    }
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
    // SAFETY: the caller's promise.
    unsafe {
        call_with(
            batcher,
            Given::of(Operation::Remove, account, tags, tag_count),
            call,
            error,
        )
    }
}

/// Removes all tags of a user, and waits until the request that it shares is answered. All else as im_batcher_add_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_clear_tags(
    batcher: *mut im_batcher,
    account: im_str,
    call: *mut im_call,
    error: *mut *mut im_error,
) -> im_status {
    // SAFETY: the caller's promise.
    unsafe { call_with(batcher, Given::clear(account), call, error) }
}

/// Takes in a change that adds tags to a user, without waiting for its outcome: that comes by im_batcher_poll, with this
/// id. Waits for room where the batcher is full and set to wait.
///
/// batcher  not NULL; any thread; not freed during the call
/// id       any number; the library only hands it back
/// account  copied. 1 to 32 bytes; on the timpush paths also a RegistrationID
/// tags     copied; NULL only if tag_count is 0. 1 to 100, of 1 to 50 bytes each
/// error    may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK it is taken, also if it breaks the limits: then it is not sent, and its outcome is IM_INVALID. IM_FULL,
/// IM_CLOSED, IM_TIMEOUT (no room for as long as the batcher's time for a change) it is not taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_submit_add_tag(
    batcher: *mut im_batcher,
    id: u64,
    account: im_str,
    tags: *const im_str,
    tag_count: usize,
    error: *mut *mut im_error,
) -> im_status {
    // SAFETY: the caller's promise.
    unsafe {
        submit(
            batcher,
            id,
            Given::of(Operation::Add, account, tags, tag_count),
            error,
        )
    }
}

/// Takes in a change that removes tags from a user: any number. All else as im_batcher_submit_add_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_submit_remove_tag(
    batcher: *mut im_batcher,
    id: u64,
    account: im_str,
    tags: *const im_str,
    tag_count: usize,
    error: *mut *mut im_error,
) -> im_status {
    // SAFETY: the caller's promise.
    unsafe {
        submit(
            batcher,
            id,
            Given::of(Operation::Remove, account, tags, tag_count),
            error,
        )
    }
}

/// Takes in a change that removes all tags of a user. All else as im_batcher_submit_add_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_batcher_submit_clear_tags(
    batcher: *mut im_batcher,
    id: u64,
    account: im_str,
    error: *mut *mut im_error,
) -> im_status {
    // SAFETY: the caller's promise.
    unsafe { submit(batcher, id, Given::clear(account), error) }
}
