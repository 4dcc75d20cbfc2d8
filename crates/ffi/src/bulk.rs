//! Bulk runs as a handle: options, changes, outcomes, counts, the end. Changes are pushed one at a time, or many in one
//! flat buffer, for bindings.

use std::ffi::{c_char, c_void};
use std::ptr::null;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use imtag_core::{ChangeOperation, ChangeRequest};
use imtag_transport::{Bulk, BulkOptions};

use crate::boundary::{millis, set, status};
use crate::change::{IM_CLEAR, args, im_operation, operation_of};
use crate::completions::im_completions;
use crate::config::im_client;
use crate::error::im_error;
use crate::handle::{self, Context, Misuse, borrow, free, read, slice};
use crate::process::Startable;
use crate::stats::im_stats;
use crate::status::im_status;
use crate::str::im_str;
use crate::users::FlatUsers;

/// A bulk run: any number of changes of users' tags, packed into as few requests as possible and sent at the full quota,
/// by threads of its own. Push changes and poll their outcomes; `im_bulk_finish` waits for all of them. Made by
/// `im_bulk_new`; freed by `im_bulk_free`.
///
/// Any number of threads may push, poll, count and cancel at once; the setters are for one thread, before that. The
/// client may be freed before the run. In a forked child its functions return `IM_MISUSE`, and `im_bulk_free` does not
/// touch what is the parent's.
///
/// Outcomes are kept until they are polled: poll as often as you push.
pub struct im_bulk {
    /// Started by the first change, end of input, poll, finish or cancel.
    run: Startable<BulkOptions, Bulk>,
    took: OnceLock<Duration>,
}

/// Called about every 100 ms on a thread that is in a push, a poll or `im_bulk_finish` of the run, on one thread at a
/// time. 0: go on. Another number cancels the run as `im_bulk_cancel` does: nothing more is sent, requests under way
/// complete; the second such number ends these too. It may call `im_bulk_count` and `im_bulk_stats`;
/// it should return quickly.
pub type im_progress =
    Option<unsafe extern "C" fn(bulk: *const im_bulk, context: *mut c_void) -> i32>;

/// What `im_bulk_count` returns: one of `IM_COUNT_TAKEN` to `IM_COUNT_ELAPSED_MS`.
pub type im_count = i32;

/// Changes that were taken.
pub const IM_COUNT_TAKEN: im_count = 1;
/// Changes that are done.
pub const IM_COUNT_DONE: im_count = 2;
/// Changes that failed.
pub const IM_COUNT_FAILED: im_count = 3;
/// Requests that were made; retries are not counted.
pub const IM_COUNT_REQUESTS: im_count = 4;
/// Attempts that were made: requests with their retries.
pub const IM_COUNT_ATTEMPTS: im_count = 5;
/// Attempts of which any byte left this machine: what the app's quota may have been charged.
pub const IM_COUNT_ATTEMPTS_SENT: im_count = 6;
/// Requests that were split, as they failed without naming the user at fault.
pub const IM_COUNT_SPLITS: im_count = 7;
/// Requests that only searched for users at fault. The timpush paths name these users, so they would save the requests;
/// on them it is 0.
pub const IM_COUNT_TIMPUSH_WOULD_SAVE: im_count = 8;
/// Milliseconds since the first change; once the run is finished, how long it took.
pub const IM_COUNT_ELAPSED_MS: im_count = 9;

impl im_bulk {
    /// Takes a change, also one that breaks the limits.
    fn push(&self, id: u64, change: ChangeRequest) -> Result<(), Box<im_error>> {
        Ok(self.run.started()?.push(id, change)?)
    }

    fn count(&self, what: im_count) -> u64 {
        let Some(run) = self.run.if_started() else {
            return 0;
        };
        let summary = run.summary();
        let progress = summary.progress;
        match what {
            IM_COUNT_TAKEN => progress.taken,
            IM_COUNT_DONE => progress.done,
            IM_COUNT_FAILED => progress.failed,
            IM_COUNT_REQUESTS => progress.requests,
            IM_COUNT_ATTEMPTS => progress.attempts,
            IM_COUNT_ATTEMPTS_SENT => progress.sent,
            IM_COUNT_SPLITS => progress.splits,
            IM_COUNT_TIMPUSH_WOULD_SAVE => summary.timpush_would_save(),
            IM_COUNT_ELAPSED_MS => {
                let elapsed = self.took.get().unwrap_or(&summary.elapsed).as_millis();
                u64::try_from(elapsed).unwrap_or(u64::MAX)
            }
            _ => 0,
        }
    }
}

