//! The plan: which changes go into which request, and when an account's next change may be sent.
//!
//! Changes, and gets of tags, come from any number of *producers* (a bulk run, a batcher), each with requests of its own.
//! Accounts are shared by all producers.
//!
//! ```text
//! push ─► waiting ─► in packer ─► in a request ─► settled ─► taken by the producer
//!            │           │         │    ▲  │         ▲
//!            │           │         │    │  └─────────┤ answered: done, rejected or failed. An attempt that may arrive
//!            │           │         │    │            │ late holds the account's next change for the late window
//!            │           │         ▼    │            │
//!            │           │     waits to go again     │ left out, postponed, or a part of a request that failed
//!            │           │                           │
//!            ├───────────┼───────────────────────────┘ expired, previously rejected, or its producer ended
//!            └───────────┴─► withdrawn: no outcome
//! ```
//!
//! | state | where it is | it leaves when |
//! |---|---|---|
//! | waiting | the account's queue (`accounts.rs`; itself it is an `Entry`, `item.rs`) | it is the first there, no slot of the account is in a request, and no late attempt can undo it |
//! | in packer | the producer's queue of its operation (`queue.rs`): among the fresh ones, or the suspects | there are 100 users or a full slot, the linger time is over, it came before a flush, or the producer is flushing; a suspect has its turn |
//! | in a request | a batch (`batch.rs`, formed in `form.rs`) | its producer settles the batch |
//! | waits to go again | a batch or a slot, in the producer's queue of its operation | it is due, or has its turn |
//! | settled | the producer's list of outcomes (`item.rs`) | the producer takes it |
//!
//! A change of several slots is in the packer and in requests at once, until its last slot is taken.
//!
//! - The changes of an account are sent in the order in which they came, as an add that arrives after a later remove would
//!   undo it. The slots of *one* change may be in requests together, as may neighbours of the same operation that share a
//!   slot: their order makes no difference.
//! - A get goes the same way, and reads where a change changes: it shares slots and requests, is looked for among those that
//!   failed, and is tried again. It has no order with changes. So the gets of a producer have accounts of their own
//!   (`activate.rs`): they wait for no change and no late window, and no change waits for them. A get that comes while one
//!   of its account is in a request waits for that answer and is sent anew, as a change may have been answered between.
//! - A request that fails without naming what is at fault holds a fault, which is looked for (`settle.rs`):
//!
//! ```text
//! 100 failed ─► 50 tested ─┬─ fail: they hold the fault, and so on; nothing is known of the other 50, which go back
//!                          └─ pass: the other 50 hold the fault, and so on
//! ```
//!
//! - An account that was found at fault is a suspect for a minute: its changes go in requests of their own. Which of all
//!   these has its turn, `queue.rs` decides.
//! - Accounts that were rejected are remembered, where the producer asks for it.
//! - Of an account with many changes only the first few take part in the producer's capacity, so it stops no others.
//!
//! There is no clock and no lock here: `now` comes in, measured from any fixed origin.

mod accounts;
mod activate;
mod arena;
mod batch;
mod flush;
mod form;
mod item;
mod packer;
mod queue;
mod schedule;
mod settle;
#[cfg(test)]
mod tests;

pub use arena::{ChangeId, ProducerId};
pub use batch::Batch;
pub use flush::Flush;
pub use item::{BatchResult, ChangeFailure, Item, Query, Settled};
pub use packer::lower_bound;
pub use queue::{BatchPolicy, Readiness};
pub use schedule::Plan;
