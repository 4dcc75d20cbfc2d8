#![doc = include_str!("../README.md")]

mod app_quota;
mod builder;
mod call;
mod cause;
mod change_error;
mod client;
mod credentials;
mod endpoint;
mod error;
mod http;
mod options;
mod outage;
mod outcome;
mod pipeline;
mod process;
mod process_age;
mod query;
mod random;
mod rate_limiter;
mod redact;
mod refused_usersig;
mod settings;
mod state;
mod threads;
mod wait;

pub use builder::{ClientBuilder, SettingsError};
pub use cause::{Cause, Failure, Partial, Phase};
pub use change_error::{ChangeCause, ChangeError};
pub use client::Client;
pub use credentials::{CallbackError, Credentials, SuppliedUserSig};
pub use endpoint::{Endpoint, InvalidEndpoint};
pub use error::Error;
pub use options::CallOptions;
pub use outcome::Outcome;
pub use pipeline::batcher::{Batcher, BatcherOptions, Unfinished, WhenFull};
pub use pipeline::bulk::{Bulk, BulkOptions, BulkRun, Completion, Progress, Summary};
pub use pipeline::health::RunError;
pub use wait::{CancelToken, WaitEnd};

pub use imtag_core::retry::{RetryPolicy, Stopped};
pub use imtag_core::{
    AccountTags, AddTags, ChangeOperation, ChangeRequest, ClearTags, Code, Effect, Generation,
    GetTags, Invalid, InvalidChange, Limits, Operation, Place, Problem, Refusal, Region,
    RemoveTags, Request, RetryClass, Rules, Scope, SdkAppId, SecretKey, UserSig, Violation,
};
