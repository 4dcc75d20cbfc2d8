//! The handler of one request on a route, from its arrival to what goes back over the wire.
//!
//! A request is handled in a task of its own, not in its connection's. So a caller that hangs up while its request is
//! delayed does not stop it: its effect comes late and without an answer, as it may at the service.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use imtag_local_server::Names;
use imtag_wire::{Answer, Refusal};

use crate::fault::{Fault, Kind};
use crate::request::Request;
use crate::service::{InFlight, Service, Ticket, request_id};
use crate::wire::{self, Line};

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
    *line.drip() = None;
    let (parts, body) = request.into_parts();
    let Some(request) = Request::receive(parts, body).await else {
        return line.cut().await;
    };
    let in_flight = InFlight::start(context.service);
    match tokio::spawn(handle(in_flight, request, Arc::clone(&line))).await {
        Ok(Some(response)) => response,
        // Or the task was dropped, as the emulator stops.
        Ok(None) | Err(_) => line.cut().await,
    }
}

/// What is answered; `None` where the connection is cut instead.
async fn handle(in_flight: InFlight, request: Request, line: Arc<Line>) -> Option<Response> {
    pause(in_flight.half).await;
    let response = process(&in_flight, &request, &line).await;
    pause(in_flight.half).await;
    response
}

/// Handles a request that arrives.
async fn process(in_flight: &InFlight, request: &Request, line: &Line) -> Option<Response> {
    let service = &in_flight.service;
    let job = service.read(request);
    let ticket = service.arrive(request, &job, in_flight);
    let Some(fault) = &ticket.fault else {
        let answer = service.handle(request, job, &ticket);
        return Some(wire::ok(service.write(&ticket, answer)));
    };
    pause(fault.delay).await;
    let answer = if fault.lets_pass() {
        service.handle(request, job, &ticket)
    } else {
        Answer::ok(false)
    };
    let response = apply_fault(service, &ticket, fault, answer, line);
    pause(fault.answer_delay).await;
    response
}

async fn pause(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// What is sent instead of the answer.
fn apply_fault(
    service: &Service,
    ticket: &Ticket,
    fault: &Fault,
    answer: Answer,
    line: &Line,
) -> Option<Response> {
    Some(match &fault.kind {
        Kind::Delay {} | Kind::LeaveOut { .. } => wire::ok(service.write(ticket, answer)),
        Kind::Code { code, text } => {
            let refusal = Refusal::new(*code, text.clone().unwrap_or_default());
            wire::ok(service.write(ticket, Answer::fail(refusal)))
        }
        Kind::Status {
            status,
            body,
            location,
        } => wire::page(*status, body.clone(), location.as_deref()),
        Kind::Garbage { body } => wire::page(200, body.clone(), None),
        Kind::Answer { body } => wire::ok(body.clone()),
        Kind::CutBefore {} | Kind::CutAfter {} => return None,
        Kind::Truncated {} => wire::truncated(answer.json(request_id(0))),
        Kind::Drip { interval } => {
            *line.drip() = Some(*interval);
            wire::ok(service.write(ticket, answer))
        }
    })
}

#[cfg(test)]
mod tests {
    use imtag_core::{Generation, Identifier, Operation, UserSig};
    use imtag_local_server::Peer;
    use tokio::task::JoinHandle;
    use tokio::time::{Instant, sleep};

    use crate::rng::Latency;
    use crate::service::Settings;
    use imtag_wire::Route;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn service(mean: Duration, jitter: Duration) -> Arc<Service> {
        let mut settings = Settings {
            latency: Latency { mean, jitter },
            ..Settings::default()
        };
        settings.quota.calls_per_second = u32::MAX;
        Service::for_tests(settings)
    }

    /// Lets a request that adds a tag set out.
    async fn send(service: &Arc<Service>) -> JoinHandle<Option<Response>> {
        let identifier = Identifier::new("admin").unwrap();
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let app = &service.app;
        let usersig = UserSig::sign(&app.secret_key, app.sdkappid, &identifier, SECOND * 60, now);
        let route = Route::new(Operation::Add, Generation::AllMemberPush);
        let target = format!(
            "{}?sdkappid=1&identifier=admin&usersig={}&random=1&contenttype=json",
            route.path(),
            usersig.expose()
        );
        let body = r#"{"UserTags":[{"To_Account":"a","Tags":["t"]}]}"#;
        let request = hyper::Request::builder().method("POST").uri(target);
        let (parts, body) = request.body(body.into()).unwrap().into_parts();
        let request = Request::receive(parts, body).await.unwrap();
        let line = Line::new(Peer::Tcp(([127, 0, 0, 1], 1).into()));
        tokio::spawn(handle(InFlight::start(Arc::clone(service)), request, line))
    }

    fn arrivals(service: &Service) -> u64 {
        service.stats().arrivals()
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_arrives_half_way_and_is_under_way_all_the_time() {
        let service = service(SECOND * 100, Duration::ZERO);
        let handled = send(&service).await;
        sleep(SECOND * 49).await;
        assert_eq!((arrivals(&service), service.stats().in_flight), (0, 1));
        assert!(!service.settle(Duration::ZERO));
        sleep(SECOND * 2).await;
        assert_eq!((arrivals(&service), service.stats().in_flight), (1, 1));
        assert_eq!(service.stats().users_with_tags, 1);
        sleep(SECOND * 48).await;
        assert!(!handled.is_finished());
        sleep(SECOND * 2).await;
        assert!(handled.is_finished() && service.settle(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn thousands_are_under_way_at_once_each_for_a_time_of_its_own() {
        let service = service(SECOND * 50, SECOND * 20);
        let started = Instant::now();
        let mut under_way = Vec::new();
        for _ in 0..2000 {
            let handled = send(&service).await;
            under_way.push(tokio::spawn(async move {
                handled.await.unwrap();
                started.elapsed()
            }));
        }
        let mut times = Vec::new();
        for one in under_way {
            times.push(one.await.unwrap());
        }
        // A timer may be late by its granularity, once on each half.
        let late = Duration::from_millis(2);
        let all_within = |time: &Duration| (SECOND * 30..=SECOND * 70 + late).contains(time);
        assert!(times.iter().all(all_within));
        times.sort_unstable();
        assert!(times[100] < SECOND * 33 && times[1900] > SECOND * 67);
        assert_eq!(arrivals(&service), 2000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_set_out_before_a_reset_has_no_effect_and_is_not_counted() {
        let service = service(SECOND * 100, Duration::ZERO);
        let handled = send(&service).await;
        sleep(SECOND).await;
        service.reset().unwrap();
        let answer = handled.await.unwrap().unwrap().into_body();
        let answer = axum::body::to_bytes(answer, usize::MAX).await.unwrap();
        assert!(String::from_utf8_lossy(&answer).contains("91000"));
        assert_eq!(
            (arrivals(&service), service.stats().users_with_tags),
            (0, 0)
        );
        assert!(service.requests().is_empty());
    }
}
