//! Failures of calls, changes and runs, as data and in words. No part holds the query string, the UserSig or the key.
//!
//! ```text
//! answer ─► Refusal (core) ─► Cause ─► Error: a call ──┬──────────────────────────────────► its caller
//!                                                      └─► the plan ─► ChangeError: a change ─► its caller
//! ```
//!
//! The cause is put into an error once, and shared from there on. [`text`] makes all sentences.

mod cause;
mod change;
mod judge;
mod refused_usersig;
mod text;

pub use cause::{Cause, Error, Phase, ProxyFailure, RunError};
pub use change::{ChangeError, Unfinished};
pub(crate) use judge::{is_gateway_status, is_local_failure};
pub use refused_usersig::date_and_time;
pub(crate) use refused_usersig::{UserSigSource, explain};
pub(crate) use text::counted;
