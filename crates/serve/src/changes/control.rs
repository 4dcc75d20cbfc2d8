//! What an operator does to the queue, and what is taken care of.

use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use imtag_queue::Filter;
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
        drop(body);
        let deleted = self.queue.delete_failures(ids);
        let deleted = self.of_queue(deleted, Problem::late).await?;
        Ok(Answered::json(StatusCode::OK, &Deleted { deleted }))
    }

    /// In parts: where that takes longer than the caller waits, it goes on.
    pub(super) async fn purge(&self, filter: Filter) -> Result<Answered, Problem> {
        let mut answer = self.queue.purge(filter);
        let (status, purged) = match timeout_at(self.deadline, &mut answer).await {
            Ok(purged) => (StatusCode::OK, purged?),
            // it ends with its caller
            Err(_) if !answer.has_begun() => return Err(Problem::late()),
            Err(_) => {
                let purging = self.queue.status().purging.unwrap_or_default();
                match answer.wait_for(Duration::ZERO) {
                    Some(purged) => (StatusCode::OK, purged?),
                    None => (StatusCode::ACCEPTED, purging),
                }
            }
        };
        let purged = Purged {
            deleted: purged.deleted,
            under_way: purged.under_way,
        };
        Ok(Answered::json(status, &purged))
    }

    /// Answered once nothing is sent any more.
    pub(super) async fn pause(&self) -> Result<Answered, Problem> {
        let paused = self.queue.pause();
        self.of_queue(paused, Problem::not_paused).await?;
        Ok(Answered::json(StatusCode::OK, &Paused { paused: true }))
    }

    pub(super) async fn resume(&self) -> Result<Answered, Problem> {
        let resumed = self.queue.resume();
        self.of_queue(resumed, Problem::late).await?;
        Ok(Answered::json(StatusCode::OK, &Paused { paused: false }))
    }
}
