//! Waits, over the threads and the clock of the models.

#[path = "../../src/wait/cancel.rs"]
mod cancel;
#[path = "../../src/wait/deadline.rs"]
mod deadline;
#[path = "../../src/wait/host_poll.rs"]
mod host_poll;
#[path = "../../src/wait/sleeper.rs"]
mod sleeper;
#[path = "sync.rs"]
pub(crate) mod sync;
#[path = "../../src/wait/waiters.rs"]
mod waiters;

pub use cancel::CancelToken;
pub use deadline::WaitEnd;

pub(crate) use cancel::{Blocked, Watch};
pub(crate) use deadline::{Polled, WaitScope, deadline_after, deadline_from};
pub(crate) use host_poll::{HostPoll, Interrupt};
pub(crate) use sleeper::Sleeper;
pub(crate) use sync::{AtomicBool, AtomicU64, Lock, now, process_id, thread};
pub(crate) use waiters::{WaitPlace, Waiters};
