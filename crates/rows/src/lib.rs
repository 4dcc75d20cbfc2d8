#![doc = include_str!("../README.md")]

mod change;
mod excerpt;
mod failure;
mod json;
pub mod odd;
mod reason;
mod row;

pub use change::change;
pub use excerpt::{start_of_line, start_of_text};
pub use failure::{FailureLine, write_line};
pub use json::JsonRow;
pub use reason::{bounded, code_and_reason, said};
pub use row::{Checks, OPERATIONS, ROW_BYTES, Row, Tags, too_long};
