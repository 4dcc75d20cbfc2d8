//! The calls, each in two forms: structs, and one flat buffer for bindings. A call checks its arguments, makes a request
//! by the client's rules, sends it, and returns the outcome.

use std::ffi::c_char;

use imtag_core::{AddTags, ClearTags, GetTags, Invalid, Operation, RemoveTags, Request, Rules};
use imtag_transport::{CallOptions, Cause};

use crate::boundary::boundary;
use crate::call::im_call;
use crate::config::im_client;
use crate::error::im_error;
use crate::handle::{Misuse, Out, borrow};
use crate::process::check_thread;
use crate::result::im_result;
use crate::status::im_status;
use crate::str::im_str;
use crate::users::{Flat, FlatUsers, Strings, Users, im_user_tags};

/// Sends one request: how it is made, the form of its arguments, and the arguments that every call has, as
/// `send! { AddTags::with_rules, Users(users, user_count), (client, call, result, error) }`.
macro_rules! send {
    ($request:ident::$make:ident, $form:ident($($argument:expr),+), ($client:ident, $call:ident, $result:ident, $error:ident)) => {
        // SAFETY: each argument is as the function documents it, until it returns.
        unsafe {
            send(
                $request::OPERATION,
                ($client, $call, $result, $error),
                || $form::borrow($($argument),+),
                |rules, arguments| $request::$make(rules, arguments.iter()),
            )
        }
    };
}

/// The arguments that every call has.
type Call = (
    *const im_client,
    *const im_call,
    *mut *mut im_result,
    *mut *mut im_error,
);

/// Borrows the arguments, makes a request of them, and sends it.
///
/// # Safety
/// The pointers are as `im_add_tag` says.
unsafe fn send<R: Request, A>(
    operation: Operation,
    (client, call, result, error): Call,
    arguments: impl FnOnce() -> Result<A, Misuse>,
    request: impl FnOnce(&Rules, A) -> Result<R, Invalid>,
) -> im_status {
    let none = CallOptions::new();
    let act = || {
        // SAFETY: NULL or writable.
        let result = unsafe { Out::cleared(result) };
        let arguments = arguments()?;
        check_thread()?;
        // SAFETY: NULL, or alive until this returns.
        let im_client(client) = unsafe { borrow(client, "client") }?;
        // SAFETY: the same.
        let options = unsafe { im_call::options_of(call) }?;
        let options = options.as_deref().unwrap_or(&none);
        let request = request(client.rules(), arguments)?;
        let error = match client.call(&request, options) {
            Ok(outcome) => {
                result.give(|| im_result::new(outcome));
                return Ok(());
            }
            Err(error) => error,
        };
        if let Cause::Partial { outcome, .. } = error.cause() {
            result.give(|| im_result::new((**outcome).clone()));
        }
        Err(Box::from(error))
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, operation == Operation::Get, act) }
}

/// Adds tags: one request, checked first; blocks up to the deadline.
///
/// client  not NULL; any thread; not freed during the call.
/// users   borrowed until return; NULL only if user_count is 0. At most 100, each once, with at most 10 tags each.
/// call    deadline, cancel; NULL: the client's. One call at a time; only im_call_cancel may run meanwhile.
/// result  may be NULL. NULL on entry; set on IM_OK and IM_PARTIAL. Free: im_result_free.
/// error   may be NULL. NULL on entry (an old value is not freed); set unless IM_OK. Free: im_error_free.
/// IM_OK: every account has its tags. IM_PARTIAL: some accounts failed; im_error_failure_*() names each. IM_INVALID:
/// nothing was sent; im_error_violation_*() says why. A tag that an account has already changes nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_add_tag(
    client: *const im_client,
    users: *const im_user_tags,
    user_count: usize,
    call: *mut im_call,
    result: *mut *mut im_result,
    error: *mut *mut im_error,
) -> im_status {
    send! { AddTags::with_rules, Users(users, user_count), (client, call, result, error) }
}

/// Removes tags: one request, checked first; blocks up to the deadline. Arguments, limits and statuses as im_add_tag.
/// A tag that an account does not have changes nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_remove_tag(
    client: *const im_client,
    users: *const im_user_tags,
    user_count: usize,
    call: *mut im_call,
    result: *mut *mut im_result,
    error: *mut *mut im_error,
) -> im_status {
    send! { RemoveTags::with_rules, Users(users, user_count), (client, call, result, error) }
}

/// Replaces tags: afterwards each user has these tags and no others, at most 100. Only the timpush paths can do this; on
/// the other paths it is IM_INVALID. Arguments and other limits as im_add_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_replace_tags(
    client: *const im_client,
    users: *const im_user_tags,
    user_count: usize,
    call: *mut im_call,
    result: *mut *mut im_result,
    error: *mut *mut im_error,
) -> im_status {
    send! { AddTags::replacing, Users(users, user_count), (client, call, result, error) }
}

