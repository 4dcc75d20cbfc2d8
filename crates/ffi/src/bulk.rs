//! Bulk runs as a handle: settings, what became of changes, counts, the end. Changes go in by `push`.

use std::ffi::c_void;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use imtag_core::{Change, Rules};
use imtag_transport::{Bulk, BulkOptions, Client};

use crate::boundary::{boundary, guarded};
use crate::change::BadChange;
use crate::client::im_client;
use crate::completions::im_completions;
use crate::error::{Misuse, im_error};
use crate::pointer::{Out, borrow, free};
use crate::process::Home;
use crate::status::im_status;

/// A bulk run: any number of changes of users' tags, packed into as few requests as can be and sent at the full quota,
/// by threads of its own. Changes are pushed, their outcomes polled; `im_bulk_finish` waits for all of them. Made by
/// `im_bulk_new`; freed by `im_bulk_free`.
///
/// Any number of threads may push, poll, count and cancel at once; the setters are for one thread, before. The client
/// may be freed before it. In a forked child its functions answer with `IM_MISUSE`, and `im_bulk_free` leaves alone
/// what is the parent's.
///
/// Outcomes are held until they are polled: poll as often as you push.
pub struct im_bulk {
    home: Home,
    client: Client,
    options: Mutex<BulkOptions>,
    /// Begun by the first change, and by whatever else has no sense before.
    run: OnceLock<Bulk>,
    took: OnceLock<Duration>,
}

/// Asked on a thread that is in a push, a poll or `im_bulk_finish` of the run, about every 100 ms, by one thread at a
/// time: 0 goes on. Another number cancels the run as `im_bulk_cancel` does: nothing more is sent, and what is under way
/// is seen through; the second such answer ends that too. It may call `im_bulk_count`; it should be quick.
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
    pub(crate) fn rules(&self) -> &Rules {
        self.client.rules()
    }

    /// The run, begun if need be.
    pub(crate) fn run(&self) -> Result<&Bulk, Misuse> {
        self.home.enter("bulk")?;
        Ok(self.begun())
    }

    fn begun(&self) -> &Bulk {
        self.run.get_or_init(|| {
            let options = self.options.lock();
            let options = options.unwrap_or_else(PoisonError::into_inner).clone();
            options.start()
        })
    }

    /// Takes a change in, whether it is good or not.
    pub(crate) fn push(
        &self,
        id: u64,
        change: Result<Change, BadChange>,
    ) -> Result<(), Box<im_error>> {
        let run = self.run()?;
        match change {
            Ok(change) => run.push(id, change)?,
            Err(BadChange { change, invalid }) => run.push_invalid(id, change, invalid)?,
        }
        Ok(())
    }

    fn count(&self, what: im_count) -> u64 {
        let Some(run) = self.run.get().filter(|_| self.home.is_here()) else {
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

/// Changes the options.
///
/// # Safety
/// `bulk` is NULL, or was made by this library and is not freed during this call.
unsafe fn set(
    bulk: *const im_bulk,
    how: impl FnOnce(BulkOptions) -> Result<BulkOptions, Misuse>,
) -> im_status {
    let act = || {
        // SAFETY: the caller's promise.
        let bulk = unsafe { borrow(bulk, "bulk") }?;
        bulk.home.enter("bulk")?;
        let mut options = bulk.options.lock().unwrap_or_else(PoisonError::into_inner);
        if bulk.run.get().is_some() {
            return Err(
                Misuse::new("the bulk run has begun: set it before the first change").into(),
            );
        }
        *options = how(options.clone())?;
        Ok(())
    };
    // SAFETY: NULL is no place for an error.
    unsafe { boundary(std::ptr::null_mut(), act) }
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
    let act = || {
        // SAFETY: NULL or writable.
        let bulk = unsafe { Out::cleared(bulk) }.needed("bulk")?;
        // SAFETY: NULL, or alive during this call.
        let im_client(client) = unsafe { borrow(client, "client") }?;
        bulk.give(|| im_bulk {
            home: Home::here(),
            client: client.clone(),
            options: Mutex::new(client.bulk()),
            run: OnceLock::new(),
            took: OnceLock::new(),
        });
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
}

/// Sets the time for each request with its waits and retries; 60,000 without. For half of it a service
/// that is away is waited for, so that a short outage costs no change. This and the other setters are for before the first
/// change: IM_MISUSE afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_timeout_ms(bulk: *mut im_bulk, timeout_ms: u64) -> im_status {
    // SAFETY: NULL, or alive during this call.
    unsafe {
        set(bulk, |options| {
            Ok(options.timeout(Duration::from_millis(timeout_ms)))
        })
    }
}

/// Sets the time for one attempt; 10,000 without.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_attempt_timeout_ms(
    bulk: *mut im_bulk,
    timeout_ms: u64,
) -> im_status {
    // SAFETY: NULL, or alive during this call.
    unsafe {
        set(bulk, |options| {
            Ok(options.attempt_timeout(Duration::from_millis(timeout_ms)))
        })
    }
}

/// Sets for how long an attempt that was given up may still have its effect, and so how long the account's next change
/// of another kind waits; 10,000 without. No page of the service says how late it can be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_settling_time_ms(
    bulk: *mut im_bulk,
    time_ms: u64,
) -> im_status {
    // SAFETY: NULL, or alive during this call.
    unsafe {
        set(bulk, |options| {
            Ok(options.settling_time(Duration::from_millis(time_ms)))
        })
    }
}

