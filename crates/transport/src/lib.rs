#![doc = include_str!("../README.md")]

mod builder;
mod call;
mod client;
mod credentials;
mod endpoint;
mod error;
mod http;
mod outage;
mod outcome;
mod pipeline;
mod process;
mod rate_limiter;
mod redact;
mod state;
mod wait;

pub use builder::{ClientBuilder, SettingsError};
pub use call::CallOptions;
pub use client::Client;
pub use credentials::{CallbackError, Credentials, SuppliedUserSig};
pub use endpoint::{Endpoint, InvalidEndpoint};
pub use error::{Cause, ChangeError, Error, Phase, RunError, Unfinished};
pub use outcome::Outcome;
pub use pipeline::batcher::{Batcher, WhenFull};
pub use pipeline::bulk::{Bulk, BulkRun};
pub use pipeline::options::{BatcherOptions, BulkOptions, ForBatcher, ForBulk, SessionOptions};
pub use pipeline::outcome::{BatcherCompletion, Completion, GetCompletion, Progress, Summary};
#[doc(hidden)] // for libimtag
pub use process::{keep_process_id, process_id};
pub use wait::{CancelToken, WaitEnd};

pub use imtag_core::retry::{RetryPolicy, Stopped};
pub use imtag_core::{
    AccountTags, AddTags, ChangeOperation, ChangeRequest, ClearTags, Code, Effect, Generation,
    GetTags, Invalid, InvalidChange, Limits, Operation, Place, Problem, Refusal, Region,
    RemoveTags, Request, RetryClass, Rules, Scope, SdkAppId, SecretKey, Tags, UserSig, Violation,
};
