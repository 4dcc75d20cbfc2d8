#![doc = include_str!("../README.md")]

mod account;
mod answer;
mod app;
mod call_rate;
pub mod catalogue;
mod change;
mod checked;
mod limits;
mod object;
mod operation;
pub mod outage;
pub mod packing;
pub mod plan;
pub mod quota;
mod region;
mod request;
#[cfg(test)]
mod request_tests;
pub mod retry;
mod secret;
mod seen;
mod text;
pub mod usersig;
mod violation;

#[cfg(debug_assertions)]
#[doc(hidden)]
pub use account::counted;
pub use account::{Account, Tag, UserTags};
pub use answer::{
    AccountTags, Answer, AnswerReader, LeftOut, NotUnderstood, Refusal, Verdict, shortened,
    start_of,
};
pub use app::{Identifier, InvalidIdentifier, InvalidSdkAppId, SdkAppId};
pub use call_rate::{CallRate, InvalidCallRate};
pub use catalogue::{Code, Effect, RetryClass, Scope};
pub use change::{Change, ChangeRequest, InvalidChange};
pub use limits::{InvalidLimit, Limits, Rules};
pub use operation::{ChangeOperation, Generation, Operation, UnknownGeneration};
pub use region::{Region, UnknownRegion};
pub use request::{AddTags, BatchRequest, ClearTags, GetTags, RemoveTags, Request};
pub use secret::{InvalidSecret, SecretKey, UserSig};
pub use text::Text;
pub use violation::{Invalid, Place, Problem, Violation};
