#[path = "../../src/call/options.rs"]
mod options;

pub use options::CallOptions;
