//! Every wait of a call: until a deadline or a cancel, whichever comes first. A wait parks the thread
//! ([`WaitScope::wait_until`]), or polls a socket that a cancel shuts. Asynchronous tasks have waits of their own, without an
//! end of ours (`sleeper.rs`).
//!
//! ```text
//! WaitScope ─┬─ deadline
//!            ├─ CancelToken (cancel, drain) ── Watch ──► wakes the thread, or shuts the socket
//!            └─ HostPoll ── asks the host about every 100 ms, on the thread that waits
//! ```

mod cancel;
mod deadline;
mod host_poll;
mod sleeper;
mod sync;
mod waiters;

pub use cancel::CancelToken;
pub use deadline::WaitEnd;

pub(crate) use cancel::{Blocked, Watch};
pub(crate) use deadline::{Polled, WaitScope, deadline_after, deadline_from};
pub(crate) use host_poll::{HostPoll, Interrupt};
pub(crate) use sleeper::Sleeper;
pub(crate) use sync::{AtomicBool, AtomicU64, Lock, now, process_id, thread};
pub(crate) use waiters::{WaitPlace, Waiters};
