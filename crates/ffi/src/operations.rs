//! The calls, each in two forms: of structs, and of one flat buffer. What a form means stands in `users`, and what a
//! call does in `perform`.

use std::ffi::c_char;

use imtag_core::{AddTags, ClearTags, GetTags, RemoveTags};

use crate::boundary::{boundary, boundary_of_get};
use crate::call::im_call;
use crate::client::im_client;
use crate::error::im_error;
use crate::perform::{of_accounts, of_flat_accounts, of_flat_users, of_users};
use crate::result::im_result;
use crate::status::im_status;
use crate::text::im_str;
use crate::users::im_user_tags;

/// Adds tags: one request, checked first; blocks up to the deadline.
///
/// client  not NULL; any thread; not freed during the call.
/// users   borrowed until return; NULL only if user_count is 0. At most 100, each once, with at most 10 tags each.
/// call    deadline, cancel; NULL: the client's. One call at a time; only im_call_cancel may run meanwhile.
/// result  may be NULL. NULL on entry; set on IM_OK and IM_PARTIAL. Free: im_result_free.
/// error   may be NULL. NULL on entry (an old value is not freed); set unless IM_OK. Free: im_error_free.
/// IM_OK every account tagged; IM_PARTIAL some not: im_error_failure_*() names each; IM_INVALID nothing sent:
/// im_error_violation_*(). A tag that an account has already changes nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_add_tag(
    client: *const im_client,
    users: *const im_user_tags,
    user_count: usize,
    call: *mut im_call,
    result: *mut *mut im_result,
    error: *mut *mut im_error,
) -> im_status {
    // SAFETY: as `im_add_tag` documents its arguments.
    let act = || unsafe {
        of_users(client, users, user_count, call, result, |rules, users| {
            AddTags::with_rules(rules, users.iter())
        })
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
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
    // SAFETY: as `im_add_tag` documents its arguments.
    let act = || unsafe {
        of_users(client, users, user_count, call, result, |rules, users| {
            RemoveTags::with_rules(rules, users.iter())
        })
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
}

/// Replaces tags: these are the only ones that each user has afterwards, at most 100 a user. Only the timpush paths can
/// do so; on the others it is IM_INVALID. Arguments and other limits as im_add_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_replace_tags(
    client: *const im_client,
    users: *const im_user_tags,
    user_count: usize,
    call: *mut im_call,
    result: *mut *mut im_result,
    error: *mut *mut im_error,
) -> im_status {
    // SAFETY: as `im_add_tag` documents its arguments.
    let act = || unsafe {
        of_users(client, users, user_count, call, result, |rules, users| {
            AddTags::replacing(rules, users.iter())
        })
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
}

/// Reads tags: one request, checked first; blocks up to the deadline. im_result_users() has what was read.
///
/// accounts  borrowed until return; NULL only if account_count is 0. At most 100, each once.
/// All else as im_add_tag: IM_PARTIAL where some could not be read; im_result_unanswered() names accounts that the
/// answer leaves out without a word. The effect in an error is IM_NOT_READ.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_get_tag(
    client: *const im_client,
    accounts: *const im_str,
    account_count: usize,
    call: *mut im_call,
    result: *mut *mut im_result,
    error: *mut *mut im_error,
) -> im_status {
    // SAFETY: as `im_add_tag` documents its arguments.
    let act = || unsafe {
        of_accounts(
            client,
            accounts,
            account_count,
            call,
            result,
            |rules, accounts| GetTags::with_rules(rules, accounts.iter()),
        )
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary_of_get(error, act) }
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
    // SAFETY: as `im_add_tag` documents its arguments.
    let act = || unsafe {
        of_accounts(
            client,
            accounts,
            account_count,
            call,
            result,
            |rules, accounts| ClearTags::with_rules(rules, accounts.iter()),
        )
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
}

/// As im_add_tag, with the users as one buffer: for bindings.
///
/// text        each user's account, then its tags, one after the other, without anything between
/// text_len    bytes of it
/// lengths     the bytes of each, in the same order; they add up to text_len
/// length_count  how many: the users and all their tags
/// tag_counts  the tags of each user
/// user_count  how many users
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
    // SAFETY: as `im_add_tag` documents its arguments.
    let act = || unsafe {
        of_flat_users(
            client,
            text,
            text_len,
            lengths,
            length_count,
            tag_counts,
            user_count,
            call,
            result,
            |rules, users| AddTags::with_rules(rules, users.iter()),
        )
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
}

/// As im_remove_tag, with the users as one buffer: for bindings.
///
/// text        each user's account, then its tags, one after the other, without anything between
/// text_len    bytes of it
/// lengths     the bytes of each, in the same order; they add up to text_len
/// length_count  how many: the users and all their tags
/// tag_counts  the tags of each user
/// user_count  how many users
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
    // SAFETY: as `im_add_tag` documents its arguments.
    let act = || unsafe {
        of_flat_users(
            client,
            text,
            text_len,
            lengths,
            length_count,
            tag_counts,
            user_count,
            call,
            result,
            |rules, users| RemoveTags::with_rules(rules, users.iter()),
        )
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
}

/// As im_replace_tags, with the users as one buffer: for bindings.
///
/// text        each user's account, then its tags, one after the other, without anything between
/// text_len    bytes of it
/// lengths     the bytes of each, in the same order; they add up to text_len
/// length_count  how many: the users and all their tags
/// tag_counts  the tags of each user
/// user_count  how many users
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
    // SAFETY: as `im_add_tag` documents its arguments.
    let act = || unsafe {
        of_flat_users(
            client,
            text,
            text_len,
            lengths,
            length_count,
            tag_counts,
            user_count,
            call,
            result,
            |rules, users| AddTags::replacing(rules, users.iter()),
        )
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
}

/// As im_get_tag, with the accounts as one buffer: for bindings.
///
/// text     the accounts one after the other, without anything between
/// text_len bytes of it
/// lengths  the bytes of each account; they add up to text_len
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
    // SAFETY: as `im_add_tag` documents its arguments.
    let act = || unsafe {
        of_flat_accounts(
            client,
            text,
            text_len,
            lengths,
            account_count,
            call,
            result,
            |rules, accounts| GetTags::with_rules(rules, accounts.strings()),
        )
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary_of_get(error, act) }
}

/// As im_clear_tags, with the accounts as one buffer: for bindings.
///
/// text     the accounts one after the other, without anything between
/// text_len bytes of it
/// lengths  the bytes of each account; they add up to text_len
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
    // SAFETY: as `im_add_tag` documents its arguments.
    let act = || unsafe {
        of_flat_accounts(
            client,
            text,
            text_len,
            lengths,
            account_count,
            call,
            result,
            |rules, accounts| ClearTags::with_rules(rules, accounts.strings()),
        )
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
}
