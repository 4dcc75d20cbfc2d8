//! One request on a route, from its arrival to what goes back over the wire.
//!
//! A request is dealt with in a task of its own, not in its connection's: a caller that hangs up while its request is
//! held in a delay does not stop it, so the effect comes late and unheard of, as it may at the service.

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
use crate::wire::Line;
use crate::world::{SetOut, Ticket, World};

/// What a handler needs beside the request.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) world: Arc<World>,
    pub(crate) names: Arc<Names>,
    /// How long a request may take to come in.
    pub(crate) read_timeout: Duration,
}

/// Serves every path that is not the admin API's: also those that no route has, as the service does.
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
    match tokio::spawn(deal_with(context.world, request)).await {
        Ok(reply) => reply.send(&line).await,
        // The task was dropped, as the emulator stops.
        Err(_) => line.cut().await,
    }
}

/// Counts the request as dealt with, also when its task is dropped.
struct UnderWay(Arc<World>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.leave();
    }
}

async fn deal_with(world: Arc<World>, request: Request) -> Reply {
    let set_out = world.set_out();
    let under_way = UnderWay(world);
    let world = &under_way.0;
    pause(set_out.half).await;
    let reply = take_in(world, &request, &set_out).await;
    pause(set_out.half).await;
    reply
}

/// A request arrives, and is dealt with.
async fn take_in(world: &World, request: &Request, set_out: &SetOut) -> Reply {
    let job = world.read(request);
    let ticket = world.arrive(request, &job, set_out);
    let Some(fault) = &ticket.fault else {
        let answer = world.handle(request, job, &ticket);
        return Reply::Json(world.write(&ticket, &answer));
    };
    pause(fault.delay).await;
    let answer = fault
        .lets_pass()
        .then(|| world.handle(request, job, &ticket));
    let reply = spoil(world, &ticket, fault, answer);
    pause(fault.answer_delay).await;
    reply
}

async fn pause(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// What is sent instead of the answer, which is `None` where the fault kept the request from being handled.
fn spoil(world: &World, ticket: &Ticket, fault: &Fault, answer: Option<Answer>) -> Reply {
    let answer = answer.unwrap_or_else(|| Answer::ok(crate::apply::Applied::default(), false));
    match &fault.kind {
        Kind::Delay | Kind::LeaveOut(_) => Reply::Json(world.write(ticket, &answer)),
        Kind::Code(refusal) => Reply::Json(world.write(ticket, &Answer::fail(refusal.clone()))),
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
        Kind::Drip { interval } => Reply::Drip(world.write(ticket, &answer), *interval),
    }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
