//! A change of a user's tags as C gives it: bytes, which are copied once. Bytes that are not UTF-8 break a limit, as a tag
//! that is too long does: that is the change's outcome, not a misuse.

use std::ffi::c_char;

use imtag_core::{ChangeOperation, ChangeRequest};

use crate::handle::Misuse;
use crate::str::im_str;
use crate::users::{Flat, Strings};

/// What a change does: one of `IM_ADD` to `IM_CLEAR`.
pub type im_operation = i32;

/// Adds tags to a user.
pub const IM_ADD: im_operation = 1;
/// Removes tags from a user.
pub const IM_REMOVE: im_operation = 2;
/// Removes all tags of a user.
pub const IM_CLEAR: im_operation = 3;

/// The operation of a change with that many tags; none if a change that clears has any.
pub(crate) fn operation_of(operation: im_operation, tags: usize) -> Option<ChangeOperation> {
    match (operation, tags) {
        (IM_ADD, _) => Some(ChangeOperation::Add),
        (IM_REMOVE, _) => Some(ChangeOperation::Remove),
        (IM_CLEAR, 0) => Some(ChangeOperation::Clear),
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
            "operation: {operation} with {tags} tags is none: IM_ADD, IM_REMOVE, or IM_CLEAR without tags"
        )));
    };
    Ok(ChangeRequest::from_bytes(operation, account, strings))
}

#[cfg(test)]
#[cfg(debug_assertions)] // checks are not counted in release builds
mod tests {
    use std::ptr::null_mut;

    use imtag_core::counted;
    use imtag_emulator::Emulator;
    use imtag_transport::{Client, SecretKey};

    use super::*;
    use crate::batcher::{
        im_batcher_close, im_batcher_free, im_batcher_new, im_batcher_submit_flat,
    };
    use crate::bulk::{im_bulk_finish, im_bulk_free, im_bulk_new, im_bulk_push_flat};
    use crate::config::{im_client, im_client_free};
    use crate::handle::into_raw;
    use crate::requests::im_add_tag_flat;
    use crate::status::IM_OK;

    const TEXT: &str = "counted-ucounted-acounted-b";
    const LENGTHS: [usize; 3] = [9; 3];

    #[test]
    fn a_change_in_the_flat_form_is_checked_once_whichever_way_it_goes_in() {
        let key = SecretKey::new("5b".repeat(32)).unwrap();
        let emulator = Emulator::builder().secret_key(key.clone()).start().unwrap();
        let client = Client::builder(1_400_000_000, "administrator", key);
        let client = client.endpoint(emulator.endpoint()).build().unwrap();
        let client = into_raw(im_client(client));
        let (text, lengths) = (TEXT.as_ptr().cast::<c_char>(), LENGTHS.as_ptr());
        let (mut bulk, mut batcher) = (null_mut(), null_mut());
        let (operation, tag_count, none) = (IM_ADD, 2, null_mut());
        let (adds, tags) = (&raw const operation, &raw const tag_count);
        counted::take();
        // SAFETY: all pointers are of what lives until the end, or NULL where that is allowed.
        unsafe {
            let (call, result) = (null_mut(), null_mut());
            let sent = im_add_tag_flat(client, text, 27, lengths, 3, tags, 1, call, result, none);
            assert_eq!((sent, counted::take()), (IM_OK, 3));

            assert_eq!(im_bulk_new(client, &raw mut bulk, none), IM_OK);
            let (taken, first) = (null_mut(), 0);
            let pushed = im_bulk_push_flat(
                bulk, adds, first, text, 27, lengths, 3, tags, 1, taken, none,
            );
            assert_eq!(pushed, IM_OK);
            assert_eq!(im_bulk_finish(bulk, none), IM_OK);
            assert_eq!(counted::take(), 3);

            assert_eq!(im_batcher_new(client, &raw mut batcher, none), IM_OK);
            let submitted =
                im_batcher_submit_flat(batcher, IM_ADD, 0, text, 27, lengths, 3, 9_000, none);
            assert_eq!(submitted, IM_OK);
            assert_eq!(im_batcher_close(batcher, null_mut(), none), IM_OK);
            assert_eq!(counted::take(), 3);

            im_bulk_free(bulk);
            im_batcher_free(batcher);
            im_client_free(client);
        }
    }
}
