//! The pipeline without its requests and options, whose place the models take.

#[path = "../../src/pipeline/batcher.rs"]
pub(crate) mod batcher;
#[path = "../../src/pipeline/bulk.rs"]
pub(crate) mod bulk;
#[path = "../../src/pipeline/engine.rs"]
pub(crate) mod engine;
#[path = "../../src/pipeline/future.rs"]
pub(crate) mod future;
#[path = "../../src/pipeline/offer.rs"]
pub(crate) mod offer;
#[path = "../../src/pipeline/outcome.rs"]
pub(crate) mod outcome;
#[path = "../../src/pipeline/queue.rs"]
mod queue;
/// Their sessions send by what they are given.
pub(crate) mod request {
    pub(crate) struct SendsBy;
}
#[path = "../../src/pipeline/session.rs"]
pub(crate) mod session;
#[path = "../../src/pipeline/stats.rs"]
pub(crate) mod stats;
#[path = "../../src/pipeline/submissions.rs"]
mod submissions;
#[path = "../../src/pipeline/withdraw.rs"]
mod withdraw;
#[path = "../../src/pipeline/worker.rs"]
pub(crate) mod worker;
#[path = "../../src/pipeline/workers.rs"]
mod workers;
