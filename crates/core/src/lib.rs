//! User tags in Tencent Chat, without I/O.
#![doc = include_str!("../README.md")]

pub mod quota;