/// Sets how long a change waits for others to share its request, while more may come; 1,000 without. UINT64_MAX: until
/// 100 users are together, or as many changes as there is room for. After im_bulk_end_of_input nothing waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_linger_ms(bulk: *mut im_bulk, linger_ms: u64) -> im_status {
    // SAFETY: NULL, or alive during this call.
    unsafe {
        set(bulk, |options| {
            Ok(options.linger(Duration::from_millis(linger_ms)))
        })
    }
}

/// Sets how many changes are held before they are sent; 4,096 without, and 0 is as 1. A push waits while it holds as
/// many. The more, the fewer requests users of many tags need.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_room(bulk: *mut im_bulk, changes: usize) -> im_status {
    // SAFETY: NULL, or alive during this call.
    unsafe { set(bulk, |options| Ok(options.room(changes))) }
}

/// Sets a function that is asked while the run is pushed to, polled or finished: to show how far it is, and to cancel it.
///
/// progress  not NULL
/// context   handed to it as it is; borrowed until the run is freed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_set_progress(
    bulk: *mut im_bulk,
    progress: im_progress,
    context: *mut c_void,
) -> im_status {
    let how = |options: BulkOptions| {
        let ask = progress.ok_or_else(|| Misuse::new("progress is NULL"))?;
        let progress = Progress {
            ask,
            bulk: bulk.cast_const(),
            context,
            asking: Mutex::new(()),
        };
        Ok(options.interrupt(move || progress.asks_to_stop()))
    };
    // SAFETY: NULL, or alive during this call.
    unsafe { set(bulk, how) }
}

/// Says that no more is pushed for now, so that what is there goes out without company. It holds for later changes too:
/// say it when all is pushed. im_bulk_finish says it by itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_end_of_input(
    bulk: *mut im_bulk,
    error: *mut *mut im_error,
) -> im_status {
    let act = || {
        // SAFETY: NULL, or alive during this call.
        unsafe { borrow(bulk, "bulk") }?.run()?.end_of_input();
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
}

/// Hands out the changes that have their outcomes since it was asked last. Waits for one, at most so long.
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
    let act = || {
        // SAFETY: NULL or writable.
        let completions = unsafe { Out::cleared(completions) }.needed("completions")?;
        // SAFETY: NULL, or alive during this call.
        let run = unsafe { borrow(bulk, "bulk") }?.run()?;
        let settled = run.poll(Duration::from_millis(timeout_ms));
        im_completions::give(settled, &completions);
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
}

/// Takes no more changes, IM_CLOSED, waits until every change has its outcome, and says what the run came to; its counts
/// stay as they are then. Outcomes that nobody has polled can be polled afterwards, and it may be called again. It has no
/// time limit of its own, as each request has one.
///
/// error  may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK all done; IM_PARTIAL all was sent, and some changes failed: each is in the completions; IM_CANCELLED, or the
/// status of the failure that ended the run early, with its code: the app is not let in, or the service gave out. What
/// was not sent is in the completions too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_finish(
    bulk: *mut im_bulk,
    error: *mut *mut im_error,
) -> im_status {
    let act = || {
        // SAFETY: NULL, or alive during this call.
        let bulk = unsafe { borrow(bulk, "bulk") }?;
        let summary = bulk.run()?.finish();
        bulk.took.get_or_init(|| summary.elapsed);
        im_error::of_run(&summary)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { boundary(error, act) }
}

/// How far the run is.
///
/// what  IM_COUNT_TAKEN to IM_COUNT_ELAPSED_MS; 0 is the answer to another number
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_count(bulk: *const im_bulk, what: im_count) -> u64 {
    guarded(0, || {
        // SAFETY: NULL, or alive during this call.
        let bulk = unsafe { borrow(bulk, "bulk") };
        bulk.map_or(0, |bulk| bulk.count(what))
    })
}

/// Sends nothing more: what is under way is seen through, and what has not been sent fails as cancelled. Called again,
/// it ends what is under way too. From any thread, but not from a signal handler. NULL is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_cancel(bulk: *const im_bulk) {
    guarded((), || {
        // SAFETY: NULL, or alive during this call.
        let bulk = unsafe { borrow(bulk, "bulk") }.ok();
        if let Some(bulk) = bulk.filter(|bulk| bulk.home.is_here()) {
            bulk.begun().cancel();
        }
    });
}

/// Frees a bulk run; NULL is none. Not while another thread uses it. One that is not finished is ended: what is under
/// way is cancelled, nothing more is sent, and nobody hears what became of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_bulk_free(bulk: *mut im_bulk) {
    // SAFETY: NULL, or made by `im_bulk_new`, freed only once, and in no use.
    guarded((), || unsafe { free(bulk) });
}
