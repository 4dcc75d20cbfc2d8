//! A change of a user's tags as C gives it: bytes, which are copied once. Bytes that are not UTF-8 break a limit, as a tag
//! that is too long does: that is the change's outcome, not a misuse.

use std::ffi::c_char;

use imtag_core::{ChangeOperation, ChangeRequest};

use crate::handle::Misuse;
use crate::str::im_str;
use crate::users::{Flat, Strings};

/// What a change does: one of `IM_ADD` to `IM_REPLACE`.
pub type im_operation = i32;

/// Adds tags to a user.
pub const IM_ADD: im_operation = 1;
/// Removes tags from a user.
pub const IM_REMOVE: im_operation = 2;
/// Removes all tags of a user.
pub const IM_CLEAR: im_operation = 3;
/// Replaces the tags of a user: afterwards it has these and no others. On the timpush paths only.
pub const IM_REPLACE: im_operation = 4;

/// The operation of a change with that many tags; none if a change that clears has any.
pub(crate) fn operation_of(operation: im_operation, tags: usize) -> Option<ChangeOperation> {
    match (operation, tags) {
        (IM_ADD, _) => Some(ChangeOperation::Add),
        (IM_REMOVE, _) => Some(ChangeOperation::Remove),
        (IM_CLEAR, 0) => Some(ChangeOperation::Clear),
        (IM_REPLACE, _) => Some(ChangeOperation::Replace),
        _ => None,
    }
}

/// The change of a function's arguments: `args!(Add, account, tags, tag_count)`.
macro_rules! args {
    ($operation:ident, $account:expr, $tags:expr, $tag_count:expr) => {
        // SAFETY: readable until the function returns, as it documents.
        unsafe {
            $crate::change::copy_args(
                imtag_core::ChangeOperation::$operation,
                $account,
                $tags,
                $tag_count,
            )
        }?
    };
}
pub(crate) use args;

/// Copies the arguments of a change.
///
/// # Safety
/// The account, the tags and their bytes are readable during the call.
pub(crate) unsafe fn copy_args(
    operation: ChangeOperation,
    account: im_str,
    tags: *const im_str,
    tag_count: usize,
) -> Result<ChangeRequest, Misuse> {
    // SAFETY: the caller's promise.
    let account = unsafe { account.bytes(&"account") }?;
    // SAFETY: the same.
    let tags = unsafe { Strings::borrow(tags, tag_count, &"tags") }?;
    let tags = tags.iter();
    Ok(ChangeRequest::from_bytes(operation, account, tags))
}

/// The same in the flat form.
///
/// # Safety
/// The arguments are as `im_batcher_submit_flat` says, during the call.
pub(crate) unsafe fn copy_flat_args(
    operation: im_operation,
    (text, text_len): (*const c_char, usize),
    (lengths, length_count): (*const usize, usize),
) -> Result<ChangeRequest, Misuse> {
    // SAFETY: the caller's promise.
    let flat = unsafe { Flat::borrow(text, text_len, lengths, length_count) }?;
    let mut strings = flat.iter();
    let Some(account) = strings.next() else {
        return Err(Misuse::new("lengths: none, where an account has one"));
    };
    let tags = length_count - 1;
    let Some(operation) = operation_of(operation, tags) else {
        return Err(Misuse::new(format!(
            "operation: {operation} with {tags} tags is none: IM_ADD, IM_REMOVE, IM_REPLACE, or IM_CLEAR without tags"
        )));
    };
    Ok(ChangeRequest::from_bytes(operation, account, strings))
}
