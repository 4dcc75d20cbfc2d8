//! Logs: what the library decides, as records in a bounded queue that the host reads. No callback, as it would run on the
//! library's threads, within calls, and in forked children.
//!
//! ```text
//! event ──► the subscriber, one a process ──► each log of this process that takes its level: a queue ──► im_log_next
//! ```
//!
//! A forked child has its parent's subscriber, and logs of its own: it touches no lock that a thread of its parent may hold.
//! Where there is no log, an event is one look at a number.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ffi::{CString, c_char};
use std::fmt::Debug;
use std::mem;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use imtag_transport::{PerProcess, process_id};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber, callsite, dispatcher};

use crate::boundary::{millis, status};
use crate::error::im_error;
use crate::handle::{Misuse, Out, free, lock, read};
use crate::panic::guarded;
use crate::process::{check_owner, is_owner, keep_number};
use crate::status::{IM_CLOSED, im_status};
use crate::str::c_string;

/// What the library decides, as records to read: attempts, repetitions, waits for the quota, outages, UserSigs,
/// connections, requests of bulk runs and batchers. Of all clients of this process, from `im_log_new` until
/// `im_log_close`. Made by `im_log_new`; freed by `im_log_free`.
///
/// Any number of threads may use it at once, and there may be several, each with a level of its own. The library never
/// waits for a reader: where the queue is full, new records are dropped, and a record says how many. Records are lost
/// when the process ends before they are read. In a forked child its functions return `IM_MISUSE`, nothing that the
/// child does is in it, and `im_log_free` does not touch what is the parent's: make one there. Without a log a call costs
/// what it costs anyway.
pub struct im_log {
    owner: u32,
    queue: Arc<Queue>,
}

/// A record of a log. Made by `im_log_next`, freed by `im_log_record_free`; read by any thread, also when the log is
/// freed. Every function that reads one takes NULL, and then returns 0 or "".
#[derive(Clone)]
pub struct im_log_record {
    level: im_log_level,
    time_us: u64,
    message: CString,
    fields: CString,
}

/// How much a record matters, and up to which a log takes records: one of `IM_LOG_ERROR` to `IM_LOG_TRACE`.
pub type im_log_level = i32;

/// Something is broken. The library has no such record today, as its errors say what failed.
pub const IM_LOG_ERROR: im_log_level = 1;
/// Something to act on, or that cost time: "service unavailable", "calls wait for a host" (while others go to another),
/// "handed over" (to the spare host), "rejected as too frequent" (others use the app's quota, too), "app refused" (the app, its
/// credentials or its plan), "no UserSig", "session paused", "session ended early" (of a bulk run or a batcher).
pub const IM_LOG_WARN: im_log_level = 2;
/// A few a minute: "service is back", "no call waits for the host any more", "app accepted", "handed back" (to the first host), "new UserSig", "UserSig expired", "session began", "session resumed", "session ended".
pub const IM_LOG_INFO: im_log_level = 3;
/// A few for each call: "attempt ended", "trying again", "call failed", "waited for the quota", "request formed", "request
/// split", "host looked up", "look-up failed", "address failed", "connection opened", "idle connection was dead".
pub const IM_LOG_DEBUG: im_log_level = 4;
/// All that there is.
pub const IM_LOG_TRACE: im_log_level = 5;

/// The records of a log that are not read.
struct Queue {
    level: im_log_level,
    capacity: usize,
    state: Mutex<State>,
    came: Condvar,
}

#[derive(Default)]
struct State {
    /// Each with what was dropped before it.
    records: VecDeque<(Option<Dropped>, im_log_record)>,
    dropped: Option<Dropped>,
    /// Threads that wait for a record: where there is none, nobody is woken, which would take a system call.
    readers: usize,
    is_closed: bool,
}

/// Records for which there was no capacity.
struct Dropped {
    count: u64,
    /// When the first was.
    time_us: u64,
}

impl Queue {
    fn push(&self, record: im_log_record) {
        let mut state = lock(&self.state);
        if state.records.len() >= self.capacity {
            let time_us = record.time_us;
            let first = Dropped { count: 0, time_us };
            state.dropped.get_or_insert(first).count += 1;
            return;
        }
        let dropped = state.dropped.take();
        state.records.push_back((dropped, record));
        if state.readers > 0 {
            self.came.notify_one();
        }
    }

