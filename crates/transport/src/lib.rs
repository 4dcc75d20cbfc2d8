#![doc = include_str!("../README.md")]

mod builder;
mod call;
mod cancel;
mod cause;
mod client;
mod credentials;
mod endpoint;
mod error;
mod gate;
mod http;
mod interrupt;
mod options;
mod outcome;
mod patience;
mod process;
mod query;
mod random;
mod redact;
mod settings;
mod state;

pub use builder::{ClientBuilder, SettingsError};
pub use cancel::CancelToken;
pub use cause::{Cause, Failure, Partial, Phase};
pub use client::Client;
pub use credentials::{CallbackError, Credentials, SuppliedUserSig};
pub use endpoint::{Endpoint, InvalidEndpoint};
pub use error::Error;
pub use options::CallOptions;
pub use outcome::Outcome;

pub use imtag_core::retry::{RetryPolicy, Stopped};
pub use imtag_core::{
    AccountTags, AddTags, ClearTags, Code, Effect, Generation, GetTags, Invalid, Limits, Operation,
    Place, Problem, Refusal, Region, RemoveTags, Request, RetryClass, Rules, SdkAppId, SecretKey,
    UserSig, Violation,
};
