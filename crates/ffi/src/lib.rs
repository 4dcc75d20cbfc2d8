//! libimtag: tags for the users of Tencent Chat, from a backend.
//!
//! Every call sends at most one request. The request is checked before a byte leaves the machine, paced by the app's
//! quota, retried within its deadline, and answered with what is known of every account. `im_bulk` is for more users
//! than a request takes: it packs any number of changes into few requests. `im_batcher` is for servers that tag a user
//! per event: it lets many threads share requests.
//!
//! Conventions
//!
//! - Strings are `im_str`, a pointer and a number of bytes, UTF-8, without a NUL at the end. `IM_STR("text")` makes
//!   one of a literal. Bytes that are not UTF-8 are an error and are never sent.
//! - Handles are made by `im_..._new` and freed by `im_..._free`, which takes NULL. What an accessor returns belongs
//!   to its handle and lives as long as that does; `const char *` ends with a NUL and is never NULL.
//! - Functions that can fail return an `im_status`. `im_error **error` may be NULL; where it is not, it is set to
//!   NULL on entry (an old value is not freed) and to an error, which the caller frees, unless the status is `IM_OK`.
//! - The error names each account that failed, also after a partial success, `IM_PARTIAL`.
//! - Any number of threads at once may use a client, an `im_bulk`, an `im_batcher` or an `im_log`, and may read what they
//!   return until it is freed. A config is for one thread at a time. An `im_call` is for one call at a time;
//!   `im_call_cancel` may run beside it.
//! - After `fork()` a child may use its parent's clients: it has connections of its own. An `im_call` that was in use
//!   during the fork stays in use in the child. A bulk run, a batcher or a log is its parent's: `IM_MISUSE`.
//! - The library starts threads to look up a host's name, and to send for bulk runs and batchers; the latter end when
//!   these are freed. Its threads block all signals. The library prints nothing (`im_log` has what it decides), changes no signal handler, and never
//!   ends the process. A NULL that is not allowed, or a number that cannot be meant, is `IM_MISUSE`.
//! - None of its functions may be called from a signal handler. No callback may leave it by `longjmp`, an exception or
//!   `pthread_exit`, nor return in a child that it has forked.
//! - `pthread_cancel` takes effect once the thread has left the library. A thread that has made calls makes no more
//!   while it ends (in destructors of its locals, in `atexit`): `IM_MISUSE`.
//! - A call needs 128 KiB of stack.
//! - Times are in milliseconds. Secrets (the key, the UserSig) are in no message and no log.
// Only the C interface touches memory that Rust does not own. Its types have the names that C gives them, and rustc does
// not see what C uses.
#![allow(unsafe_code, non_camel_case_types, unreachable_pub)]
#![warn(clippy::undocumented_unsafe_blocks)]

mod batcher;
mod boundary;
mod bulk;
mod call;
mod change;
mod completions;
mod config;
mod credential;
mod error;
mod explain;
mod from_env;
mod handle;
mod log;
mod panic;
mod process;
mod requests;
mod result;
mod stats;
mod status;
mod str;
mod users;
