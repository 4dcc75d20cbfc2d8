//! Models of the pipeline: its own code, on threads whose order is chosen by shuttle. Each model runs in hundreds of orders,
//! and finds a wake that is lost, a wait that nothing ends, an outcome that is missing or there twice.
//!
//! The pipeline's files are compiled once more, with another `wait::sync` (the lock, the threads, the clock) and another
//! `process` (how threads are started): the engine, sessions, workers, batchers and runs, tokens and deadlines. A file that
//! imports from above the pipeline does not compile here. In the place of a request's call there is `service.rs`, which
//! answers, holds or refuses. Of what is below a call, the wait for an outage has models of its own, and the rate limiter;
//! UserSigs and connections have none.
//!
//! The clock stands still until a model's thread moves it to the next moment that a thread sleeps until. So a deadline, a
//! linger or a late window may end between any two steps.

#![allow(dead_code, unreachable_pub, unused_imports)] // of the files that are compiled here, a part is used
#![allow(clippy::unwrap_used)] // all of it is test code

mod batchers;
mod call;
#[path = "../../src/error/mod.rs"]
mod error;
#[path = "../../src/event.rs"]
mod event;
mod futures;
#[path = "../../src/rate_limiter/limiter.rs"]
mod limiter;
mod limiters;
mod models;
#[path = "../../src/outage.rs"]
mod outage;
mod outages;
#[path = "../../src/outcome.rs"]
mod outcome;
mod pipeline;
mod process;
#[path = "../../src/redact.rs"]
mod redact;
mod runs;
mod service;
#[path = "../../src/stats.rs"]
mod stats;
mod wait;

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    libtest_mimic::run(&arguments, models::all()).exit();
}
