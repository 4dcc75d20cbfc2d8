//! Bulk runs as a handle: options, outcomes, counts, the end. Changes go in by `push`.

use std::ffi::c_void;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use imtag_core::ChangeRequest;
use imtag_transport::{Bulk, BulkOptions};

use crate::boundary::{set, status};
use crate::client::im_client;
use crate::completions::im_completions;
use crate::error::im_error;
use crate::handle::{free, read};
use crate::misuse::Misuse;
use crate::process::Startable;
use crate::status::im_status;

/// A bulk run: any number of changes of users' tags, packed into as few requests as can be and sent at the full quota,
/// by threads of its own. Push changes and poll their outcomes; `im_bulk_finish` waits for all of them. Made by
/// `im_bulk_new`; freed by `im_bulk_free`.
///
/// Any number of threads may push, poll, count and cancel at once; the setters are for one thread, before. The client
/// may be freed before it. In a forked child its functions answer with `IM_MISUSE`, and `im_bulk_free` leaves alone
/// what is the parent's.
///
/// Outcomes are held until they are polled: poll as often as you push.
pub struct im_bulk {
    /// Started by the first change, and by what needs a run: an end of input, a poll, a finish, a cancel.
    run: Startable<BulkOptions, Bulk>,
    took: OnceLock<Duration>,
}

/// Called about every 100 ms on a thread that is in a push, a poll or `im_bulk_finish` of the run, by one thread at a
/// time. 0: go on. Another number cancels the run as `im_bulk_cancel` does: nothing more is sent, and what is under way
/// completes; the second such answer ends that too. It may call `im_bulk_count`; it should be quick.
pub type im_progress =
    Option<unsafe extern "C" fn(bulk: *const im_bulk, context: *mut c_void) -> i32>;

/// What `im_bulk_count` tells: one of `IM_COUNT_TAKEN` to `IM_COUNT_ELAPSED_MS`.
pub type im_count = i32;

/// Changes that were taken in.
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
/// Requests that were split, as they failed without a word whose fault it was; each split makes two more.
pub const IM_COUNT_SPLITS: im_count = 7;
/// Requests that looked for users at fault, which the timpush paths would have named: 0 on these.
pub const IM_COUNT_TIMPUSH_WOULD_SAVE: im_count = 8;
/// Milliseconds since the first change; once the run is finished, how long it took.
pub const IM_COUNT_ELAPSED_MS: im_count = 9;

struct Progress {
    ask: unsafe extern "C" fn(bulk: *const im_bulk, context: *mut c_void) -> i32,
    bulk: *const im_bulk,
    context: *mut c_void,
    /// Held by the thread that asks.
    asking: Mutex<()>,
}

// SAFETY: it is called on threads that use the run, by one at a time, which its documentation says; the run outlives it.
unsafe impl Send for Progress {}
// SAFETY: the same.
unsafe impl Sync for Progress {}

impl Progress {
    fn asks_to_stop(&self) -> bool {
        let Ok(_asking) = self.asking.try_lock() else {
            return false;
        };
        // SAFETY: given for this use, with this context; the run is in use, so it is alive.
        unsafe { (self.ask)(self.bulk, self.context) != 0 }
    }
}

impl im_bulk {
    fn set(
        &self,
        how: impl FnOnce(BulkOptions) -> Result<BulkOptions, Misuse>,
    ) -> Result<(), Misuse> {
        self.run.set(how)
    }

    /// The run, started if need be.
    fn run(&self) -> Result<&Bulk, Misuse> {
        self.run.started()
    }

    /// Takes a change, whether it is good or not.
    pub(crate) fn push(&self, id: u64, change: ChangeRequest) -> Result<(), Box<im_error>> {
        Ok(self.run()?.push(id, change)?)
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

/// Makes a bulk run. It has no thread before its first change.
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

/// Sets the time for each request with its waits and retries; 60,000 without. For half of it a service
/// that is away is waited for, so that a short outage costs no change. This and the other setters are for before the first
/// change: IM_MISUSE afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_timeout_ms(bulk: *mut im_bulk, timeout_ms: u64) -> im_status {
    set!(bulk, |options| options
        .timeout(Duration::from_millis(timeout_ms)))
}

/// Sets the time for one attempt; 10,000 without.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_attempt_timeout_ms(
    bulk: *mut im_bulk,
    timeout_ms: u64,
) -> im_status {
    set!(bulk, |options| options
        .attempt_timeout(Duration::from_millis(timeout_ms)))
}

