//! What became of changes: what a bulk run and a batcher hand out.

use imtag_transport::Settled;

use crate::boundary::guarded;
use crate::error::im_error;
use crate::pointer::{Out, borrow, free, set};
use crate::result::first;

/// Changes that have their outcomes, in the order in which these became known. Made by `im_bulk_poll` and
/// `im_batcher_poll`, freed by `im_completions_free`; read by any thread, also when the bulk run or batcher is freed.
/// Every function that reads them takes NULL, and answers as for none.
///
/// A binding reads all of them by `im_completions_ids` and `im_completions_failed`, and only of those that failed the
/// error.
pub struct im_completions {
    ids: Vec<u64>,
    /// The positions of those that failed, ascending, and for each its error.
    failed: Vec<usize>,
    errors: Vec<im_error>,
}

impl im_completions {
    fn of(settled: Vec<Settled>) -> im_completions {
        let mut completions = im_completions {
            ids: Vec::with_capacity(settled.len()),
            failed: Vec::new(),
            errors: Vec::new(),
        };
        for (index, settled) in settled.into_iter().enumerate() {
            completions.ids.push(settled.id);
            if let Err(error) = settled.result {
                completions.failed.push(index);
                completions.errors.push(*Box::from(&error));
            }
        }
        completions
    }

    /// Leaves them; nothing for none.
    pub(crate) fn give(settled: Vec<Settled>, out: &Out<im_completions>) {
        if !settled.is_empty() {
            out.give(|| im_completions::of(settled));
        }
    }
}

/// What `read` finds in completions; `otherwise` where there are none.
///
/// # Safety
/// `completions` is NULL, or was made by this library and is not freed during `'a`.
unsafe fn of_completions<'a, T: Copy>(
    completions: *const im_completions,
    otherwise: T,
    read: impl FnOnce(&'a im_completions) -> Option<T>,
) -> T {
    guarded(otherwise, || {
        // SAFETY: NULL or alive: the caller's promise.
        let completions = unsafe { borrow(completions, "completions") }.ok();
        completions.and_then(read).unwrap_or(otherwise)
    })
}

/// A list in completions, and how long it is.
///
/// # Safety
/// `completions` is NULL, or was made by this library and is not freed during this call; `count` is NULL or writable.
unsafe fn list<T>(
    completions: *const im_completions,
    count: *mut usize,
    read: impl FnOnce(&im_completions) -> &[T],
) -> *const T {
    guarded(std::ptr::null(), || {
        // SAFETY: NULL or alive: the caller's promise.
        let completions = unsafe { borrow(completions, "completions") };
        let all = completions.map_or(&[][..], read);
        // SAFETY: the caller's promise.
        unsafe { set(count, all.len()) };
        first(all)
    })
}

/// How many changes have their outcomes here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_completions_count(completions: *const im_completions) -> usize {
    // SAFETY: the caller's promise.
    unsafe { of_completions(completions, 0, |it| Some(it.ids.len())) }
}

/// The number that the caller gave a change; 0 for an index that is too great.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_completions_id(
    completions: *const im_completions,
    index: usize,
) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { of_completions(completions, 0, |it| it.ids.get(index).copied()) }
}

/// Why a change is not done: NULL where it is, and for an index that is too great. The error belongs to the
/// completions: not to be freed by itself. It names the account as its one failure, with what is known of the effect;
/// `im_error_undone` has the tags.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_completions_error(
    completions: *const im_completions,
    index: usize,
) -> *const im_error {
    let read = |it: &im_completions| {
        let failed = it.failed.binary_search(&index).ok()?;
        Some(&raw const it.errors[failed])
    };
    // SAFETY: the caller's promise.
    unsafe { of_completions(completions, std::ptr::null(), read) }
}

/// The numbers of all changes.
///
/// count  may be NULL: set to their number
/// Returns the first of them, which are the completions'; NULL for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_completions_ids(
    completions: *const im_completions,
    count: *mut usize,
) -> *const u64 {
    // SAFETY: the caller's promise.
    unsafe { list(completions, count, |it| &it.ids) }
}

/// The indices of the changes that failed, in ascending order: `im_completions_error` has the error of each.
///
/// count  may be NULL: set to their number
/// Returns the first of them, which are the completions'; NULL for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_completions_failed(
    completions: *const im_completions,
    count: *mut usize,
) -> *const usize {
    // SAFETY: the caller's promise.
    unsafe { list(completions, count, |it| &it.failed) }
}

/// Frees completions, and the errors that were asked of them; NULL is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_completions_free(completions: *mut im_completions) {
    // SAFETY: the caller's promise.
    guarded((), || unsafe { free(completions) });
}
