#![doc = include_str!("../README.md")]

mod answer;
mod app;
pub mod catalogue;
mod change;
pub mod leases;
mod limits;
mod operation;
pub mod plan;
pub mod quota;
mod region;
mod request;
pub mod retry;
mod secret;
mod seen;
mod text;
pub mod usersig;
mod violation;

pub use answer::{AccountTags, Answer, NotUnderstood, Refusal, Verdict, shortened, start_of};
pub use app::{Identifier, InvalidIdentifier, InvalidSdkAppId, SdkAppId};
pub use catalogue::{Code, Effect, RetryClass, Scope, UserSigFault};
pub use change::{Change, ChangeRequest, InvalidChange, Tags};
pub use limits::{CallRate, InvalidCallRate, InvalidLimit, Limits, Rules};
pub use operation::{ChangeOperation, Generation, Operation, UnknownGeneration};
pub use region::{Region, UnknownRegion};
pub use request::{AddTags, ClearTags, GetTags, RemoveTags, Request};
pub use secret::{InvalidSecret, SecretKey, UserSig};
#[doc(hidden)] // for what transport and the command line find in settings
pub use secret::{holds_login, may_be_secret, path_may_be_secret, shown_setting};
#[cfg(debug_assertions)]
#[doc(hidden)]
pub use text::counted;
pub use text::{Account, Tag, Text};
pub use violation::{Invalid, Place, Problem, Violation};
