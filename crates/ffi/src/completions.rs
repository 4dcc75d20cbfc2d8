//! Outcomes of changes, as a poll of a bulk run or a batcher returns them.

use imtag_transport::ChangeError;

use crate::error::im_error;
use crate::handle::{Out, free, list, read};

/// An id, and what became of its change.
type Outcome = (u64, Result<(), ChangeError>);

/// Changes that have their outcomes, in the order in which the outcomes arrived. Made by `im_bulk_poll` and
/// `im_batcher_poll`, freed by `im_completions_free`; read by any thread, also when the bulk run or batcher is freed.
/// Every function that reads them takes NULL, and returns what it does for none.
///
/// A binding reads a thousand outcomes in a few calls: all ids, the positions of those that failed, and an error for
/// each of these.
pub struct im_completions {
    ids: Vec<u64>,
    /// The positions of those that failed, ascending, and for each its error.
    failed: Vec<usize>,
    errors: Vec<im_error>,
}

impl im_completions {
    fn new(outcomes: impl ExactSizeIterator<Item = Outcome>) -> im_completions {
        let mut completions = im_completions {
            ids: Vec::with_capacity(outcomes.len()),
            failed: Vec::new(),
            errors: Vec::new(),
        };
        for (index, (id, result)) in outcomes.enumerate() {
            completions.ids.push(id);
            if let Err(error) = result {
                completions.failed.push(index);
                completions.errors.push(*Box::from(error));
            }
        }
        completions
    }

    /// Stores them; nothing if there are none.
    pub(crate) fn give(
        outcomes: impl ExactSizeIterator<Item = Outcome>,
        out: &Out<im_completions>,
    ) {
        if outcomes.len() > 0 {
            out.give(|| im_completions::new(outcomes));
        }
    }
}

/// How many outcomes these are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_completions_count(completions: *const im_completions) -> usize {
    read!(completions, 0, completions.ids.len())
}

/// The id that the caller gave a change; 0 for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_completions_id(
    completions: *const im_completions,
    index: usize,
) -> u64 {
    read!(completions, 0, *completions.ids.get(index)?)
}

/// Why a change failed; NULL if it is done, and for an index out of range. The error belongs to the completions: do not
/// free it. It names the account as its one failure, with what is known of the effect; `im_error_undone` has the tags.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_completions_error(
    completions: *const im_completions,
    index: usize,
) -> *const im_error {
    read!(completions, std::ptr::null(), {
        let failed = completions.failed.binary_search(&index).ok()?;
        &raw const completions.errors[failed]
    })
}

/// The ids of all changes.
///
/// count  may be NULL: set to their number
/// Returns the first of them; they belong to the completions. NULL if there are none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_completions_ids(
    completions: *const im_completions,
    count: *mut usize,
) -> *const u64 {
    list!(completions, count, &completions.ids)
}

/// The indices of the changes that failed, in ascending order: `im_completions_error` has the error of each.
///
/// count  may be NULL: set to their number
/// Returns the first of them; they belong to the completions. NULL if there are none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_completions_failed(
    completions: *const im_completions,
    count: *mut usize,
) -> *const usize {
    list!(completions, count, &completions.failed)
}

/// Frees completions with their errors; NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_completions_free(completions: *mut im_completions) {
    free!(completions);
}
