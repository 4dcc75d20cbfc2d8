//! User tags in Tencent Chat: the blocking client. What is where:
//!
//! | topic | |
//! |---|---|
//! | **calls:** one request each | [`Client`]; what is sent: [`AddTags`], [`GetTags`], [`RemoveTags`], [`ClearTags`], each a [`Request`] of an [`Operation`]; what was done: [`Outcome`], [`AccountTags`] |
//! | **many users:** requests that are shared | [`Client::bulk`] → [`BulkOptions`] → [`BulkRun`], or [`Bulk`] by hand; [`Progress`], [`Summary`]. [`Client::batcher`] → [`BatcherOptions`] → [`Batcher`]; [`WhenFull`]. Both are [`SessionOptions`] ([`ForBulk`], [`ForBatcher`]); what they take: [`ChangeRequest`], of a [`ChangeOperation`] and [`Tags`]; what they return: [`Completion`], [`GetCompletion`], [`BatcherCompletion`] |
//! | **settings** | [`Client::builder`] → [`ClientBuilder`], [`SettingsError`]; of the environment: [`Client::from_env`], [`Config`]; which app: [`SdkAppId`]; where: [`Region`], [`Endpoint`], [`InvalidEndpoint`], [`Generation`]; the way there: [`InvalidProxy`], [`Roots`], [`UnknownRoots`]; who calls: [`Credentials`], of a [`SecretKey`], a [`UserSig`] or a callback ([`SuppliedUserSig`], [`CallbackError`]); rules: [`Limits`], [`Rules`]; [`RetryPolicy`] |
//! | **errors** | of a call: [`Error`]; of a change or a batcher's get: [`ChangeError`]; of a run: [`RunError`]; of a wait: [`Unfinished`]. Why: [`Cause`], [`Phase`], [`ProxyFailure`], [`Stopped`], [`Refusal`]. What is known of the effect: [`Effect`]. Whose fault: [`Code`], [`Scope`], [`RetryClass`]. Of input: [`Invalid`], [`InvalidChange`], [`Violation`], [`Place`], [`Problem`] |
//! | **time and cancel** | [`CallOptions`], [`CancelToken`]; [`WaitEnd`] |
//! | **logs and figures** | events of `tracing` ([below](#logs)); [`Client::stats`] → [`Stats`], [`OperationStats`]; [`Bulk::stats`] and [`Batcher::stats`] → [`SessionStats`]; each as [`Figure`]s |
//! | **asynchronous programs** | [`async_programs`]: which way to take, what a dropped future does; [`OutcomeFuture`], [`OutcomesFuture`] |
//!
#![doc = include_str!("../README.md")]

pub mod async_programs;
mod builder;
mod call;
mod client;
mod config;
mod credentials;
mod endpoint;
mod error;
mod event;
mod http;
mod outage;
mod outages;
mod outcome;
mod pipeline;
mod probe;
mod process;
mod proxy;
mod rate_limiter;
mod redact;
mod roots;
mod settings_error;
mod state;
mod stats;
mod wait;

pub use builder::ClientBuilder;
#[doc(hidden)] // for libimtag
pub use builder::parse_spare;
pub use call::CallOptions;
pub use client::Client;
pub use config::Config;
#[doc(hidden)] // for the command line
pub use config::{
    Given,
    parser::{KEYS, Parser, RATES, parsed},
    readable::readable_secret,
    setting::{DAEMON_SETTINGS, Kind, SETTINGS, Setting},
};
pub use credentials::{CallbackError, Credentials, SuppliedUserSig};
pub use endpoint::{Endpoint, InvalidEndpoint};
#[doc(hidden)] // for the command line
pub use error::date_and_time;
pub use error::{Cause, ChangeError, Error, Phase, ProxyFailure, RunError, Unfinished};
#[doc(hidden)] // for the command line
pub use http::{Step, StepWatcher};
pub use outcome::Outcome;
pub use pipeline::batcher::Batcher;
pub use pipeline::bulk::{Bulk, BulkRun};
pub use pipeline::future::{OutcomeFuture, OutcomesFuture};
pub use pipeline::offer::WhenFull;
pub use pipeline::options::{BatcherOptions, BulkOptions, ForBatcher, ForBulk, SessionOptions};
pub use pipeline::outcome::{BatcherCompletion, Completion, GetCompletion, Progress, Summary};
pub use pipeline::stats::SessionStats;
#[doc(hidden)] // for the command line
pub use probe::Probe;
#[doc(hidden)] // for libimtag
pub use process::{PerProcess, keep_process_id, process_id};
pub use proxy::InvalidProxy;
#[doc(hidden)] // for libimtag
pub use proxy::check_proxy;
#[doc(hidden)] // for the command line
pub use proxy::{ProxyChoice, proxy_choice};
pub use roots::{Roots, UnknownRoots};
pub use settings_error::SettingsError;
pub use stats::{Figure, OperationStats, Stats};
pub use wait::{CancelToken, WaitEnd};

pub use imtag_core::retry::{RetryPolicy, Stopped};
pub use imtag_core::{
    AccountTags, AddTags, ChangeOperation, ChangeRequest, ClearTags, Code, Effect, Generation,
    GetTags, Invalid, InvalidChange, Limits, Operation, Place, Problem, Refusal, Region,
    RemoveTags, Request, RetryClass, Rules, Scope, SdkAppId, SecretKey, Tags, UserSig, Violation,
};