/// Sets for how long an attempt that was abandoned may still arrive, and so how long the account's next change
/// of another kind waits; 10,000 without. No page of the service says how late it can be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_late_window_ms(bulk: *mut im_bulk, time_ms: u64) -> im_status {
    set!(bulk, |options| options
        .late_window(Duration::from_millis(time_ms)))
}

/// Sets how long a change waits for others to share its request, while more may come; 1,000 without. UINT64_MAX: until
/// 100 users are together, or the capacity is reached. After im_bulk_end_of_input nothing waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_linger_ms(bulk: *mut im_bulk, linger_ms: u64) -> im_status {
    set!(bulk, |options| options
        .linger(Duration::from_millis(linger_ms)))
}

/// Sets how many changes are held before they are sent; 4,096 without, and 0 is as 1. A push waits while it holds as
/// many. The more, the fewer requests users of many tags need.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_capacity(bulk: *mut im_bulk, changes: usize) -> im_status {
    set!(bulk, |options| options.capacity(changes))
}

/// Sets a function that is called while the run is pushed to, polled or finished: to show how far it is, and to cancel it.
///
/// progress  not NULL
/// context   handed to it as it is; borrowed until the run is freed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_progress(
    bulk: *mut im_bulk,
    progress: im_progress,
    context: *mut c_void,
) -> im_status {
    set!(bulk, |options| {
        let progress = Progress {
            ask: progress.ok_or_else(|| Misuse::new("progress is NULL"))?,
            bulk: &raw const *bulk,
            context,
            asking: Mutex::new(()),
        };
        options.interrupt(move || progress.asks_to_stop())
    })
}

/// Says that no more is pushed, so that no change waits for others to share its request. It holds for later changes too:
/// call it when all is pushed. im_bulk_finish does so by itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_end_of_input(
    bulk: *mut im_bulk,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |bulk| {
        bulk.run()?.end_of_input();
        Ok(())
    })
}

/// Hands out the changes whose outcomes arrived since the last poll. Waits for one, at most so long.
///
/// timeout_ms   0: does not wait. UINT64_MAX: as long as it takes
/// completions  not NULL. NULL on entry; set where there is any. Free: im_completions_free
/// error        may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK with NULL for completions: the time is up, or every change that was pushed has its outcome and was polled.
/// That changes failed, or the run has ended, is no failure of this function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_poll(
    bulk: *mut im_bulk,
    timeout_ms: u64,
    completions: *mut *mut im_completions,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, out(completions), |bulk| {
        let outcomes = bulk.run()?.poll(Duration::from_millis(timeout_ms));
        im_completions::give(outcomes, &completions);
        Ok(())
    })
}

/// Takes no more changes, IM_CLOSED, waits until every change has its outcome, and says what the run came to; its counts
/// stay as they are then. Outcomes that are not polled yet can be polled afterwards, and it may be called again. It has no
/// time limit of its own, as each request has one.
///
/// error  may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK all done; IM_PARTIAL all was sent, and some changes failed: each is in the completions; IM_CANCELLED, or the
/// status of the failure that ended the run early, with its code: the app is refused, or the service became
/// unavailable. What was not sent is in the completions too. im_error_effect() is the most that is known of any change
/// that failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_finish(
    bulk: *mut im_bulk,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, |bulk| {
        let summary = bulk.run()?.finish();
        bulk.took.get_or_init(|| summary.elapsed);
        im_error::of_run(&summary)
    })
}

/// How far the run is.
///
/// what  IM_COUNT_TAKEN to IM_COUNT_ELAPSED_MS; 0 is the answer to another number
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_count(bulk: *const im_bulk, what: im_count) -> u64 {
    read!(bulk, 0, bulk.count(what))
}

/// Sends nothing more: what is under way completes, and what has not been sent fails as cancelled. Called again,
/// it ends what is under way too. From any thread, but not from a signal handler. NULL is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_cancel(bulk: *const im_bulk) {
    read!(bulk, (), bulk.run.started_here()?.cancel());
}

/// Frees a bulk run; NULL is none. Not while another thread uses it. One that is not finished is ended: what is under
/// way is cancelled, nothing more is sent, and its outcomes are lost.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_free(bulk: *mut im_bulk) {
    free!(bulk);
}
