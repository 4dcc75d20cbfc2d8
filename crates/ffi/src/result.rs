//! What a call did: counts, and the tags that it read.

use imtag_transport::Outcome;

use crate::handle::{first, free, list, read};
use crate::str::im_str;
use crate::users::im_user_tags;

/// What was done. Made by a call that ended with `IM_OK` or `IM_PARTIAL`; freed by `im_result_free`; read by any
/// thread. Every function that reads one takes NULL, and returns what it does for an empty result.
pub struct im_result {
    outcome: Outcome,
    /// Views of `outcome`, whose texts stay where they are for as long as it is not changed: it never is.
    users: Vec<im_user_tags>,
    /// The same of all tags, which `users` points into.
    _tags: Vec<im_str>,
    unanswered: Vec<im_str>,
}

impl im_result {
    pub(crate) fn new(outcome: Outcome) -> im_result {
        let views = |texts: &[String]| -> Vec<im_str> {
            texts.iter().map(|text| im_str::view(text)).collect()
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
                account: im_str::view(&user.account),
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

/// How many accounts the call succeeded for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_result_accounts(result: *const im_result) -> usize {
    read!(result, 0, result.outcome.accounts)
}

/// How many attempts were made: the one that was answered, and those before it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_result_attempts(result: *const im_result) -> u32 {
    read!(result, 0, result.outcome.attempts)
}

/// Attempts of which any byte left this machine: what the app's quota may have been charged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_result_attempts_sent(result: *const im_result) -> u32 {
    read!(result, 0, result.outcome.sent)
}

/// The service's id of the request, for its support; empty if it sent none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_result_request_id(result: *const im_result) -> im_str {
    read!(
        result,
        im_str::EMPTY,
        im_str::view(result.outcome.request_id.as_deref()?)
    )
}

/// What `im_get_tag` read: the users with their tags, in the service's order.
///
/// count  may be NULL: set to their number, 0 for the other operations
/// Returns the first of them; they belong to the result. NULL if there are none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_result_users(
    result: *const im_result,
    count: *mut usize,
) -> *const im_user_tags {
    list!(result, count, &result.users)
}

/// The accounts that `im_get_tag` asked for and the answer does not name. The service's documentation does not say
/// whether such an account has no tags or could not be read. No other count has it.
///
/// count  may be NULL: set to their number
/// Returns the first of them; they belong to the result. NULL if there are none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_result_unanswered(
    result: *const im_result,
    count: *mut usize,
) -> *const im_str {
    list!(result, count, &result.unanswered)
}

/// Frees a result, and what its accessors returned; NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_result_free(result: *mut im_result) {
    free!(result);
}
