//! The handler of one request on a route, from its arrival to what goes back over the wire.
//!
//! A request is handled in a task of its own, not in its connection's. So a caller that hangs up while its request is
//! delayed does not stop it: its effect comes late and without an answer, as it may at the service.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use crate::answer::Answer;
use crate::fault::{Fault, Kind};
use crate::names::Names;
use crate::reply::Reply;
use crate::request::Request;
use crate::service::{InFlight, Service, Ticket};
use crate::wire::Line;

/// The context of all handlers.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) service: Arc<Service>,
    pub(crate) names: Arc<Names>,
    /// How long a request may take to come in.
    pub(crate) read_timeout: Duration,
}

/// Serves every path outside the admin API, also those that no route has, as the service does.
pub(crate) async fn serve(
    State(context): State<Context>,
    Extension(line): Extension<Arc<Line>>,
    request: axum::extract::Request,
) -> Response {
    line.drip(None);
    let (parts, body) = request.into_parts();
    let Some(request) = Request::receive(parts, body, context.read_timeout).await else {
        return line.cut().await;
    };
    match tokio::spawn(handle_request(context.service, request)).await {
        Ok(reply) => reply.send(&line).await,
        // The task was dropped, as the emulator stops.
        Err(_) => line.cut().await,
    }
}

/// Counts the request as handled when it is dropped, also with its task.
struct InFlightGuard(Arc<Service>);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.leave();
    }
}

async fn handle_request(service: Arc<Service>, request: Request) -> Reply {
    let in_flight = service.begin();
    let guard = InFlightGuard(service);
    let service = &guard.0;
    pause(in_flight.half).await;
    let reply = process(service, &request, &in_flight).await;
    pause(in_flight.half).await;
    reply
}

/// Handles a request that arrives.
async fn process(service: &Service, request: &Request, in_flight: &InFlight) -> Reply {
    let job = service.read(request);
    let ticket = service.arrive(request, &job, in_flight);
    let Some(fault) = &ticket.fault else {
        let answer = service.handle(request, job, &ticket);
        return Reply::Json(service.write(&ticket, &answer));
    };
    pause(fault.delay).await;
    let answer = fault
        .lets_pass()
        .then(|| service.handle(request, job, &ticket));
    let reply = apply_fault(service, &ticket, fault, answer);
    pause(fault.answer_delay).await;
    reply
}

async fn pause(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// What is sent instead of the answer. `answer` is `None` if the fault prevented the handling.
fn apply_fault(service: &Service, ticket: &Ticket, fault: &Fault, answer: Option<Answer>) -> Reply {
    let answer = answer.unwrap_or_else(|| Answer::ok(crate::apply::Applied::default(), false));
    match &fault.kind {
        Kind::Delay | Kind::LeaveOut(_) => Reply::Json(service.write(ticket, &answer)),
        Kind::Code(refusal) => Reply::Json(service.write(ticket, &Answer::fail(refusal.clone()))),
        Kind::Status {
            status,
            body,
            location,
        } => Reply::Page {
            status: *status,
            body: body.clone(),
            location: location.clone(),
        },
        Kind::Garbage { body } => Reply::Page {
            status: 200,
            body: body.clone(),
            location: None,
        },
        Kind::Answer { body } => Reply::Json(body.clone()),
        Kind::Cut => Reply::Cut,
        Kind::Truncated => Reply::Truncated(answer.json(0)),
        Kind::Drip { interval } => Reply::Drip(service.write(ticket, &answer), *interval),
    }
}

#[cfg(test)]
#[path = "handler_tests.rs"]
mod tests;
