//! Changes into a bulk run: one at a time, or many in one flat buffer, for bindings.

use std::ffi::c_char;
use std::ptr;

use imtag_core::{ChangeOperation, ChangeRequest};

use crate::boundary::status;
use crate::bulk::im_bulk;
use crate::change::{IM_CLEAR, args, im_operation, operation_of};
use crate::error::im_error;
use crate::handle::{borrow, set, slice};
use crate::misuse::Misuse;
use crate::status::im_status;
use crate::text::im_str;
use crate::users::FlatUsers;

/// Pushes a change that adds tags to a user, and starts the run if it is the first. Waits while the run is full. The
/// outcome comes by im_bulk_poll, with this id.
///
/// bulk     not NULL; any thread; not freed during the call
/// id       any number; the outcome comes with it
/// account  copied. 1 to 32 bytes; on the timpush paths also a RegistrationID
/// tags     copied; NULL only if tag_count is 0. 1 to 100, of 1 to 50 bytes each; one that stands twice counts once
/// error    may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK it is taken, also if it breaks the limits: then it is not sent, and its outcome is IM_INVALID. Else it is not
/// taken: IM_CANCELLED or the status of what ended the run, IM_CLOSED the run is finished, IM_INVALID it has ended, and
/// the change breaks the limits, which comes first.
/// The changes of an account are made in the order in which they were pushed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_add_tag(
    bulk: *mut im_bulk,
    id: u64,
    account: im_str,
    tags: *const im_str,
    tag_count: usize,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |bulk| bulk
        .push(id, args!(Add, account, tags, tag_count)))
}

/// Pushes a change that removes tags from a user: any number. All else as im_bulk_add_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_remove_tag(
    bulk: *mut im_bulk,
    id: u64,
    account: im_str,
    tags: *const im_str,
    tag_count: usize,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |bulk| bulk
        .push(id, args!(Remove, account, tags, tag_count)))
}

/// Pushes a change that removes all tags of a user. All else as im_bulk_add_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_clear_tags(
    bulk: *mut im_bulk,
    id: u64,
    account: im_str,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |bulk| bulk
        .push(id, args!(Clear, account, ptr::null(), 0)))
}

/// Pushes many changes as one buffer: for bindings. The whole buffer is checked first: on IM_MISUSE none is taken.
/// Waits for capacity as im_bulk_add_tag, whose limits and statuses it has.
///
/// operations    IM_ADD, IM_REMOVE or IM_CLEAR of each change; the last has no tags
/// first_id      the id of the first change; the others' follow, one by one
/// text          each change's account, then its tags, one after the other, with nothing between
/// text_len      bytes of it
/// lengths       the bytes of each, in the same order; they add up to text_len
/// length_count  how many: the accounts and all tags
/// tag_counts    the tags of each change
/// change_count  how many changes
/// taken         may be NULL. Set to how many were taken, from the first on; below change_count unless IM_OK
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_push_flat(
    bulk: *mut im_bulk,
    operations: *const im_operation,
    first_id: u64,
    text: *const c_char,
    text_len: usize,
    lengths: *const usize,
    length_count: usize,
    tag_counts: *const usize,
    change_count: usize,
    taken: *mut usize,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, || {
        // SAFETY: NULL or writable.
        unsafe { set(taken, 0) };
        // SAFETY: NULL, or alive during this call.
        let bulk = unsafe { borrow(bulk, "bulk") }?;
        let place = || "operations".to_owned();
        // SAFETY: readable during this call.
        let operations = unsafe { slice(operations, change_count, &place) }?;
        // SAFETY: the same.
        let users = unsafe {
            FlatUsers::borrow(
                text,
                text_len,
                lengths,
                length_count,
                tag_counts,
                change_count,
            )
        }?;
        let operations = operations_of(operations, &users)?;
        let ids = (0..).map(|index| first_id.wrapping_add(index));
        let mut done = 0;
        for ((id, operation), (account, tags)) in ids.zip(operations).zip(users.iter()) {
            bulk.push(id, ChangeRequest::from_bytes(operation, account, tags))?;
            done += 1;
            // SAFETY: NULL or writable.
            unsafe { set(taken, done) };
        }
        Ok(())
    })
}

/// The operations, where each is one, and none that clears has tags.
fn operations_of(
    operations: &[im_operation],
    users: &FlatUsers<'_>,
) -> Result<Vec<ChangeOperation>, Misuse> {
    let each = operations.iter().zip(users.tag_counts()).enumerate();
    each.map(|(index, (operation, tags))| {
        operation_of(*operation, *tags).ok_or_else(|| {
            Misuse::new(match *operation {
                IM_CLEAR => {
                    format!("tag_counts[{index}]: {tags}, where a change that clears has none")
                }
                other => {
                    format!("operations[{index}]: {other} is none: IM_ADD, IM_REMOVE or IM_CLEAR")
                }
            })
        })
    })
    .collect()
}
