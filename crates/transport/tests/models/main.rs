//! Models of the pipeline: its own code, on threads whose order is chosen by shuttle. Each model runs in thousands of
//! orders, and finds a wake that is lost, a wait that nothing ends, an outcome that is missing or there twice.
//!
//! Nothing of the pipeline is written again here. Its files are compiled once more, with another `wait::sync` (the lock,
//! the threads, the clock) and another `process` (how threads are started). A file that imports from above the pipeline
//! does not compile here.
//!
//! The clock stands still until a model's thread moves it to the next moment that a thread sleeps until. So a deadline, a
//! linger or a late window may end between any two steps.

#![allow(dead_code, unreachable_pub, unused_imports)] // of the files that are compiled here, a part is used
#![allow(clippy::unwrap_used)] // all of it is test code

mod call;
#[path = "../../src/error/mod.rs"]
mod error;
mod models;
#[path = "../../src/outcome.rs"]
mod outcome;
mod pipeline;
mod process;
#[path = "../../src/redact.rs"]
mod redact;
mod wait;

fn main() {
    models::run();
}
