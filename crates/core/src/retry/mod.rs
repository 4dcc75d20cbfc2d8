//! The retry rule: whether a failed attempt is made again, and when; how long an outage is waited out; and when a bulk run
//! ends early. All is decided here: the transport only says what happened ([`Failure`]), and carries out what is decided.
//! The rules read no clock and draw no random number: `now` and `random` are passed in.
//!
//! ```text
//!            ┌─ at once, after a backoff, or after the quota's window ─┐
//!            ▼                                                         │ attempts, budget and time left
//! call ──► attempt ─┬─ failed: the table decides ──────────────────────┼─► stop, and why
//!            ▲      │                                                  │
//!            │      └─ answered                                        │ no answer
//!            └─ waits for the service, see `outage` ───────────────────┘
//! ```
//!
//! What an attempt gets decides, with backoffs of up to 100, 200, 400 … ms:
//!
//! | failure | the next attempt | counts | budget |
//! |---|---|---|---|
//! | `Refused`, an error inside the service ([`Backoff`](crate::RetryClass::Backoff)) | after a backoff | yes | a retry |
//! | the same in a bulk run, once no retry is left and the service has answered | when the service is well, see [`outage`] | no | – |
//! | `Refused`, too frequent ([`AfterWindow`](crate::RetryClass::AfterWindow)) | after 1 s and a backoff: the quota rule slows the call down, and the deadline ends it | no | – |
//! | `Refused`, the UserSig expired, 70001 ([`NewUserSig`](crate::RetryClass::NewUserSig)) | at once, with a new one, and only once; none where the caller has no other | yes | – |
//! | `Refused`, account check failed ([`OnceLater`](crate::RetryClass::OnceLater)) | after a backoff, and only once | yes | a retry |
//! | `Refused`, any other code ([`Never`](crate::RetryClass::Never)) | none | | |
//! | `Partial`: most of it is done, and the rest is known by name | none | | |
//! | `Unanswered`, `Silent` | when the service is back, see [`outage`]; none where the policy is one attempt | no | – |
//! | `NoSocket` | the same; no other call waits for it, as those that have a connection may go on | no | – |
//! | `WrongEndpoint` | once the service has answered this client, it is a gateway's answer: as `Unanswered`; before, or where the policy is one attempt, none | no | – |
//! | `Page` | the same once the service has answered; before, after a backoff | yes | a retry |
//! | `NotUnderstood`, `NotSent` | after a backoff | yes | a retry |
//! | `Unreadable`, where the caller searches the request for the user at fault | none | | |
//! | `Unreadable` else | after a backoff, and only once: it is the user's data, no fault of the service | yes | – |
//! | `StaleConnection` | at once, over a new one: it says nothing of the service | no | – |
//! | `NoUserSig` in a bulk run, once the service has answered | as an error inside the service: the callback may work again, as the service may | yes | a retry |
//! | `NoUserSig` else, `Cancelled`, `Invalid`, `LeftOut` (of the call; its account: below), `Closed` | none | | |
//!
//! - A backoff has full jitter: it is anything from nothing to `first · 2ⁿ`, at most `longest`.
//! - A client has one [`RetryBudget`] for the retries of all its calls. Where the service answers with errors it runs dry,
//!   and the load on it goes back to one attempt a call; each success fills it again.
//! - A retry that could not start before the deadline is not waited for: the call fails at once.
//! - An attempt has half of the call's time that is left, and all of it after one that was silent: so a short silence of
//!   the service fails no call ([`Retry::attempt_time`]).
//! - An account that a good answer left out is sent again by the same policy and budget, up to `max_attempts` times for
//!   any code that may be repeated ([`RetryPolicy::retry_left_out`]): the service answered, so "once" is of whole calls.

mod attempts;
mod failure;
mod health;
pub mod outage;
mod policy;

pub use attempts::{Decision, Known, Retry};
pub use failure::{Failure, Meaning, Stopped};
pub use health::{RunEnd, RunHealth};
pub use policy::{RetryBudget, RetryPolicy};
