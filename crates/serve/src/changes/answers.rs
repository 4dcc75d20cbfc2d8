//! What goes back: JSON, a line of it for each of many, or what is wrong in one sentence.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use imtag_local_server::BodyError;
use imtag_queue::{ChangeId, ChangeState, Refused};
use serde::Serialize;

use crate::kept_failure::id_and_time;

const JSON: &str = "application/json; charset=utf-8";
const NDJSON: &str = "application/x-ndjson; charset=utf-8";

const NOT_KNOWN: &str = "so it is not known whether the changes are stored: post them again with the same Idempotency-Key, or \
                         without one, as a change may be applied twice";

/// What was asked for.
#[derive(Debug)]
pub(super) struct Answered {
    status: StatusCode,
    kind: &'static str,
    body: Vec<u8>,
}

impl Answered {
    pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Answered {
        Answered {
            status,
            kind: JSON,
            body: json(body),
        }
    }

    /// One object, as text.
    pub(super) fn object(body: Vec<u8>) -> Answered {
        Answered {
            status: StatusCode::OK,
            kind: JSON,
            body,
        }
    }

    pub(super) fn lines(body: Vec<u8>) -> Answered {
        Answered {
            status: StatusCode::OK,
            kind: NDJSON,
            body,
        }
    }

    pub(super) fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body.into()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        response
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("a Vec takes all, and every key is a string")
}

/// Why a request has no other answer.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    why: String,
    bad_rows: Vec<BadRow>,
    retry_after: Option<Duration>,
    allowed: Option<&'static str>,
}

/// A row of a body that is refused.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct BadRow {
    /// Counted from 1: the line of NDJSON, or the place in the array.
    pub(super) row: usize,
    pub(super) error: String,
}

#[derive(Serialize)]
struct ProblemBody<'p> {
    error: &'p str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'p [BadRow],
}

impl Problem {
    pub(super) fn new(status: StatusCode, why: impl Into<String>) -> Problem {
        Problem {
            status,
            why: why.into(),
            bad_rows: Vec::new(),
            retry_after: None,
            allowed: None,
        }
    }

