//! What an operator does to the queue, and what is taken care of.

use hyper::StatusCode;
use hyper::body::Bytes;
use imtag_queue::{Failures, Filter};
use serde::Serialize;

use super::Visit;
use super::answers::{Answered, Problem};
use super::body::ids;
use super::post::is_json;

#[derive(Serialize)]
struct Deleted {
    deleted: u64,
}

#[derive(Serialize)]
struct Purged {
    deleted: u64,
    /// Those that stay, as they may be on their way.
    under_way: u64,
}

#[derive(Serialize)]
struct Paused {
    paused: bool,
}

impl Visit<'_> {
    pub(super) async fn delete_failures(&self, body: Bytes) -> Result<Answered, Problem> {
        let ids = ids(&body, is_json(&self.headers))?;
        let deleted = self.queue.delete_failures(Failures::Of(ids));
        let deleted = self.of_queue(deleted, Problem::late).await?;
        Ok(Answered::json(StatusCode::OK, &Deleted { deleted }))
    }

    pub(super) async fn purge(&self, filter: Filter) -> Result<Answered, Problem> {
        let purged = self.queue.purge(filter);
        let purged = self.of_queue(purged, Problem::late).await?;
        let purged = Purged {
            deleted: purged.deleted,
            under_way: purged.under_way,
        };
        Ok(Answered::json(StatusCode::OK, &purged))
    }

    pub(super) async fn pause(&self) -> Result<Answered, Problem> {
        let paused = self.queue.pause();
        self.of_queue(paused, Problem::late).await?;
        Ok(Answered::json(StatusCode::OK, &Paused { paused: true }))
    }

    pub(super) async fn resume(&self) -> Result<Answered, Problem> {
        let resumed = self.queue.resume();
        self.of_queue(resumed, Problem::late).await?;
        Ok(Answered::json(StatusCode::OK, &Paused { paused: false }))
    }
}
