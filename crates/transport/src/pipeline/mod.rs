//! The changes of all bulk runs and batchers of a client, in one process. There is one plan for all of them, as an
//! account has at most one operation under way, and a session for each run or batcher.
//!
//! ```text
//!  callers                        one lock                                 workers
//!
//!  push, submit, call ──► ┌──────────────────────────┐  next request ──► a worker of the session
//!                         │ plan                     │                   sends it (quota, attempts, answer)
//!  poll, call, ◄───────── │ sessions: flags, counts, │ ◄── settle ───────┘
//!  future     outcomes    │   outcomes, who waits    │
//!                         └──────────────────────────┘
//! ```
//!
//! A batcher's get is a change that reads: all that is said here of changes holds for gets too, except that they have no
//! order with changes, and are never possibly applied: a get whose caller has gone is *not read*, and is not sent again.
//!
//! Words: `push` gives a change to a bulk run and `submit` to a batcher, whose outcomes are polled; `call` gives one to
//! a batcher and waits for its outcome, `call_async` returns a future of it, and `call_all_async_within` one of many, which
//! are given in one step (`future.rs`). A *request* is what a worker sends, for one *operation* (add, get, remove,
//! clear); a *replace* is an add whose requests hold nothing else. To *settle* a request gives its changes their outcomes, or queues them again. A change *lingers* while it
//! waits for others to share its request. After an attempt without an answer the account's next change waits for the
//! *late window*, as the attempt may still arrive. A change that is in no request yet, or in one that has had no turn in the
//! quota, can be *taken back*: it is not sent. One that was sent can be *disowned*: its request goes on, it has no outcome,
//! and counts as over. A session is
//! *touched* by a step that changes it, or may have made something ready for it. A run *drains* when it is cancelled
//! once: it sends nothing more, and sees through what is under way.
//!
//! # Steps and waits
//!
//! All state is behind one lock, and there are two ways to it (`engine.rs`, where all of this stands). A *step*
//! (`with`) changes it and never waits. A *wait* (`wait`) looks, and parks its thread until a look finds something;
//! callers and workers wait in the same loop. After each step `follow_up` decides what follows from it, for each
//! session that was touched: its outcomes are delivered; it is staffed: a worker is woken or started, or none
//! (`workers.rs` has the rule); and its callers are woken if something came that one of them may wait for. Then the
//! lock is free, and the thread that made the step unparks and starts the others.
//!
//! A step cannot forget to wake: what it takes to change a session touches it, and what callers wait for is compared with
//! what it was (`Watched`). A build with debug assertions checks that no session differs that was not touched.
//!
//! A change has the states that the plan draws; its outcome goes to the thread of a `call`, to a future, to a poll, or nowhere
//! (`outcome.rs`). `session.rs` draws a session's states, `workers.rs` a worker's, and `worker.rs` what a worker does.
//!
//! # Threads, and who wakes them
//!
//! | thread | sleeps while | is woken by |
//! |---|---|---|
//! | in `call` | its change has no outcome | the step that settles the change; its deadline or token |
//! | in `push`, `submit`, `poll`, `flush`, `close`, `finish` | its look finds nothing | each step after which more changes of the session are over (settled, taken back, disowned), or there is capacity again, or which closes, ends, pauses or resumes it, or ends its last worker; its deadline or token. All callers of the session look then |
//! | a task that awaits a future | its change has no outcome | the step that settles the change; of changes that were given together, the last of them |
//! | the same, where there is no capacity | its change is not taken | a step after which there is capacity: the first of those tasks, which wakes the next by what it does; a step that closes or ends the session: all |
//! | an idle worker | nothing can be sent | a step after which a request is ready: one worker, which wakes the next if there is more; its timer; a `close`, `finish`, `abandon` or drop that waits for the workers, which end then |
//! | a busy worker | quota, backoff, the network | an answer, a failure, the request's time, the session's tokens (`Session::cancel`, `drain`) |
//! | in `close`, `finish`, `abandon` or a drop, once all is over | a worker has not ended | the step that ends the last worker |
//!
//! No wake is lost. A thread enters the list of those that wait in the look that found nothing, with the same lock; an
//! unpark that comes before the park makes the park return at once; and a thread asks its tokens, with no lock, after
//! it is registered with them, so one that is cancelled just before is seen. A wake too many costs a look.
//!
//! # Workers
//!
//! A session begins with no worker. Each operation has at most half as many requests under way as the calls per second, but
//! at least 64 and at most 512, and there are at most as many workers as all four together may need, but 1,024
//! (`session.rs`). Example: of 100 calls a second 64 requests of each operation, and 256 workers. If adds and removes hang,
//! 128 workers wait for these, and gets and clears go on. If the system gives no thread, a busy worker looks when its
//! request is done. If there is no worker at all, what is in no request fails (`NoThread`), and what comes
//! later tries again; a session that pauses does so instead, as what comes later may not be sent before. Workers end once the session is closed and all is over, not before.
//!
//! The *timer* is the moment when something may be ready: a linger or a late window ends, a retry is due, a change of a
//! paused session expires. One idle worker sleeps until then, the others until they are woken; with nothing to come, no
//! thread of the session wakes. If an earlier moment comes up, an idle worker is woken to hold that. If the last idle
//! worker takes a request while there is such a moment, another is started to hold it, as long as there are fewer than
//! the most. At the most, and where the system gives no thread, nobody holds it: the first worker that is done looks.
//!
//! # What ends what
//!
//! | | takes more changes | in no request | in a request | waits for |
//! |---|---|---|---|---|
//! | `flush` | yes | is sent without lingering, if it was given before | goes on | the changes given before |
//! | batcher's `close` | no | is sent without lingering | goes on | all changes, then the workers |
//! | run's `finish` | no | lingers only while a change waits for an earlier one of its account, and a request is under way | goes on | all changes, then the workers |
//! | drain, or the first `Bulk::cancel` | no | fails | goes on to its answer, but is not tried again | nothing |
//! | batcher's `hold` | no | waits for the `abandon` | goes on to its answer; what fails, or has had no turn, waits as well | the requests under way |
//! | cancel, or the second `Bulk::cancel` | no | fails | ends; its changes are not applied, or possibly applied | nothing |
//! | the service became unavailable, or refuses all (`core/retry/health.rs`) | no | fails | goes on | nothing |
//! | the same, if the session is to pause | while there is capacity | waits for the resume, or its time is up; so do later changes of its account, of any session | goes on; what fails waits for the resume, too | nothing |
//! | `abandon`, drop | no | fails | ends, as by a cancel | the workers; then the session is removed |
//!
//! The token of a `call`, a `flush` or a `close` only ends the wait of its thread, and no worker notices. A change of a
//! `call` that was not sent is taken back then. One that was sent goes on without its caller, who hears that it is
//! *possibly applied*. If the outcome and the token or deadline come together, the outcome wins: each wait looks once
//! more at its end.
//!
//! Example: a linger ends while all workers are busy. Below the most workers that does not last: one is started to hold
//! the timer, and takes the new request. At the most nobody looks until a worker is done with its request. No request
//! ends alone by a cancel: the session's tokens end all of them, and then the changes that lingered have failed
//! already. So it is an answer, a failure or a deadline that frees the worker; it settles its request, looks, and finds
//! the linger over.
//!
//! # Locks, forks, drops
//!
//! The pipeline's lock comes first. With it only the slot of a `call`'s outcome is locked. The lock of a token or of
//! the quota is never taken with it. No lock's guard does work when it is dropped; to drop a run or a batcher abandons
//! it, which waits for its workers. A task's waker is its executor's code, which may drop a future, and so make a step: it is
//! cloned, woken and dropped without a lock.
//!
//! A forked child has a copy of the memory and none of the threads, and the lock may be held for ever. So a session
//! knows its process, and does nothing in another. In the child a `call`, `push`, `submit` or future fails as `Forked`, a
//! poll returns nothing, `flush` and `close` succeed, a summary says `Forked`, and a drop does nothing. The client makes a
//! new pipeline there (`PerProcess`), and never touches or drops its parent's.
//!
//! # Proof
//!
//! `tests/models` runs these files on threads whose orders are tried by shuttle: a lost wake is found as a deadlock.

pub(crate) mod batcher;
pub(crate) mod bulk;
pub(crate) mod engine;
pub(crate) mod future;
mod handover;
pub(crate) mod offer;
pub(crate) mod options;
pub(crate) mod outcome;
mod queue;
mod request;
mod session;
pub(crate) mod stats;
mod submissions;
mod withdraw;
mod worker;
mod workers;
