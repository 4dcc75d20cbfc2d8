//! What every call does: it looks at its arguments, makes a request by the client's rules, sends it, and hands out what
//! became of it.

use std::ffi::c_char;

use imtag_core::{Invalid, Request, Rules};
use imtag_transport::{CallOptions, Cause};

use crate::call::im_call;
use crate::client::im_client;
use crate::error::im_error;
use crate::pointer::{Out, borrow};
use crate::process::thread_goes_on;
use crate::result::im_result;
use crate::text::im_str;
use crate::users::{Flat, FlatUsers, Strings, Users, im_user_tags};

/// A call of users with their tags.
///
/// # Safety
/// The arguments are as `im_add_tag` says.
pub(crate) unsafe fn of_users<'a, R: Request>(
    client: *const im_client,
    users: *const im_user_tags,
    user_count: usize,
    call: *const im_call,
    result: *mut *mut im_result,
    request: impl FnOnce(&Rules, Users<'a>) -> Result<R, Invalid>,
) -> Result<(), Box<im_error>> {
    // SAFETY: NULL or writable.
    let result = unsafe { Out::cleared(result) };
    // SAFETY: borrowed until the call returns, which is longer than the request lives.
    let users = unsafe { Users::borrow(users, user_count) }?;
    // SAFETY: NULL, or alive until the call returns.
    unsafe { run(client, call, &result, |rules| request(rules, users)) }
}

/// A call of accounts alone.
///
/// # Safety
/// The arguments are as `im_get_tag` says.
pub(crate) unsafe fn of_accounts<'a, R: Request>(
    client: *const im_client,
    accounts: *const im_str,
    account_count: usize,
    call: *const im_call,
    result: *mut *mut im_result,
    request: impl FnOnce(&Rules, Strings<'a>) -> Result<R, Invalid>,
) -> Result<(), Box<im_error>> {
    // SAFETY: NULL or writable.
    let result = unsafe { Out::cleared(result) };
    let place = || "accounts".to_owned();
    // SAFETY: borrowed until the call returns, which is longer than the request lives.
    let accounts = unsafe { Strings::borrow(accounts, account_count, &place) }?;
    // SAFETY: NULL, or alive until the call returns.
    unsafe { run(client, call, &result, |rules| request(rules, accounts)) }
}

/// A call of users with their tags in one buffer.
///
/// # Safety
/// The arguments are as `im_add_tag_flat` says.
#[allow(clippy::too_many_arguments)] // they are those of the interface
pub(crate) unsafe fn of_flat_users<'a, R: Request>(
    client: *const im_client,
    text: *const c_char,
    text_len: usize,
    lengths: *const usize,
    length_count: usize,
    tag_counts: *const usize,
    user_count: usize,
    call: *const im_call,
    result: *mut *mut im_result,
    request: impl FnOnce(&Rules, FlatUsers<'a>) -> Result<R, Invalid>,
) -> Result<(), Box<im_error>> {
    // SAFETY: NULL or writable.
    let result = unsafe { Out::cleared(result) };
    // SAFETY: borrowed until the call returns, which is longer than the request lives.
    let flat = unsafe { Flat::borrow(text, text_len, lengths, length_count) }?;
    // SAFETY: the same.
    let users = unsafe { FlatUsers::borrow(flat, tag_counts, user_count) }?;
    // SAFETY: NULL, or alive until the call returns.
    unsafe { run(client, call, &result, |rules| request(rules, users)) }
}

/// A call of accounts alone in one buffer.
///
/// # Safety
/// The arguments are as `im_get_tag_flat` says.
#[allow(clippy::too_many_arguments)] // they are those of the interface
pub(crate) unsafe fn of_flat_accounts<'a, R: Request>(
    client: *const im_client,
    text: *const c_char,
    text_len: usize,
    lengths: *const usize,
    account_count: usize,
    call: *const im_call,
    result: *mut *mut im_result,
    request: impl FnOnce(&Rules, Flat<'a>) -> Result<R, Invalid>,
) -> Result<(), Box<im_error>> {
    // SAFETY: NULL or writable.
    let result = unsafe { Out::cleared(result) };
    // SAFETY: borrowed until the call returns, which is longer than the request lives.
    let flat = unsafe { Flat::borrow(text, text_len, lengths, account_count) }?;
    // SAFETY: NULL, or alive until the call returns.
    unsafe { run(client, call, &result, |rules| request(rules, flat)) }
}

/// Makes a request and sends it.
///
/// # Safety
/// `client` and `call` are NULL, or alive until this returns.
unsafe fn run<R: Request>(
    client: *const im_client,
    call: *const im_call,
    result: &Out<im_result>,
    request: impl FnOnce(&Rules) -> Result<R, Invalid>,
) -> Result<(), Box<im_error>> {
    thread_goes_on()?;
    // SAFETY: the caller's promise.
    let im_client(client) = unsafe { borrow(client, "client") }?;
    // SAFETY: the caller's promise.
    let options = unsafe { im_call::options_or_none(call) }?;
    let request = request(client.rules())?;
    let none = CallOptions::new();
    let error = match client.call(&request, options.as_deref().unwrap_or(&none)) {
        Ok(outcome) => {
            result.give(|| im_result::of(outcome));
            return Ok(());
        }
        Err(error) => error,
    };
    let handed_out = Box::<im_error>::from(&error);
    if let Cause::Partial(partial) = error.into_cause() {
        result.give(|| im_result::of(partial.outcome));
    }
    Err(handed_out)
}
