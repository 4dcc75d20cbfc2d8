//! One request, from its head to what goes back.
//!
//! ```text
//! head ──► a page of another site? 403 ──► GET: for operators
//!                                     └──► who calls? ──► body ──► is it a change, and held back? ──► the call ──► answer
//!                                                                   503, if that takes too long
//! ```
//!
//! A caller that hangs up ends the handler where it is: what has had no turn in the quota is taken back then.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use hyper::{Method, Request, Response, StatusCode};
use imtag_core::{Effect, Operation};
use imtag_local_server::{BodyError, Caller, RequestBody, check_head};
use imtag_wire::{Answer, Query, Refusal, Route, check_plain, is_encoding, no_route};
use tokio::time::{Instant, timeout_at};

use crate::access::{CallerName, foreign};
use crate::changes;
use crate::reply::Reply;
use crate::shared::{Shared, State};
use crate::timeout::timeout;

/// What helps who calls a path that is no route's.
const ELSEWHERE: &str = "changes that last are posted to /v1/changes; for operators there are GET /healthz, /readyz, /metrics and \
                         /openapi.json";

const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
/// As Prometheus names its text.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

type Body = Full<Bytes>;

pub(crate) async fn handle(
    daemon: Arc<Shared>,
    request: Request<RequestBody>,
) -> Result<Response<Body>, HungUp> {
    let caller = request.extensions().get::<Caller>().cloned();
    let caller = caller.expect("the server names the caller of each request");
    if let Err(error) = check_head(&request) {
        return Ok(closing(
            daemon.refused(StatusCode::BAD_REQUEST, &error.to_string()),
        ));
    }
    if let Some(why) = foreign(&caller, &request, &daemon.names) {
        return Ok(daemon.refused(StatusCode::FORBIDDEN, why));
    }
    if *request.method() == Method::CONNECT {
        // a success would say that what comes next goes on to another host
        let why = "the daemon is no proxy, and takes no CONNECT";
        return Ok(daemon.refused(StatusCode::METHOD_NOT_ALLOWED, why));
    }
    if let Some(page) = page(&daemon, &request) {
        return Ok(page);
    }
    if request.uri().path().starts_with(changes::PREFIX) {
        let answered = changes::handle(&daemon, &caller, request).await;
        return answered.ok_or(HungUp);
    }
    call(&daemon, &caller, request).await
}

/// The caller has hung up: its connection ends without an answer, as no answer may say that the call was done.
#[derive(Debug, thiserror::Error)]
#[error("the caller has hung up")]
pub(crate) struct HungUp;

/// What is answered to plain HTTP on a port of TLS.
pub(crate) fn plain_beside_tls(daemon: &Shared) -> Response<Body> {
    let why = "this port takes HTTPS: call https:// and trust the daemon's authority";
    closing(daemon.refused(StatusCode::BAD_REQUEST, why))
}

/// With the end of its connection.
fn closing(mut response: Response<Body>) -> Response<Body> {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}

/// What an operator asks for.
fn page(daemon: &Shared, request: &Request<RequestBody>) -> Option<Response<Body>> {
    let path = request.uri().path();
    let (kind, status, text) = match path {
        "/healthz" => (TEXT, StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => {
            let (status, text) = readiness(daemon);
            (TEXT, status, text)
        }
        "/metrics" => (METRICS, StatusCode::OK, daemon.metrics()),
        "/openapi.json" => (
            JSON,
            StatusCode::OK,
            include_str!("openapi.json").to_owned(),
        ),
        _ => return None,
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let text = format!("{path} takes GET\n");
        let mut response = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, text);
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return Some(response);
    }
    Some(response(status, kind, text))
}

/// Ready also while the service is away or refuses the daemon, as calls are waited out or refused by name then, and other
/// hosts would do no better.
fn readiness(daemon: &Shared) -> (StatusCode, String) {
    match daemon.state() {
        State::Ready => {
            let demo = if daemon.demo { " (demo)" } else { "" };
            let stats = daemon.sender().client.stats();
            let refused = stats.operations.iter().find_map(|it| it.app_refused);
            let mut text = format!("ready{demo}");
            match refused {
                _ if stats.in_outage => text.push_str("; the service is away"),
                Some(code) => {
                    text.push_str(&format!("; the service refuses the daemon itself ({code})"));
                }
                None => {}
            }
            for pause in daemon.pauses() {
                let reason = pause.reason.name();
                text.push_str(&format!("; the queue is paused ({reason}): {}", pause.text));
            }
            (
                StatusCode::OK,
                text + "
",
            )
        }
        State::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n".to_owned()),
        State::Draining | State::Ending => {
            (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned())
        }
    }
}

