//! What an operator does to the queue, and what is taken care of.

use hyper::StatusCode;
use hyper::body::Bytes;
use imtag_queue::{ChangeId, Failures, Filter};
use serde::Serialize;
use tokio::time::timeout_at;

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

    /// In parts: where that takes longer than the caller waits, it goes on.
    pub(super) async fn delete_failures_through(
        &self,
        last: ChangeId,
        body: &Bytes,
    ) -> Result<Answered, Problem> {
        if !body.is_empty() {
            let why = "through and a body both say which failures: give one of them";
            return Err(Problem::new(StatusCode::BAD_REQUEST, why));
        }
        let deleted = self.queue.delete_failures(Failures::Through(last));
        let (status, deleted) = match timeout_at(self.deadline, deleted).await {
            Ok(deleted) => (StatusCode::OK, deleted?),
            Err(_) => (
                StatusCode::ACCEPTED,
                self.queue.status().deleting.unwrap_or(0),
            ),
        };
        Ok(Answered::json(status, &Deleted { deleted }))
    }

    /// As above.
    pub(super) async fn purge(&self, filter: Filter) -> Result<Answered, Problem> {
        let purged = self.queue.purge(filter);
        let (status, purged) = match timeout_at(self.deadline, purged).await {
            Ok(purged) => (StatusCode::OK, purged?),
            Err(_) => (
                StatusCode::ACCEPTED,
                self.queue.status().purging.unwrap_or_default(),
            ),
        };
        let purged = Purged {
            deleted: purged.deleted,
            under_way: purged.under_way,
        };
        Ok(Answered::json(status, &purged))
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