    /// The next record. Waits for one, at most so long; `Err` if the log is closed and all are read.
    fn next(&self, timeout: Option<Duration>) -> Result<Option<im_log_record>, ()> {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = lock(&self.state);
        loop {
            if let Some(record) = state.take() {
                return Ok(Some(record));
            }
            if state.is_closed {
                return Err(());
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            state.readers += 1;
            state = match left {
                None => self
                    .came
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.came.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.readers -= 1;
        }
    }

    fn close(&self) {
        lock(&self.state).is_closed = true;
        self.came.notify_all();
    }
}

impl State {
    fn take(&mut self) -> Option<im_log_record> {
        let dropped = match self.records.front_mut() {
            Some((dropped, _)) => dropped.take(),
            None => self.dropped.take(),
        };
        match dropped {
            Some(dropped) => Some(dropped.record()),
            None => Some(self.records.pop_front()?.1),
        }
    }
}

impl Dropped {
    fn record(&self) -> im_log_record {
        im_log_record {
            level: IM_LOG_WARN,
            time_us: self.time_us,
            message: c_string("log records were dropped"),
            fields: c_string(format!("{{\"dropped\":{}}}", self.count)),
        }
    }
}

/// The logs of this process.
static LOGS: PerProcess<Mutex<Vec<Arc<Queue>>>> = PerProcess::empty();

/// The greatest level that a log takes; 0 where there is none. A child begins with its parent's.
static LEVEL: AtomicI32 = AtomicI32::new(0);

thread_local! {
    /// Whether what this thread does is in no log.
    static IS_LEFT_OUT: Cell<bool> = const { Cell::new(false) };
}

fn logs() -> &'static Mutex<Vec<Arc<Queue>>> {
    LOGS.get(Mutex::default)
}

/// Changes the logs of this process, and has the library look which of its events they take.
fn change_logs(change: impl FnOnce(&mut Vec<Arc<Queue>>)) {
    let mut logs = lock(logs());
    change(&mut logs);
    let greatest = logs.iter().map(|log| log.level).max().unwrap_or(0);
    LEVEL.store(greatest, Ordering::SeqCst);
    callsite::rebuild_interest_cache(); // without a lock, as there is one subscriber
}

/// Takes the library's events for the logs.
struct ToLogs;

impl ToLogs {
    /// Installs it, once in a process and those that it forks.
    fn install() -> Result<(), Misuse> {
        const NONE: u8 = 0;
        const INSTALLING: u8 = 1;
        const INSTALLED: u8 = 2;
        static STATE: AtomicU8 = AtomicU8::new(NONE);
        // with the lock, so no other thread of this process is at it
        let _logs = lock(logs());
        match STATE.load(Ordering::SeqCst) {
            NONE => {
                STATE.store(INSTALLING, Ordering::SeqCst);
                let set = dispatcher::set_global_default(Dispatch::new(ToLogs));
                set.map_err(|error| Misuse::new(error.to_string()))?;
                STATE.store(INSTALLED, Ordering::SeqCst);
            }
            // what the parent has left half done may hold a lock for ever
            INSTALLING => {
                let why = "this process was forked while its parent made its first log: make that before the fork";
                return Err(Misuse::new(why));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Subscriber for ToLogs {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = number(*metadata.level());
        metadata.target() == "imtag" && level <= LEVEL.load(Ordering::Relaxed)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match LEVEL.load(Ordering::Relaxed) {
            0 => LevelFilter::OFF,
            1 => LevelFilter::ERROR,
            2 => LevelFilter::WARN,
            3 => LevelFilter::INFO,
            4 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        })
    }

    fn event(&self, event: &Event<'_>) {
        if IS_LEFT_OUT.get() {
            return;
        }
        let level = number(*event.metadata().level());
        let logs = lock(logs());
        let mut takers = logs.iter().filter(|log| level <= log.level).peekable();
        if takers.peek().is_none() {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let record = im_log_record {
            level,
            time_us: u64::try_from(now.unwrap_or_default().as_micros()).unwrap_or(u64::MAX),
            message: c_string(fields.message),
            fields: c_string(Value::Object(fields.others).to_string()),
        };
        takers.for_each(|log| log.push(record.clone()));
    }

    // the library has no spans
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn number(level: Level) -> im_log_level {
    match level {
        Level::ERROR => IM_LOG_ERROR,
        Level::WARN => IM_LOG_WARN,
        Level::INFO => IM_LOG_INFO,
        Level::DEBUG => IM_LOG_DEBUG,
        Level::TRACE => IM_LOG_TRACE,
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.others.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        if field.name() == "message" {
            self.message = value;
        } else {
            self.add(field, value);
        }
    }
}

/// Makes a log, which takes records from now on.
///
/// level     the least important that it takes: IM_LOG_ERROR to IM_LOG_TRACE
/// capacity  how many records wait to be read, some hundred bytes each; 0 counts as 1
/// log       not NULL. NULL on entry; set on IM_OK. Free: im_log_free
/// error     may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_log_new(
    level: im_log_level,
    capacity: usize,
    log: *mut *mut im_log,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, || {
        // SAFETY: NULL or writable until the function returns, as it documents.
        let log = unsafe { Out::cleared(log) }.needed("log")?;
        if !(IM_LOG_ERROR..=IM_LOG_TRACE).contains(&level) {
            let why = format!("level: {level} is none: IM_LOG_ERROR to IM_LOG_TRACE");
            return Err(Misuse::new(why).into());
        }
        keep_number();
        ToLogs::install()?;
        let queue = Arc::new(Queue {
            level,
            capacity: capacity.max(1),
            state: Mutex::default(),
            came: Condvar::new(),
        });
        change_logs(|logs| logs.push(Arc::clone(&queue)));
        log.give(|| im_log {
            owner: process_id(),
            queue,
        });
        Ok(())
    })
}

/// Returns the next record, in the order in which they came. If there is none, it waits for one, at most timeout_ms. Of
/// several threads that wait each record wakes one.
///
/// timeout_ms  0: does not wait. UINT64_MAX: as long as it takes; im_log_close ends the wait
/// record      not NULL. NULL on entry; set if there is a record. Free: im_log_record_free
/// error       may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_OK with NULL for the record: the time is up. IM_CLOSED: the log is closed, and all records are read.
/// Where records were dropped, one in their place says so: IM_LOG_WARN, "log records were dropped", {"dropped":12}.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_log_next(
    log: *mut im_log,
    timeout_ms: u64,
    record: *mut *mut im_log_record,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, out(record), |log| {
        check_owner(log.owner, "log")?;
        let timeout = (timeout_ms < u64::MAX).then(|| millis(timeout_ms));
        let next = log.queue.next(timeout);
        let next = next.map_err(|()| {
            let why = "the log is closed, and all its records are read";
            Box::new(im_error::not_sent(IM_CLOSED, why, "make another log"))
        })?;
        if let Some(next) = next {
            record.give(|| next);
        }
        Ok(())
    })
}

/// Ends a log: it takes no more records, and wakes all threads that wait in im_log_next. The records that it has can be
/// read. Any thread, any number of times, but not from a signal handler. NULL does nothing, as in a forked child.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_log_close(log: *const im_log) {
    read!(log, (), log.close());
}

