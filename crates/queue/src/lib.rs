#![doc = include_str!("../README.md")]
//!
//! [`Queue`] is what a daemon has, and [`Store`] what is read and deleted while there is none. What is posted is a
//! [`NewPost`], what is answered an [`Answer`].

mod answer;
mod byte_limit;
mod change;
mod codec;
mod command;
mod error;
mod feeder;
mod id;
mod offline;
mod post;
mod queue;
mod settings;
mod status;
mod store;
mod writer;

pub use answer::Answer;
pub use change::{ChangeState, Failure, Filter, Purged};
pub use error::{Limit, OpenError, Refused};
pub use id::{ChangeId, InvalidId, PostId};
pub use offline::Store;
pub use post::{Accepted, NewPost};
pub use queue::{Drained, Queue};
pub use settings::Settings;
pub use status::{Counters, Pause, PauseReason, Status};
