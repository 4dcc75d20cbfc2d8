//! libimtag: tags for the users of Tencent Chat, from a backend.
//!
//! Every call sends at most one request of the service, checked before a byte leaves the machine, paced by the app's
//! quota, retried within its deadline, and answered with what is known of every account. For more users than a request
//! takes there is `im_bulk`, which packs any number of changes into few requests; for servers that tag a user per event
//! `im_batcher`, by which many threads share requests.
//!
//! Conventions
//!
//! - Strings are `im_str`, a pointer and a number of bytes, UTF-8, without a NUL at the end. `IM_STR("text")` makes
//!   one of a literal. Bytes that are not UTF-8 are answered with an error, never passed on.
//! - Handles are made by `im_..._new` and freed by `im_..._free`, which takes NULL. What an accessor returns belongs
//!   to the handle that it was asked of and lives as long; `const char *` ends with a NUL and is never NULL.
//! - Functions that can fail return an `im_status`. `im_error **error` may be NULL; where it is not, it is set to
//!   NULL on entry (an old value is not freed) and to an error, which the caller frees, unless the status is `IM_OK`.
//! - All accounts that failed are named by the error, also those of a partial success, `IM_PARTIAL`.
//! - A client, an `im_bulk`, an `im_batcher`, and a result, error or completions that nobody frees may be used by any
//!   number of threads at once; a config by one at a time; an `im_call` by one call at a time, but for
//!   `im_call_cancel`.
//! - After `fork()` a child may go on with its parent's clients: it has connections of its own. An `im_call` that
//!   was in use at that moment stays in use there. A bulk run or a batcher is its parent's: `IM_MISUSE`.
//! - The library starts no thread but for the look-up of a host's name and to send for bulk runs and batchers, which are
//!   over when these are freed; they take no signals. It prints nothing, changes no signal, and never ends the process. A
//!   NULL or a number that cannot be meant is answered with `IM_MISUSE`.
//! - None of its functions may be called from a signal handler. No callback may leave it by `longjmp`, an exception or
//!   `pthread_exit`, nor return in a child that it has forked.
//! - `pthread_cancel` of a thread takes effect once it is out of the library. A thread that is ending (destructors of
//!   its locals, `atexit`) and has made calls before makes no more: `IM_MISUSE`.
//! - A call needs 128 KiB of stack.
//! - Times are in milliseconds. Secrets (the key, the UserSig) are in no message.
// The C interface is where memory of others is touched, and the only such place. Its types are named as C names them,
// and what C reaches the compiler does not see.
#![allow(unsafe_code, non_camel_case_types, unreachable_pub)]
#![warn(clippy::undocumented_unsafe_blocks)]

mod batched;
mod batcher;
mod boundary;
mod bulk;
mod call;
mod cancellation;
mod change;
mod client;
mod completions;
mod config;
mod credential;
mod error;
mod explain;
mod operations;
mod perform;
mod pointer;
mod process;
mod push;
mod result;
mod status;
mod text;
mod users;
mod version;
