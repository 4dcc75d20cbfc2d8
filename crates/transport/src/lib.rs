#![doc = include_str!("../README.md")]

mod app_quota;
mod batcher;
mod builder;
mod bulk;
mod call;
mod cause;
mod change_error;
mod client;
mod credentials;
mod dispatch;
mod endpoint;
mod error;
mod health;
mod http;
mod options;
mod outage;
mod outcome;
mod process;
mod process_age;
mod query;
mod random;
mod rate_limiter;
mod redact;
mod refused_usersig;
mod session;
mod settings;
mod state;
mod threads;
mod wait;
mod worker;

pub use batcher::{Batcher, BatcherOptions, Unfinished, WhenFull};
pub use builder::{ClientBuilder, SettingsError};
pub use bulk::{Bulk, BulkOptions, BulkRun, Progress, Settled, Summary};
pub use cause::{Cause, Failure, Partial, Phase};
pub use change_error::{ChangeCause, ChangeError};
pub use client::Client;
pub use credentials::{CallbackError, Credentials, SuppliedUserSig};
pub use endpoint::{Endpoint, InvalidEndpoint};
pub use error::Error;
pub use health::EndedEarly;
pub use options::CallOptions;
pub use outcome::Outcome;
pub use wait::{CancelToken, WaitEnd};

pub use imtag_core::retry::{RetryPolicy, Stopped};
pub use imtag_core::{
    AccountTags, AddTags, Change, ClearTags, Code, Effect, Generation, GetTags, Invalid, Limits,
    Operation, Place, Problem, Refusal, Region, RemoveTags, Request, RetryClass, Rules, Scope,
    SdkAppId, SecretKey, UserSig, Violation,
};
