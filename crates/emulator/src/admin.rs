//! The admin API over HTTP: the same as the methods of [`Emulator`](crate::Emulator), for tests in other languages.
//!
//! Unlike the service it answers a mistake with a status that says so and `{"error": "…"}`: it imitates nothing.
//! That holds too for what axum would refuse by itself, in words and a type of its own.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::error::Error;
use std::iter;

use axum::body::{Body, Bytes};
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::response::Response;
use futures_util::stream;
use hyper::StatusCode;
use imtag_wire::Route;
use serde_json::{Value, json};

use crate::fault_json;
use crate::handler::Context;
use crate::log::Arrived;
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
        "standing": state.faults.standing().iter().map(fault_json::listed).collect::<Vec<_>>(),
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

/// All users as JSON, in the order of the accounts' bytes: `{"users":{"ACCOUNT":["TAG",…],…}}`.
///
/// It comes a piece at a time: what it takes does not grow with the number of users, and requests are served between
/// two pieces. So where requests are under way, more than 1,000 users may not be one moment's state.
pub(crate) async fn users(State(context): State<Context>) -> Response {
    let (first, mut last) = piece(&context.service, None);
    if last.is_none() {
        // At its length, as any other answer.
        return wire::ok(first);
    }
    let rest = iter::from_fn(move || {
        let (text, next) = piece(&context.service, Some(&last.take()?));
        last = next;
        Some(text)
    });
    let pieces = iter::once(first).chain(rest).map(Ok::<_, Infallible>);
    wire::ok(Body::from_stream(stream::iter(pieces)))
}

pub(crate) async fn user(
    State(context): State<Context>,
    account: Result<Path<String>, PathRejection>,
) -> Response {
    let Ok(Path(account)) = account else {
        let text = "the account in the path is not UTF-8 once its escapes are undone";
        return wire::error(StatusCode::BAD_REQUEST, text);
    };
    let mut state = context.service.state();
    let tags: BTreeSet<&str> = state.store.tags(&account).map(|tag| &**tag).collect();
    ok(&json!({"account": account, "tags": tags}))
}

pub(crate) async fn requests(State(context): State<Context>) -> Response {
    let requests: Vec<Value> = context.service.requests().iter().map(request).collect();
    ok(&json!({"requests": requests}))
}

pub(crate) async fn reset(State(context): State<Context>) -> Response {
    match context.service.reset() {
        Ok(()) => ok(&json!({"reset": true})),
        Err(error) => {
            let why = error.source().map(ToString::to_string);
            let text = format!("nothing was reset: {error}: {}", why.unwrap_or_default());
            wire::error(StatusCode::INTERNAL_SERVER_ERROR, &text)
        }
    }
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

/// The users after an account as JSON, or the first ones; and the last account, unless no user comes after it.
fn piece(service: &Service, after: Option<&str>) -> (String, Option<String>) {
    let mut text = String::new();
    if after.is_none() {
        text.push_str(r#"{"users":{"#);
    }
    let mut last = None;
    let state = service.state();
    let mut users = state.store.users_after(after);
    for (account, tags) in users.by_ref().take(USERS) {
        if after.is_some() || last.is_some() {
            text.push(',');
        }
        let json = |json: Result<String, _>| json.expect("strings are JSON");
        text.push_str(&json(serde_json::to_string(account)));
        text.push(':');
        let tags: BTreeSet<&str> = tags.collect();
        text.push_str(&json(serde_json::to_string(&tags)));
        last = Some(account.to_owned());
    }
    if users.next().is_none() {
        last = None;
        text.push_str("}}");
    }
    (text, last)
}
