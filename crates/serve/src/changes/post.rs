//! A post of changes: read, checked whole, and put into the queue in one commit.

use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use imtag_queue::{Accepted, NewPost, Refused};
use serde::Serialize;
use tokio::time::{sleep_until, timeout, timeout_at};

use super::answers::{Answered, Problem, write_state};
use super::target::Wait;
use super::{Visit, body};

const KEY: &str = "idempotency-key";
const KEY_BYTES: usize = 255;

/// A body that is checked on the thread that serves all callers. A larger one would hold them up.
const CHECKED_AT_ONCE: usize = 16 * 1024;

/// How long is looked for what is known of changes when the time is up. Where the disk hangs, the answer says that they are
/// stored, and no more.
const LOOKED_FOR: Duration = Duration::from_millis(500);

#[derive(Serialize)]
struct Stored {
    post: String,
    changes: Vec<String>,
}

impl Visit<'_> {
    pub(super) async fn post(&self, wait: Wait, body: Bytes) -> Result<Answered, Problem> {
        let key = key(&self.headers)?;
        let post = self.checked(body, key).await?;
        let accepted = self.queue.post(post);
        let accepted = match timeout_at(self.deadline, self.relayed(accepted)).await {
            Ok(accepted) => accepted.map_err(Problem::of_post)?,
            Err(_) => return Err(Problem::not_known()),
        };
        match wait {
            Wait::Durable => Ok(stored(accepted)),
            Wait::Outcome => self.outcomes(accepted).await,
        }
    }

    async fn checked(&self, body: Bytes, key: Option<String>) -> Result<NewPost, Problem> {
        let is_json = is_json(&self.headers);
        let is_large = body.len() > CHECKED_AT_ONCE;
        let rules = *self.daemon.sender().client.rules();
        let caller = self.name.to_string();
        let check = move || {
            let mut post = body::changes(&body, is_json, &rules)?;
            if let Some(key) = key {
                post.set_key(&caller, &key, &body);
            }
            Ok(post)
        };
        if !is_large {
            return check();
        }
        let checked = tokio::task::spawn_blocking(check).await;
        checked.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// What is known of the changes once all are settled, or the time is up, or the daemon is about to end: what has no
    /// outcome then is applied later.
    async fn outcomes(&self, accepted: Accepted) -> Result<Answered, Problem> {
        let mut state = self.daemon.state.subscribe();
        let settled = tokio::select! {
            settled = self.relayed(self.queue.settled(accepted.post)) => Some(settled),
            () = sleep_until(self.deadline) => None,
            _ = state.wait_for(|it| it.is_last()) => None,
        };
        let states = match settled {
            Some(settled) => settled,
            None => {
                let outcomes = self.relayed(self.queue.outcomes(accepted.post));
                match timeout(LOOKED_FOR, outcomes).await {
                    Ok(Err(Refused::Behind { .. })) | Err(_) => return Ok(stored(accepted)),
                    Ok(outcomes) => outcomes,
                }
            }
        };
        let state = |index: u32| match &states {
            Ok(Some(states)) => states.get(index as usize).cloned(),
            // they were settled so long ago that they are forgotten, cannot be read, or the queue has ended: then some may be done,
            // and the next daemon sends what is left
            Ok(None) | Err(_) => None,
        };
        let mut text = Vec::new();
        for index in 0..accepted.changes {
            let state = state(index);
            write_state(accepted.post.change(index), state, &mut text);
        }
        Ok(Answered::lines(text))
    }
}

fn stored(accepted: Accepted) -> Answered {
    let ids = (0..accepted.changes).map(|index| accepted.post.change(index).to_string());
    let stored = Stored {
        post: accepted.post.to_string(),
        changes: ids.collect(),
    };
    Answered::json(StatusCode::ACCEPTED, &stored)
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all(KEY).iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    let bytes = key.as_bytes();
    let is_plain = bytes.iter().all(u8::is_ascii_graphic);
    if keys.next().is_some() || !is_plain || !(1..=KEY_BYTES).contains(&bytes.len()) {
        let why = format!(
            "Idempotency-Key is 1 to {KEY_BYTES} letters, digits and signs of ASCII, without blanks, and there once"
        );
        return Err(Problem::new(StatusCode::BAD_REQUEST, why));
    }
    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
}

/// One value of JSON: what says nothing, or anything else, is lines.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let kind = kind.and_then(|it| it.split(|byte| *byte == b';').next());
    kind.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}