/// Makes a bulk run. It starts no thread before its first change.
///
/// client  not NULL; may be freed before the run
/// bulk    not NULL. NULL on entry; set on IM_OK. Free: im_bulk_free
/// error   may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_new(
    client: *const im_client,
    bulk: *mut *mut im_bulk,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, out(bulk), |client| {
        let im_client(client) = client;
        bulk.give(|| im_bulk {
            run: Startable::new("bulk", client.bulk(), BulkOptions::start),
            took: OnceLock::new(),
        });
        Ok(())
    })
}

/// Sets the time for each request with its waits and retries; default: 60,000. For half of it a request waits for a
/// service that is unavailable, so a short outage fails no change. The waits for the quota, and for a connection where the
/// machine gives no more, are not counted. This and the other setters come before the first change: IM_MISUSE after it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_timeout_ms(bulk: *mut im_bulk, timeout_ms: u64) -> im_status {
    set!(bulk.run, timeout(millis(timeout_ms)))
}

/// Sets the time for one attempt; default: 10,000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_attempt_timeout_ms(
    bulk: *mut im_bulk,
    timeout_ms: u64,
) -> im_status {
    set!(bulk.run, attempt_timeout(millis(timeout_ms)))
}

/// Sets the late window: for how long after an attempt without an answer its request may still arrive. For so long the
/// account's next change of another kind waits, so that it is not undone. Default: 10,000; no page of the service says
/// how late a request can be. Example: an add of vip gets no answer; a remove of vip is sent 10 s later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_late_window_ms(bulk: *mut im_bulk, time_ms: u64) -> im_status {
    set!(bulk.run, late_window(millis(time_ms)))
}

/// Sets how long a change waits for others to share its request, while more may come; default: 1,000. UINT64_MAX: until
/// there are 100 users, or the capacity is reached. After im_bulk_end_of_input a change waits only for those that wait for
/// an earlier change of their account.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_linger_ms(bulk: *mut im_bulk, linger_ms: u64) -> im_status {
    set!(bulk.run, linger(millis(linger_ms)))
}

/// Sets the capacity: how many changes the run holds before they are sent; default: 4,096; 0 counts as 1. A push waits
/// while the run is full. The greater it is, the fewer requests are needed for users with many tags.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_capacity(bulk: *mut im_bulk, changes: usize) -> im_status {
    set!(bulk.run, capacity(changes))
}

/// Sets a function that is called during a push, a poll or im_bulk_finish: to show how far the run is, and to cancel it.
///
/// progress  not NULL
/// context   passed to it as it is; borrowed until the run is freed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_progress(
    bulk: *mut im_bulk,
    progress: im_progress,
    context: *mut c_void,
) -> im_status {
    set!(bulk.run, |options| {
        let progress = progress.ok_or_else(|| Misuse::new("progress is NULL"))?;
        let run = Context::new((&raw const *bulk).cast_mut());
        let context = Context::new(context);
        let asking = Mutex::new(());
        options.interrupt(move || {
            let Ok(_asking) = asking.try_lock() else {
                return false; // another thread asks already
            };
            // SAFETY: given for this use, with this context; the run is in use, so it is alive.
            unsafe { progress(run.get().cast(), context.get()) != 0 }
        })
    })
}

/// Pushes a change that adds tags to a user, and starts the run if it is the first. Waits while the run is full.
/// im_bulk_poll returns the outcome, with this id.
///
/// bulk     not NULL; any thread; not freed during the call
/// id       any number; returned with the outcome
/// account  copied. 1 to 32 bytes; on the timpush paths also a RegistrationID
/// tags     copied; NULL only if tag_count is 0. 1 to 100, of 1 to 50 bytes each; a tag that is given twice counts once
/// error    may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK: the change is taken, also if it breaks the limits; then it is not sent, and its outcome is IM_INVALID. With any
/// other status it is not taken. IM_CANCELLED, or the status of what ended the run: the run has ended. IM_CLOSED: the run
/// is finished. IM_INVALID: the run has ended, and the change breaks the limits, which is reported first.
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

/// Pushes a change that removes any number of tags from a user. All else as im_bulk_add_tag.
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
        .push(id, args!(Clear, account, null(), 0)))
}

/// Pushes a change that replaces the tags of a user: afterwards it has these and no others. Only the timpush paths can do
/// this; on the others its outcome is IM_INVALID. It goes in one request whole, behind the account's earlier changes and
/// before its later ones. If it is possibly applied, the tags that the user had may be gone. All else as
/// im_bulk_add_tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_replace_tags(
    bulk: *mut im_bulk,
    id: u64,
    account: im_str,
    tags: *const im_str,
    tag_count: usize,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |bulk| bulk
        .push(id, args!(Replace, account, tags, tag_count)))
}

