#![doc = include_str!("../README.md")]

mod answer;
mod body;
mod json;
mod query;
mod route;
mod usersig;

pub use answer::{Advice, Answer, Failed, Refusal, UserTags};
pub use body::{Job, User, check_plain, is_encoding, read, read_for_daemon};
pub use json::{Fields, Items, Json, Value};
pub use query::{Credentials, Query, shown_method, shown_path, start};
pub use route::{Route, no_route};
pub use usersig::verify;
