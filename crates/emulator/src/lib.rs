#![doc = include_str!("../README.md")]

mod admin;
mod answer;
mod apply;
mod body;
mod builder;
mod clock;
mod emulator;
mod error;
mod fault;
mod fault_json;
mod gate;
mod log;
mod query;
mod refusal;
mod reply;
mod request;
mod route;
mod router;
mod server;
mod service;
mod stats;
mod store;
mod tls;
mod traffic;
mod wire;
mod world;

pub use builder::Builder;
pub use emulator::Emulator;
pub use error::StartError;
pub use fault::Fault;
pub use fault_json::BadOrder;
pub use imtag_core::{Generation, Operation};
pub use log::Arrived;
pub use route::{Route, Target, UnknownTarget};
pub use stats::Stats;
pub use traffic::{RouteStats, Window};
