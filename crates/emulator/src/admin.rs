//! The admin API over HTTP: the same as the methods of [`Emulator`](crate::Emulator), for tests in other languages.
//!
//! Unlike the service it answers a mistake with a status that says so and `{"error": "…"}`: it imitates nothing.
//! That holds too for what axum would refuse by itself, in words and a type of its own.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::response::Response;
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::fault_json;
use crate::fault_list;
use crate::handler::Context;
use crate::log::Arrived;
use crate::reply;
use crate::route::Route;
use crate::user_list::UserList;

pub(crate) async fn faults(
    State(context): State<Context>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let text = "the body has more than 2 MiB: queue the faults in several requests";
            return sorry(StatusCode::PAYLOAD_TOO_LARGE, text);
        }
        Err(rejection) => return sorry(rejection.status(), &rejection.body_text()),
    };
    match fault_json::read(&body) {
        Ok(order) => {
            let (queued, standing) = context.service.put(order);
            ok(&json!({"queued": queued, "standing": standing}))
        }
        Err(error) => sorry(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

pub(crate) async fn standing(State(context): State<Context>) -> Response {
    let state = context.service.state();
    ok(&json!({
        "seed": context.service.settings.seed,
        "waiting": state.queues.len(),
        "standing": fault_list::list(state.standing.list()),
    }))
}

pub(crate) async fn remove_faults(State(context): State<Context>) -> Response {
    context.service.remove_faults();
    ok(&json!({"removed": true}))
}

pub(crate) async fn remove_standing(
    State(context): State<Context>,
    number: Result<Path<u64>, PathRejection>,
) -> Response {
    let known = number.is_ok_and(|Path(number)| context.service.state().standing.remove(number));
    if known {
        return ok(&json!({"removed": true}));
    }
    let text = "no standing fault has this number: GET /emulator/faults lists them";
    sorry(StatusCode::NOT_FOUND, text)
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
        return sorry(StatusCode::BAD_REQUEST, text);
    };
    let state = context.service.state();
    let tags = state.store.tags(&account).cloned().unwrap_or_default();
    ok(&json!({"account": account, "tags": tags}))
}

pub(crate) async fn requests(State(context): State<Context>) -> Response {
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
    sorry(StatusCode::NOT_FOUND, text)
}

/// A known path, asked for by another method than it has; the head's `Allow` names that.
pub(crate) async fn wrong_method() -> Response {
    let text = "faults takes POST, GET and DELETE, a standing fault DELETE, reset POST, everything else GET";
    sorry(StatusCode::METHOD_NOT_ALLOWED, text)
}

/// An answer with a status of its own that says what is wrong.
pub(crate) fn sorry(status: StatusCode, text: &str) -> Response {
    reply::json(status, json!({"error": text}).to_string().into_bytes())
}

fn ok(value: &Value) -> Response {
    reply::json(StatusCode::OK, value.to_string().into_bytes())
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
