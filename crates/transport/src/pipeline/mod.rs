//! The changes of all bulk runs and batchers of a client, in one process. There is one plan for all of them, as an account
//! has at most one operation under way, and a session for each run or batcher.
//!
//! ```text
//!  callers                        one lock                                 workers
//!
//!  push, submit, call ──► ┌──────────────────────────┐  next request ──► a worker of the session:
//!                         │ plan                     │                   one call (quota, attempts, answer)
//!  poll, call ◄────────── │ sessions: flags, counts, │ ◄── settle ───────┘
//!             outcomes    │   outcomes, who waits    │
//!                         └──────────────────────────┘
//! ```
//!
//! # Steps and waits
//!
//! All state is behind one lock, and there are two ways to it (`engine.rs`). A *step* (`with`) changes it and never waits. A
//! *wait* (`wait`) looks, and parks its thread until a look finds something; callers and workers wait in the same loop.
//! After each step `follow_up` decides what follows from it, for each session that was touched: its outcomes are
//! delivered, and it is staffed: a worker is woken or started, or none (`workers.rs` has the rule). Then the lock is free,
//! and only then threads are unparked and started. Dropping something does no work, but
//! that of a run or a batcher, which is then abandoned.
//!
//! # States
//!
//! - a change: the plan draws them. Its outcome goes to the thread of a `call`, to a poll, or nowhere (`outcome.rs`);
//! - a session: `session.rs` draws them;
//! - a worker: `workers.rs` draws them, and `worker.rs` what it does.
//!
//! # Threads, and who wakes them
//!
//! | thread | sleeps while | is woken by |
//! |---|---|---|
//! | a `call` | its change has no outcome | the step that settles the change; its deadline or token |
//! | a caller in `push`, `submit`, `poll`, `flush`, `close`, `finish` | its look finds nothing | each step that settles a change of the session, takes a request (there is capacity), takes a change back, closes or ends the session; its deadline or token. All callers of the session look then |
//! | a worker that is idle | nothing can be sent | a step after which a request is ready: one worker, which wakes the next if there is more; its timer (a linger or late window that ends, a retry that is due), which one idle worker holds; the close |
//! | a worker in a call | quota, backoff, the network | what ends any call: time, an answer, the session's tokens |
//!
//! No wake is lost: a thread enters the list of those that wait in the look that found nothing, with the same lock; and an
//! unpark that comes before the park makes the park return at once. A wake too many costs a look.
//!
//! # Order of locks
//!
//! The pipeline's lock comes first. With it only the slot of a `call`'s outcome is locked. The lock of a token, of the retry
//! budget or of the quota is never taken with it.
//!
//! # Proof
//!
//! `tests/models` runs these files on threads whose orders are tried by shuttle: a lost wake is found as a deadlock.
//!
//! # What a cancel does
//!
//! - The token of a `call`, a `flush` or a `close` unparks the caller's thread. A change that is in no request is taken
//!   back; one in a request goes on without its caller. No worker notices.
//! - A run's `drain`, or the first `cancel`: no more is sent. Changes in no request fail, and requests under way finish.
//! - A run's `cancel` token, the second `cancel`, or a drop: the calls under way end too, and each worker settles its
//!   request by what is known of its effect.
//!
//! Example: a linger ends while all workers are busy, and one of them is cancelled. As long as there were fewer workers
//! than the most, there is an idle one that holds the timer, as one was started when the last one took a request: it takes
//! the new request. At the most, nobody holds the timer: the first worker whose call ends looks, and finds the linger over.
//! A call that is cancelled ends at once; so its worker settles its request, looks, and takes the new one, unless the whole
//! session was cancelled: then the changes that lingered have failed already, and the workers end when the session closes.
//!
//! # What a fork does
//!
//! The child has a copy of the memory and none of the threads, and the lock may be held for ever. So a session knows the
//! process that it belongs to, and does nothing in another: each method returns at once, and says so where it can. The
//! client makes a new pipeline in the child (`PerProcess`), and never touches or drops its parent's.

pub(crate) mod batcher;
pub(crate) mod bulk;
pub(crate) mod engine;
pub(crate) mod options;
pub(crate) mod outcome;
mod session;
mod submissions;
mod withdraw;
mod worker;
mod workers;
