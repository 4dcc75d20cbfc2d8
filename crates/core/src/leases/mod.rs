//! One quota for all processes of an app, on any number of hosts: each runs the quota rule on the slots that it holds, and
//! a store that all of them reach, such as Redis, sees to it that they hold N together.
//!
//! ```text
//!  process                                   store                                   process
//!     │  want 60, keep 20, give back 1 ───────►│                                        │
//!     │◄─────── granted 3, usable in 0 ms … ───│                                        │
//!     │                                        │◄─────── want 60, keep 77 ──────────────│
//!     │                                        │───── give 27 back: others have less ──►│
//! ```
//!
//! A *slot* is the right to one call in each window. It has a moment at which it is free: when its last call was answered
//! and a window and a margin have passed. Its holder uses it earlier, by its own credit, as
//! [the quota rule](crate::quota) does; another process does not, as the credit is about one path. So a slot that changes
//! hands rests for as long as a call takes, and the store moves no more of them than it must.
//!
//! A *lease* is what makes a killed process no loss: a process uses its slots for five seconds after it *sent* the last
//! message that was answered, and the store waits for another 3.002 s, until its last call has surely arrived, before
//! others have them. Nothing in it needs clocks that agree: spans are sent, and each gets longer on its way.
//!
//! What happens when things fail:
//!
//! | what | the app's calls |
//! |---|---|
//! | the store is away | go on for as long as the leases last, then wait; go on a round trip after it is back |
//! | it loses all, restarts, or a replica takes its place | of those who hold slots go on; no process gets new ones for eight seconds |
//! | its clock is set | go on: processes tell by theirs how long it has been |
//! | a message or an answer is lost | go on; what was given back is said again, and what was granted rests |
//! | a process is killed, or stands still | its slots are with others eight seconds later |
//! | a call is rejected for its frequency | are a tenth fewer at once for all processes, as in the quota rule |
//!
//! This module decides all of it, and does nothing: it has no clock, no thread and no socket. [`SharedQuota`] is one
//! operation's slots in a process, [`Lease`] is when the process calls the store, [`Shares`] is how, [`store`] is
//! the store's side. `cargo xtask quota --shared` runs them together in virtual time.
//!
//! ```
//! use std::time::Duration;
//!
//! use imtag_core::leases::store::Store;
//! use imtag_core::leases::{Lease, SharedQuota, Terms};
//! use imtag_core::quota::{Admission, Turn};
//! use imtag_core::{CallRate, Operation};
//!
//! let rate = CallRate::default();
//! let mut store = Store::fresh("run 1", 0, Terms::new(rate));
//! let now = Duration::ZERO;
//! let mut lease = Lease::new("host 1, process 17".to_owned(), rate);
//! let mut quotas = Operation::ALL.map(|_| SharedQuota::new(rate, now));
//!
//! // a call waits
//! let add = Operation::Add as usize;
//! quotas[add].set_queued(1);
//! assert_eq!(quotas[add].turn(now), Turn::AwaitAnswer);
//! assert_eq!(lease.due(quotas.iter().filter_map(SharedQuota::need).min()), Some(now));
//!
//! // the store is called, and grants a slot
//! let message = lease.message(now, |operation, seq| quotas[operation as usize].request(seq, now));
//! let answer = store.call("run 1", 1, &message);
//! let now = Duration::from_millis(2);
//! let renewal = lease.answered(message.seq, &answer, now).expect("it came in time");
//! for (quota, grant) in quotas.iter_mut().zip(&answer.operations) {
//!     quota.take(renewal, grant, now);
//! }
//! assert_eq!(quotas[add].turn(now), Turn::Ready);
//! let call = quotas[add].send(now);
//! quotas[add].set_queued(0);
//!
//! // no other call waits: the slot goes back with the answer
//! quotas[add].answered(call, Duration::from_millis(22), Admission::Admitted);
//! assert_eq!(quotas[add].held(), 0);
//! ```

mod lease;
mod message;
mod pace;
mod slots;
pub mod store;
#[cfg(test)]
mod tests;

pub use lease::{ANSWERED_WITHIN, LEASE, Lease, Need, Renewal};
pub use message::{Answer, Elapsed, Grant, Message, Request, Shares, Terms, Unavailable};
pub use slots::{SharedCall, SharedQuota};
