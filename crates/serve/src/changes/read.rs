//! What is known of changes, and those that failed.

use hyper::StatusCode;
use imtag_queue::{ChangeId, PostId};
use serde::Serialize;

use super::Visit;
use super::answers::{Answered, Problem, state_name, write_state};
use crate::kept_failure::write_failure;

/// Failures that are read at once.
const PAGE: usize = 100;

/// An answer has no more lines and bytes than a body may have, as it is sent back to delete them: what follows is in the next
/// one.
const ANSWER_LINES: usize = 10_000;
const ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// The changes of a post, by their states.
#[derive(Default, Serialize)]
struct States {
    post: String,
    changes: usize,
    queued: usize,
    sending: usize,
    done: usize,
    failed: usize,
    deleted: usize,
}

impl Visit<'_> {
    pub(super) async fn change(&self, id: ChangeId) -> Result<Answered, Problem> {
        let state = self.queue.change(id);
        let state = self.of_queue(state, Problem::late).await?;
        let state = state.ok_or_else(|| unknown("change", id))?;
        let mut text = Vec::new();
        write_state(id, Some(state), &mut text);
        Ok(Answered::object(text))
    }

    pub(super) async fn post_states(&self, id: PostId) -> Result<Answered, Problem> {
        let states = self.queue.outcomes(id);
        let states = self.of_queue(states, Problem::late).await?;
        let states = states.ok_or_else(|| unknown("post", id))?;
        let count = |name: &str| states.iter().filter(|it| state_name(it) == name).count();
        let states = States {
            post: id.to_string(),
            changes: states.len(),
            queued: count("queued"),
            sending: count("sending"),
            done: count("done"),
            failed: count("failed"),
            deleted: count("deleted"),
        };
        Ok(Answered::json(StatusCode::OK, &states))
    }

    pub(super) async fn failures(
        &self,
        mut after: Option<ChangeId>,
        limit: usize,
    ) -> Result<Answered, Problem> {
        let (mut left, mut lines) = (limit, 0);
        let (mut text, mut line) = (Vec::new(), Vec::new());
        while left > 0 {
            let page = left.min(PAGE);
            let failures = self.queue.failures(after, page);
            let failures = self.of_queue(failures, Problem::late).await?;
            let (count, last) = (failures.len(), failures.last().map(|it| it.id));
            for failure in failures {
                line.clear();
                write_failure(&failure, &mut line);
                // one failure may have several
                lines += line.iter().filter(|byte| **byte == b'\n').count();
                let is_full = lines > ANSWER_LINES || text.len() + line.len() > ANSWER_BYTES;
                if is_full && !text.is_empty() {
                    return Ok(Answered::lines(text));
                }
                text.extend_from_slice(&line);
            }
            if count == 0 {
                break;
            }
            (after, left) = (last, left - count);
        }
        Ok(Answered::lines(text))
    }
}

fn unknown(what: &str, id: impl std::fmt::Display) -> Problem {
    let why = format!("no {what} {id} is known: it was settled long ago, or was never there");
    Problem::new(StatusCode::NOT_FOUND, why)
}
