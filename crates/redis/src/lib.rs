#![doc = include_str!("../README.md")]

mod script;

pub use script::{BadReply, SCRIPT, arguments, key, read_reply};