    pub(super) fn unauthorized(why: String) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, why)
    }

    pub(super) fn no_path() -> Problem {
        let why = "there is no such path: there are /v1/changes, /v1/changes/ID, /v1/failures, /v1/pause and /v1/resume \
                   (GET /openapi.json has all)";
        Problem::new(StatusCode::NOT_FOUND, why)
    }

    pub(super) fn method(allowed: &'static str) -> Problem {
        let why = format!("this path takes {allowed}");
        Problem {
            allowed: Some(allowed),
            ..Problem::new(StatusCode::METHOD_NOT_ALLOWED, why)
        }
    }

    pub(super) fn no_queue() -> Problem {
        let why = "this daemon has no folder for changes that last: start it with --data FOLDER";
        Problem::new(StatusCode::NOT_FOUND, why)
    }

    pub(super) fn no_room(error: &BodyError) -> Problem {
        Problem {
            retry_after: Some(Duration::from_secs(1)),
            ..Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{error}: try again in a moment"),
            )
        }
    }

    pub(super) fn starting() -> Problem {
        let why = "the daemon starts, and takes nothing yet: try again in a moment";
        Problem {
            retry_after: Some(Duration::from_secs(1)),
            ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, why)
        }
    }

    /// Nothing is stored of such a post.
    pub(super) fn bad_rows(rows: usize, bad_rows: Vec<BadRow>) -> Problem {
        let bad = bad_rows.len();
        let why = format!(
            "{bad} of {rows} rows cannot be taken, and so none was stored: errors says why; correct or leave out these rows, \
             and post all again"
        );
        Problem {
            bad_rows,
            ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why)
        }
    }

    pub(super) fn bad_ids(rows: usize, bad_rows: Vec<BadRow>) -> Problem {
        let bad = bad_rows.len();
        let why = format!(
            "{bad} of {rows} rows are no ids, and so nothing was deleted: errors says which"
        );
        Problem {
            bad_rows,
            ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why)
        }
    }

    /// A post that had no answer from the disk.
    pub(super) fn not_known() -> Problem {
        let why = format!("the disk did not answer in time, {NOT_KNOWN}");
        Problem::new(StatusCode::GATEWAY_TIMEOUT, why)
    }

    /// A post that the queue has not taken.
    pub(super) fn of_post(refused: Refused) -> Problem {
        match refused {
            Refused::InDoubt { reason } => Problem::new(
                StatusCode::GATEWAY_TIMEOUT,
                format!("the disk failed ({reason}), {NOT_KNOWN}"),
            ),
            refused => refused.into(),
        }
    }

    /// Another request that had none.
    pub(super) fn late() -> Problem {
        let why = "the disk did not answer in time: send the request again";
        Problem::new(StatusCode::GATEWAY_TIMEOUT, why)
    }

    /// A pause that may be noted, while something may still be sent.
    pub(super) fn not_paused() -> Problem {
        let why = "the disk, or what is being sent, did not end in time, and so changes may still be sent: send the request again";
        Problem::new(StatusCode::GATEWAY_TIMEOUT, why)
    }

    pub(super) fn of_body(error: &BodyError) -> Problem {
        match error {
            BodyError::TooLarge { limit } => {
                Problem::too_large(&format!("more than {limit} bytes"))
            }
            BodyError::NoRoom => Problem::no_room(error),
            BodyError::TooSlow { .. } => {
                let why = format!("{error}: send it at once");
                Problem::new(StatusCode::REQUEST_TIMEOUT, why)
            }
            _ => Problem::new(StatusCode::BAD_REQUEST, format!("{error}: send it again")),
        }
    }

    pub(super) fn too_large(what: &str) -> Problem {
        let why = format!(
            "the body has {what}, and a post at most 10000 changes and 8 MiB: send several, or use imtag import for a file"
        );
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, why)
    }

    pub(super) fn response(self) -> Response<Full<Bytes>> {
        let body = ProblemBody {
            error: &self.why,
            errors: &self.bad_rows,
        };
        let mut response = Answered::json(self.status, &body).response();
        let headers = response.headers_mut();
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if let Some(allowed) = self.allowed {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        let status = match refused {
            Refused::Full { .. } => StatusCode::TOO_MANY_REQUESTS,
            Refused::NeverFits { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refused::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Refused::Purging => StatusCode::CONFLICT,
            Refused::InDoubt { .. } => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Problem {
            retry_after: refused.retry_after(),
            ..Problem::new(status, refused.to_string())
        }
    }
}

/// Appends a line for a change; `None` where nothing is known of it any more.
pub(super) fn write_state(id: ChangeId, state: Option<ChangeState>, text: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct Line {
        id: String,
        state: &'static str,
        #[serde(skip_serializing_if = "is_false")]
        failure_deleted: bool,
    }
    let name = state.as_ref().map_or("unknown", state_name);
    let is_deleted = state == Some(ChangeState::FailureDeleted);
    if let Some(ChangeState::Failed(failure)) = state {
        let [id, at] = id_and_time(&failure);
        return failure
            .line
            .write_one(&[("id", &id), ("state", name), ("at", &at)], text);
    }
    let line = Line {
        id: id.to_string(),
        state: name,
        failure_deleted: is_deleted,
    };
    imtag_rows::write_line(&line, text);
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference
fn is_false(value: &bool) -> bool {
    !value
}

/// As the answers have it.
pub(super) fn state_name(state: &ChangeState) -> &'static str {
    match state {
        ChangeState::Queued => "queued",
        ChangeState::Sending => "sending",
        ChangeState::Done => "done",
        ChangeState::Failed(_) | ChangeState::FailureDeleted => "failed",
        ChangeState::Deleted => "deleted",
    }
}
