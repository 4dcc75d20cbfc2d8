//! The admin API over HTTP: the same as the methods of [`Emulator`](crate::Emulator), for tests in other languages.
//!
//! Unlike the service it answers a mistake with a status that says so and `{"error": "…"}`: it imitates nothing.
//! That holds too for what axum would refuse by itself, in words and a type of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::ops::Bound;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::response::Response;
use hyper::StatusCode;
use hyper::body::Frame;
use serde_json::{Value, json};

use crate::fault_json::{self, ListedFault};
use crate::handler::Context;
use crate::log::Arrived;
use crate::route::Route;
use crate::service::Service;
use crate::wire;

pub(crate) async fn faults(
    State(context): State<Context>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let text = "the body has more than 2 MiB: queue the faults in several requests";
            return wire::error(StatusCode::PAYLOAD_TOO_LARGE, text);
        }
        Err(rejection) => return wire::error(rejection.status(), &rejection.body_text()),
    };
    match fault_json::read(&body) {
        Ok(order) => {
            let (queued, standing) = context.service.put(order);
            ok(&json!({"queued": queued, "standing": standing}))
        }
        Err(error) => wire::error(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

pub(crate) async fn standing(State(context): State<Context>) -> Response {
    let state = context.service.state();
    ok(&json!({
        "seed": context.service.settings.seed,
        "waiting": state.faults.waiting(),
        "standing": state.faults.standing().iter().map(ListedFault::from).collect::<Vec<_>>(),
    }))
}

pub(crate) async fn remove_faults(State(context): State<Context>) -> Response {
    context.service.state().faults.clear();
    ok(&json!({"removed": true}))
}

pub(crate) async fn remove_standing(
    State(context): State<Context>,
    number: Result<Path<u64>, PathRejection>,
) -> Response {
    let remove = |Path(number)| context.service.state().faults.remove_standing(number);
    if number.is_ok_and(remove) {
        return ok(&json!({"removed": true}));
    }
    let text = "no standing fault has this number: GET /emulator/faults lists them";
    wire::error(StatusCode::NOT_FOUND, text)
}

pub(crate) async fn stats(State(context): State<Context>) -> Response {
    let stats = serde_json::to_value(context.service.stats());
    ok(&stats.expect("counts and names are JSON"))
}

pub(crate) async fn users(State(context): State<Context>) -> Response {
    UserList::new(context.service).response()
}

pub(crate) async fn user(
    State(context): State<Context>,
    account: Result<Path<String>, PathRejection>,
) -> Response {
    let Ok(Path(account)) = account else {
        let text = "the account in the path is not UTF-8 once its escapes are undone";
        return wire::error(StatusCode::BAD_REQUEST, text);
    };
    let state = context.service.state();
    let tags = state.store.tags(&account).cloned().unwrap_or_default();
    ok(&json!({"account": account, "tags": tags}))
}

pub(crate) async fn requests(State(context): State<Context>) -> Response {
    // Copied first: to make JSON of it takes longer than the lock may be held.
    let arrived: Vec<Arrived> = context.service.state().log.iter().cloned().collect();
    let requests: Vec<Value> = arrived.iter().map(request).collect();
    ok(&json!({"requests": requests}))
}

pub(crate) async fn reset(State(context): State<Context>) -> Response {
    context.service.reset();
    ok(&json!({"reset": true}))
}

pub(crate) async fn unknown() -> Response {
    let text = "no such path: GET /emulator/stats, /emulator/users, /emulator/users/ACCOUNT, /emulator/requests, \
                /emulator/faults, or POST /emulator/faults, /emulator/reset, or DELETE /emulator/faults, \
                /emulator/faults/NUMBER";
    wire::error(StatusCode::NOT_FOUND, text)
}

/// A known path, asked for by another method than it has; the head's `Allow` names that.
pub(crate) async fn wrong_method() -> Response {
    let text = "faults takes POST, GET and DELETE, a standing fault DELETE, reset POST, everything else GET";
    wire::error(StatusCode::METHOD_NOT_ALLOWED, text)
}

fn ok(value: &Value) -> Response {
    wire::ok(value.to_string())
}

fn request(arrived: &Arrived) -> Value {
    // Pairs, not an object: the order and a name that comes twice are worth seeing.
    let body = serde_json::from_str(&arrived.body);
    json!({
        "route": arrived.route.map(Route::name),
        "method": arrived.method,
        "path": arrived.path,
        "query": arrived.query,
        "body": body.unwrap_or_else(|_| Value::from(arrived.body.as_str())),
        "at_ms": u64::try_from(arrived.at.as_millis()).unwrap_or(u64::MAX),
        "code": arrived.code,
        "fault": arrived.fault,
    })
}

/// Users of one piece.
const USERS: usize = 1000;

/// All users as JSON, in the order of the accounts' bytes: `{"users":{"ACCOUNT":["TAG",…],…}}`.
///
/// It comes a piece at a time: what it takes does not grow with the number of users, and requests are served between
/// two pieces. So where requests are under way, more than 1,000 users may not be one moment's state.
struct UserList {
    service: Arc<Service>,
    /// The first piece, until it is sent.
    first: Option<String>,
    next: Next,
}

enum Next {
    First,
    After(String),
    Nothing,
}

impl UserList {
    fn new(service: Arc<Service>) -> UserList {
        UserList {
            service,
            first: None,
            next: Next::First,
        }
    }

    /// The list: at its length where it is a single piece.
    fn response(mut self) -> Response {
        let first = self.piece().unwrap_or_default();
        if matches!(self.next, Next::Nothing) {
            return wire::ok(first);
        }
        self.first = Some(first);
        wire::ok(Body::new(self))
    }

    fn piece(&mut self) -> Option<String> {
        let (mut text, after) = match &self.next {
            Next::First => (r#"{"users":{"#.to_owned(), None),
            Next::After(account) => (String::new(), Some(account.as_str())),
            Next::Nothing => return None,
        };
        let state = self.service.state();
        let last = write(&mut text, state.store.users(), after);
        drop(state);
        self.next = match last {
            Some(account) => Next::After(account),
            None => {
                text.push_str("}}");
                Next::Nothing
            }
        };
        Some(text)
    }
}

/// Writes the users that come after this account; answers the last one, if there may be more.
fn write(
    text: &mut String,
    users: &BTreeMap<String, BTreeSet<String>>,
    after: Option<&str>,
) -> Option<String> {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut last = None;
    let mut written = 0;
    for (account, tags) in users.range::<str, _>((from, Bound::Unbounded)).take(USERS) {
        if after.is_some() || written > 0 {
            text.push(',');
        }
        let json = |json: Result<String, _>| json.expect("strings are JSON");
        text.push_str(&json(serde_json::to_string(account)));
        text.push(':');
        text.push_str(&json(serde_json::to_string(tags)));
        last = Some(account);
        written += 1;
    }
    last.filter(|_| written == USERS).cloned()
}

impl HttpBody for UserList {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.first.take().or_else(|| self.piece());
        Poll::Ready(piece.map(|text| Ok(Frame::data(text.into()))))
    }
}