/// Pushes many changes as one buffer: for bindings. The whole buffer is checked first: on IM_MISUSE none is taken.
/// Waits for capacity, and has the limits and statuses of im_bulk_add_tag.
///
/// operations    IM_ADD, IM_REMOVE, IM_CLEAR or IM_REPLACE of each change; one that clears has no tags
/// first_id      the id of the first change; the others' follow, one by one
/// text          each change's account, then its tags, one after the other, with nothing between
/// text_len      bytes of it
/// lengths       the bytes of each, in the same order; they add up to text_len. NULL as in im_add_tag_flat
/// length_count  how many: the accounts and all tags
/// tag_counts    how many tags each change has
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
        unsafe { handle::set(taken, 0) };
        // SAFETY: NULL, or alive during this call.
        let bulk = unsafe { borrow(bulk, "bulk") }?;
        // SAFETY: readable during this call.
        let operations = unsafe { slice(operations, change_count, &"operations") }?;
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
            unsafe { handle::set(taken, done) };
        }
        Ok(())
    })
}

/// Says that no more changes come, so that none waits for them to share its request. It holds for later changes too:
/// call it when all are pushed. im_bulk_finish does so by itself. What is pushed is still waited for, while a request is
/// under way: a change whose account has an earlier one there shares the next request, if it comes within the linger time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_end_of_input(
    bulk: *mut im_bulk,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |bulk| {
        bulk.run.started()?.end_of_input();
        Ok(())
    })
}

/// Returns the outcomes that arrived since the last poll. If there are none, it waits for the first, at most timeout_ms.
///
/// timeout_ms   0: does not wait. UINT64_MAX: as long as it takes
/// completions  not NULL. NULL on entry; set if there are outcomes. Free: im_completions_free
/// error        may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK with NULL for completions: the time is up, or the outcomes of all pushed changes have been polled. The poll
/// succeeds also if changes failed or the run has ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_poll(
    bulk: *mut im_bulk,
    timeout_ms: u64,
    completions: *mut *mut im_completions,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, out(completions), |bulk| {
        let outcomes = bulk.run.started()?.poll(millis(timeout_ms));
        let outcomes = outcomes.into_iter().map(|it| (it.id, it.result));
        im_completions::give(outcomes, &completions);
        Ok(())
    })
}

/// Takes no more changes (IM_CLOSED), waits until every change has its outcome, and returns the result of the run; the
/// counts stay as they are then. Outcomes that are not polled yet can be polled afterwards, and it may be called again.
/// It has no time limit of its own, as each request has one.
///
/// error  may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK: all changes are done. IM_PARTIAL: all were sent, and some failed; the completions have each. IM_CANCELLED, or
/// the status of the failure that ended the run early, with its code (the app is refused, or the service became
/// unavailable): the changes that were not sent are in the completions too. im_error_effect() is the greatest effect of
/// any change that failed: possibly applied if one of them is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_finish(
    bulk: *mut im_bulk,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |bulk| {
        let summary = bulk.run.started()?.finish();
        bulk.took.get_or_init(|| summary.elapsed);
        im_error::of_run(&summary)
    })
}

/// How far the run is.
///
/// what  IM_COUNT_TAKEN to IM_COUNT_ELAPSED_MS; for another number it returns 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_count(bulk: *const im_bulk, what: im_count) -> u64 {
    read!(bulk, 0, bulk.count(what))
}

/// Returns the figures of a run: imtag_bulk_changes_taken_total, ..._changes_done_total, ..._changes_failed_total,
/// ..._requests_total and ..._request_users_total (the users of these together), ..._attempts_total,
/// ..._attempts_sent_total, ..._splits_total, ..._searches_total; imtag_bulk_queued (changes that are in no request yet),
/// ..._unsettled (without an outcome), ..._oldest_seconds (the age of the oldest of these). It starts the run if nothing
/// has: the setters come before it. Arguments as im_client_stats; IM_MISUSE in a forked child.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_stats(
    bulk: *const im_bulk,
    stats: *mut *mut im_stats,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, out(stats), |bulk| {
        let its = bulk.run.started()?.stats();
        stats.give(|| im_stats::new(its.figures()));
        Ok(())
    })
}

/// Cancels the run: nothing more is sent, requests under way complete, and changes that are not sent fail as cancelled.
/// Called again, it ends the requests under way too. Any thread, but not from a signal handler. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_cancel(bulk: *const im_bulk) {
    read!(bulk, (), bulk.run.started_here()?.cancel());
}

/// Frees a bulk run; NULL does nothing. Not while another thread uses it. A run that is not finished ends: requests in
/// flight are cancelled, nothing more is sent, and its outcomes are lost.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_free(bulk: *mut im_bulk) {
    free!(bulk);
}

/// The operations, if each is one of the four, and none that clears has tags.
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
                    format!(
                        "operations[{index}]: {other} is none: IM_ADD, IM_REMOVE, IM_CLEAR or IM_REPLACE"
                    )
                }
            })
        })
    })
    .collect()
}