/// Reads tags: one request, checked first; blocks up to the deadline. im_result_users() returns the tags.
///
/// accounts  borrowed until return; NULL only if account_count is 0. At most 100, each once.
/// All else as im_add_tag: IM_PARTIAL if some accounts could not be read; im_result_unanswered() names accounts that the
/// answer does not mention. The effect in an error is IM_NOT_READ.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_get_tag(
    client: *const im_client,
    accounts: *const im_str,
    account_count: usize,
    call: *mut im_call,
    result: *mut *mut im_result,
    error: *mut *mut im_error,
) -> im_status {
    send! {
        GetTags::with_rules, Strings(accounts, account_count, &"accounts"),
        (client, call, result, error)
    }
}

/// Removes all tags of accounts: one request, checked first; blocks up to the deadline. Accounts as im_get_tag, all else
/// as im_add_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_clear_tags(
    client: *const im_client,
    accounts: *const im_str,
    account_count: usize,
    call: *mut im_call,
    result: *mut *mut im_result,
    error: *mut *mut im_error,
) -> im_status {
    send! {
        ClearTags::with_rules, Strings(accounts, account_count, &"accounts"),
        (client, call, result, error)
    }
}

/// As im_add_tag, with the users as one buffer: for bindings.
///
/// text          each user's account, then its tags, one after the other, with nothing between: of anna with the
///               tags vip and new, and of bob without any, annavipnewbob
/// text_len      bytes of it: 13
/// lengths       the bytes of each, in the same order: 4, 3, 3, 3; they add up to text_len. Or NULL, where text has a NUL
///               after each, also after the last, and none within: anna\0vip\0new\0bob\0, with a text_len of 17
/// length_count  how many, the users and all their tags: 4
/// tag_counts    how many tags each user has: 2, 0
/// user_count    how many users: 2
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_add_tag_flat(
    client: *const im_client,
    text: *const c_char,
    text_len: usize,
    lengths: *const usize,
    length_count: usize,
    tag_counts: *const usize,
    user_count: usize,
    call: *mut im_call,
    result: *mut *mut im_result,
    error: *mut *mut im_error,
) -> im_status {
    send! {
        AddTags::with_rules, FlatUsers(text, text_len, lengths, length_count, tag_counts, user_count),
        (client, call, result, error)
    }
}

/// As im_remove_tag, with the users as one buffer, which is that of im_add_tag_flat.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_remove_tag_flat(
    client: *const im_client,
    text: *const c_char,
    text_len: usize,
    lengths: *const usize,
    length_count: usize,
    tag_counts: *const usize,
    user_count: usize,
    call: *mut im_call,
    result: *mut *mut im_result,
    error: *mut *mut im_error,
) -> im_status {
    send! {
        RemoveTags::with_rules, FlatUsers(text, text_len, lengths, length_count, tag_counts, user_count),
        (client, call, result, error)
    }
}

/// As im_replace_tags, with the users as one buffer, which is that of im_add_tag_flat.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_replace_tags_flat(
    client: *const im_client,
    text: *const c_char,
    text_len: usize,
    lengths: *const usize,
    length_count: usize,
    tag_counts: *const usize,
    user_count: usize,
    call: *mut im_call,
    result: *mut *mut im_result,
    error: *mut *mut im_error,
) -> im_status {
    send! {
        AddTags::replacing, FlatUsers(text, text_len, lengths, length_count, tag_counts, user_count),
        (client, call, result, error)
    }
}

/// As im_get_tag, with the accounts as one buffer: for bindings.
///
/// text     the accounts one after the other, with nothing between
/// text_len bytes of it
/// lengths  the bytes of each account; they add up to text_len. NULL as in im_add_tag_flat
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_get_tag_flat(
    client: *const im_client,
    text: *const c_char,
    text_len: usize,
    lengths: *const usize,
    account_count: usize,
    call: *mut im_call,
    result: *mut *mut im_result,
    error: *mut *mut im_error,
) -> im_status {
    send! {
        GetTags::with_rules, Flat(text, text_len, lengths, account_count),
        (client, call, result, error)
    }
}

/// As im_clear_tags, with the accounts as one buffer, which is that of im_get_tag_flat.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_clear_tags_flat(
    client: *const im_client,
    text: *const c_char,
    text_len: usize,
    lengths: *const usize,
    account_count: usize,
    call: *mut im_call,
    result: *mut *mut im_result,
    error: *mut *mut im_error,
) -> im_status {
    send! {
        ClearTags::with_rules, Flat(text, text_len, lengths, account_count),
        (client, call, result, error)
    }
}
