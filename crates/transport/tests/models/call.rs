//! The options of a call, without the call.

#[path = "../../src/call/options.rs"]
mod options;

pub use options::CallOptions;