impl im_log {
    fn close(&self) {
        if is_owner(self.owner) {
            change_logs(|logs| logs.retain(|log| !Arc::ptr_eq(log, &self.queue)));
            self.queue.close();
        }
    }
}

impl Drop for im_log {
    fn drop(&mut self) {
        self.close();
        if !is_owner(self.owner) {
            // a thread of the parent may have been at it during the fork
            mem::forget(Arc::clone(&self.queue));
        }
    }
}

/// Frees a log, with the records that it has; NULL does nothing. Not while another thread uses it: im_log_close ends their
/// waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_log_free(log: *mut im_log) {
    free!(log);
}

/// Leaves out of all logs what the calling thread does from now on; false: no longer. For a thread that passes records on to
/// code that may make calls, as each of these would bring more records. What bulk runs and batchers do on threads of their
/// own stays in.
#[unsafe(no_mangle)]
pub extern "C" fn im_log_leave_out_thread(leave_out: bool) {
    guarded((), || IS_LEFT_OUT.set(leave_out));
}

/// How much the record matters: IM_LOG_ERROR to IM_LOG_TRACE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_log_record_level(record: *const im_log_record) -> im_log_level {
    read!(record, 0, record.level)
}

/// When it was, in microseconds since the Unix epoch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_log_record_time_us(record: *const im_log_record) -> u64 {
    read!(record, 0, record.time_us)
}

/// What happened, in a few words that are the same each time, such as "attempt ended".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_log_record_message(record: *const im_log_record) -> *const c_char {
    read!(record, c"".as_ptr(), record.message.as_ptr())
}

/// What is known of it, as one JSON object with strings, numbers and booleans: {"attempt":1,"duration_ms":12.3,
/// "host":"adminapisgp.im.qcloud.com","operation":"add",...}. No key, UserSig, account or tag is in it. Fields may come and
/// go with a minor version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_log_record_fields(record: *const im_log_record) -> *const c_char {
    read!(record, c"".as_ptr(), record.fields.as_ptr())
}

/// Frees a record; NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_log_record_free(record: *mut im_log_record) {
    free!(record);
}
