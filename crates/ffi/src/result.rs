//! What a call did: counts, and what was read.

use imtag_transport::Outcome;

use crate::boundary::guarded;
use crate::pointer::{borrow, free, set};
use crate::text::im_str;
use crate::users::im_user_tags;

/// What was done. Made by a call that ended with `IM_OK` or `IM_PARTIAL`; freed by `im_result_free`; read by any
/// thread. Every function that reads one takes NULL, and answers as for a result of nothing.
pub struct im_result {
    outcome: Outcome,
    /// Views of `outcome`, whose texts stay where they are for as long as it is not changed: it never is.
    users: Vec<im_user_tags>,
    /// The same of all tags, which `users` points into.
    _tags: Vec<im_str>,
    unanswered: Vec<im_str>,
}

impl im_result {
    pub(crate) fn of(outcome: Outcome) -> im_result {
        let views = |texts: &[String]| -> Vec<im_str> {
            texts.iter().map(|text| im_str::of(Some(text))).collect()
        };
        let unanswered = views(&outcome.unanswered);
        let tags: Vec<im_str> = outcome
            .tags
            .iter()
            .flat_map(|user| views(&user.tags))
            .collect();
        let mut left = tags.as_slice();
        let users = outcome.tags.iter().map(|user| {
            let (its, rest) = left.split_at(user.tags.len());
            left = rest;
            im_user_tags {
                account: im_str::of(Some(&user.account)),
                tags: first(its),
                tag_count: its.len(),
            }
        });
        im_result {
            users: users.collect(),
            _tags: tags,
            unanswered,
            outcome,
        }
    }
}

/// What `read` finds in a result; `otherwise` where there is none.
///
/// # Safety
/// `result` is NULL, or was made by this library and is not freed during `'a`.
unsafe fn of_result<'a, T: Copy>(
    result: *const im_result,
    otherwise: T,
    read: impl FnOnce(&'a im_result) -> T,
) -> T {
    guarded(otherwise, || {
        // SAFETY: NULL or alive: the caller's promise.
        unsafe { borrow(result, "result") }.map_or(otherwise, read)
    })
}

/// The accounts that it was done for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_result_accounts(result: *const im_result) -> usize {
    // SAFETY: the caller's promise.
    unsafe { of_result(result, 0, |result| result.outcome.accounts) }
}

/// Attempts that were made: the one that was answered, and those before it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_result_attempts(result: *const im_result) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { of_result(result, 0, |result| result.outcome.attempts) }
}

/// Attempts of which any byte left this machine: what the app's quota may have been charged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_result_attempts_sent(result: *const im_result) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { of_result(result, 0, |result| result.outcome.sent) }
}

/// The service's number for the request, for its support; empty where it gave none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_result_request_id(result: *const im_result) -> im_str {
    // SAFETY: the caller's promise.
    unsafe {
        of_result(result, im_str::of(None), |result| {
            im_str::of(result.outcome.request_id.as_deref())
        })
    }
}

/// What `im_get_tag` read: users with their tags, in the service's order.
///
/// count  not NULL: set to their number, 0 for the other operations
/// Returns the first of them, which are the result's; NULL for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_result_users(
    result: *const im_result,
    count: *mut usize,
) -> *const im_user_tags {
    // SAFETY: the caller's promise.
    let users = unsafe { of_result(result, &[][..], |result| &result.users) };
    // SAFETY: the caller's promise.
    unsafe { counted(users, count) }
}

/// The accounts that `im_get_tag` asked for and the answer does not name. No page says whether such an account has no
/// tags or could not be read; it is in no other count.
///
/// count  not NULL: set to their number
/// Returns the first of them, which are the result's; NULL for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_result_unanswered(
    result: *const im_result,
    count: *mut usize,
) -> *const im_str {
    // SAFETY: the caller's promise.
    let accounts = unsafe { of_result(result, &[][..], |result| &result.unanswered) };
    // SAFETY: the caller's promise.
    unsafe { counted(accounts, count) }
}

/// The first of a list; NULL for none, as some languages look at every pointer that they hold.
pub(crate) fn first<T>(all: &[T]) -> *const T {
    match all.is_empty() {
        true => std::ptr::null(),
        false => all.as_ptr(),
    }
}

/// # Safety
/// `count` is NULL or writable.
unsafe fn counted<T>(all: &[T], count: *mut usize) -> *const T {
    guarded(std::ptr::null(), || {
        // SAFETY: the caller's promise.
        unsafe { set(count, all.len()) };
        first(all)
    })
}

/// Frees a result; NULL is none. What was asked of it goes with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_result_free(result: *mut im_result) {
    // SAFETY: the caller's promise.
    guarded((), || unsafe { free(result) });
}