async fn call(
    daemon: &Shared,
    caller: &Caller,
    request: Request<RequestBody>,
) -> Result<Response<Body>, HungUp> {
    let (parts, body) = request.into_parts();
    let route = Route::from_path(parts.uri.path()).filter(|_| parts.method == Method::POST);
    let Some(route) = route else {
        let refusal = no_route(parts.method.as_str(), parts.uri.path(), ELSEWHERE);
        return Ok(daemon.refusal(&refusal));
    };
    let query = parts.uri.query().map(Query::decode);
    let query = match query {
        Some(None) => {
            let refusal = Refusal::new(60002, "the URL's query cannot be decoded");
            return Ok(daemon.refusal(&refusal));
        }
        Some(query) => query,
        None => None,
    };
    let access = daemon.access();
    let name = access.admit(caller.peer(), &parts.headers, query.as_ref(), daemon.app());
    let name = match name {
        Ok(name) => name,
        Err(refusal) => {
            daemon.counts.refused();
            return Ok(daemon.answer(Reply::denied(refusal)));
        }
    };
    let in_flight = daemon.counts.begin();
    let reply = match whole_body(daemon, route, &parts.headers, body, caller).await? {
        Ok((body, timeout)) => answer(daemon, route, &body, timeout).await,
        Err(refused) => refused,
    };
    in_flight.answered(&name, route.operation, reply.answer.error_code);
    daemon.log(&name, route, &reply);
    Ok(daemon.answer(reply))
}

/// The body of a call, and how long that may take; else why it is no call.
async fn whole_body(
    daemon: &Shared,
    route: Route,
    headers: &HeaderMap,
    body: RequestBody,
    caller: &Caller,
) -> Result<Result<(Bytes, Duration), Reply>, HungUp> {
    let not_done = Effect::NotApplied.for_operation(route.operation);
    // While it drains, a call of a connection that was taken before is answered, too.
    if daemon.state() == State::Starting {
        return Ok(Err(Reply::starting(not_done)));
    }
    let timeout = match timeout(headers, daemon.times.call, daemon.times.call) {
        Ok(timeout) => timeout,
        Err(why) => {
            let refusal = Refusal::new(70402, why);
            let reply = Reply::refused(refusal, not_done);
            return Ok(Err(reply.with_status(StatusCode::BAD_REQUEST)));
        }
    };
    let body = match body.whole().await {
        Ok(body) => body,
        Err(BodyError::NoRoom) => return Ok(Err(Reply::no_room(not_done))),
        Err(error) => {
            let status = match error {
                BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                BodyError::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
                _ if caller.has_hung_up().await => return Err(HungUp),
                _ => StatusCode::BAD_REQUEST,
            };
            let refusal = Refusal::new(90001, error.to_string());
            return Ok(Err(Reply::refused(refusal, not_done).with_status(status)));
        }
    };
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    let is_encoded = encodings.any(|it| is_encoding(it.as_bytes()));
    if let Err(refusal) = check_plain(is_encoded, &body) {
        return Ok(Err(Reply::refused(refusal, not_done)));
    }
    Ok(Ok((body, timeout)))
}

async fn answer(daemon: &Shared, route: Route, body: &[u8], timeout: Duration) -> Reply {
    let not_done = Effect::NotApplied.for_operation(route.operation);
    let deadline = Instant::now() + timeout;
    let handing_over = loop {
        if route.operation != Operation::Get && !daemon.is_free_for_changes(deadline).await {
            return Reply::held_back(not_done);
        }
        let Ok(handing_over) = timeout_at(deadline, daemon.handing_over.read()).await else {
            return Reply::reloading(not_done);
        };
        // the batcher may have been replaced meanwhile
        if route.operation == Operation::Get || daemon.hold.is_over() {
            break handing_over;
        }
    };
    let sender = daemon.sender();
    if route.generation != sender.generation() {
        let text = format!(
            "the daemon is set to {} and takes {}: change its generation, or the path",
            sender.generation(),
            Route::new(route.operation, sender.generation()).path()
        );
        return Reply::refused(Refusal::new(60009, text), not_done);
    }
    let ends = daemon.ends();
    sender.call(route, body, deadline, ends, handing_over).await
}

impl Shared {
    /// Waits while changes are held back, or until then. Returns whether they are no more.
    async fn is_free_for_changes(&self, deadline: Instant) -> bool {
        if self.hold.is_over() {
            return true;
        }
        let mut state = self.state.subscribe();
        tokio::select! {
            is_over = self.hold.over(deadline) => is_over,
            // the next one holds them back, too
            _ = state.wait_for(|state| state.is_last()) => false,
        }
    }

    /// Returns when the daemon has no more time for what is under way.
    async fn ends(&self) {
        let mut state = self.state.subscribe();
        let _ = state.wait_for(|state| *state == State::Ending).await;
    }

    /// A request that is no call.
    fn refused(&self, status: StatusCode, why: &str) -> Response<Body> {
        self.counts.refused();
        response(status, TEXT, format!("{why}\n"))
    }

    /// A call that is refused before its body is read.
    fn refusal(&self, refusal: &Refusal) -> Response<Body> {
        self.counts.refused();
        self.answer(Reply::refused(refusal.clone(), Effect::NotApplied))
    }

    fn answer(&self, reply: Reply) -> Response<Body> {
        let Reply { status, answer } = reply;
        let mut response = response(status, JSON, answer.json(self.request_id()));
        let headers = response.headers_mut();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// A call that was answered. Names of users and tags are in no log.
    fn log(&self, caller: &CallerName, route: Route, reply: &Reply) {
        let answer: &Answer = &reply.answer;
        tracing::debug!(
            target: "imtag",
            caller = %caller,
            operation = route.operation.name(),
            route = route.path(),
            status = reply.status.as_u16(),
            code = answer.error_code,
            failed = answer.error_list.len(),
            "call answered"
        );
    }
}

fn response(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
