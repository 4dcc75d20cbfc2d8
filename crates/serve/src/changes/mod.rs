//! The second door: changes that last. What a post has put into the queue is applied, whatever happens to its caller, to the
//! daemon or to the machine.
//!
//! ```text
//! head ──► what is asked for? 404, 405 ──► who calls? 401 ──► the query 400 ──► a queue? 404 ──► done, by `post`, `read`, `control`
//! ```

mod answers;
mod body;
mod control;
mod post;
mod read;
mod target;

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use hyper::{Request, Response, StatusCode};
use imtag_local_server::{BodyError, Caller, RequestBody};
use imtag_queue::{Queue, Refused};
use imtag_wire::{Query, is_encoding};
use tokio::time::{Instant, timeout_at};

use crate::access::{CallerName, remedy};
use crate::relay::Relayed;
use crate::shared::{Shared, State};
use crate::timeout::timeout;
use answers::{Answered, Problem};
use target::{Asked, Target};

/// How this door's paths begin.
pub(crate) const PREFIX: &str = "/v1/";

/// Bytes of a body, at most.
const BODY_BYTES: u64 = 8 * 1024 * 1024;

/// How long a caller may have its answer put off.
const WAIT_AT_MOST: Duration = Duration::from_secs(60);

/// A request for this door, behind its head.
struct Visit<'d> {
    daemon: &'d Shared,
    queue: Queue,
    name: CallerName,
    headers: HeaderMap,
    /// When the caller wants an answer.
    deadline: Instant,
}

/// `None` where the caller has hung up: an answer might say that the changes are stored.
pub(crate) async fn handle(
    daemon: &Shared,
    caller: &Caller,
    request: Request<RequestBody>,
) -> Option<Response<Full<Bytes>>> {
    let (parts, body) = request.into_parts();
    let target = match Target::new(&parts.method, parts.uri.path()) {
        Ok(target) => target,
        Err(problem) => return Some(refused(daemon, problem)),
    };
    let query = match parts.uri.query().map(Query::decode) {
        Some(None) => {
            let why = "the URL's query cannot be decoded: write what is not a letter or digit as %XX of its UTF-8";
            let problem = Problem::new(StatusCode::BAD_REQUEST, why);
            return Some(refused(daemon, problem));
        }
        query => query.flatten(),
    };
    let access = daemon.access();
    let name = access.admit(caller.peer(), &parts.headers, query.as_ref(), daemon.app());
    let name = match name {
        Ok(name) => name,
        Err(refusal) => {
            let why = format!("{}: {}", refusal.text, remedy(&refusal));
            return Some(refused(daemon, Problem::unauthorized(why)));
        }
    };
    let in_flight = daemon.counts.begin();
    let action = target.name();
    let visit = target.asked(query.as_ref());
    let visit =
        visit.and_then(|asked| Ok((Visit::new(daemon, name.clone(), parts.headers)?, asked)));
    let answered = match visit {
        Err(problem) => Err(problem),
        Ok((visit, asked)) => match visit.body(body, caller).await? {
            Err(problem) => Err(problem),
            // dropped where the caller hangs up: what was handed to the queue may be done all the same
            Ok(body) => visit.answer(asked, body).await,
        },
    };
    let response = answered.map_or_else(Problem::response, Answered::response);
    let status = response.status().as_u16();
    in_flight.visited(&name, action, status);
    tracing::debug!(target: "imtag", caller = %name, request = action, status, "request answered");
    Some(response)
}

fn refused(daemon: &Shared, problem: Problem) -> Response<Full<Bytes>> {
    daemon.counts.refused();
    problem.response()
}

impl<'d> Visit<'d> {
    fn new(daemon: &'d Shared, name: CallerName, headers: HeaderMap) -> Result<Visit<'d>, Problem> {
        let queue = daemon.queue.clone().ok_or_else(Problem::no_queue)?;
        if daemon.state() == State::Starting {
            return Err(Problem::starting());
        }
        let time = timeout(&headers, daemon.times.call, WAIT_AT_MOST);
        let time = time.map_err(|why| Problem::new(StatusCode::BAD_REQUEST, why))?;
        Ok(Visit {
            daemon,
            queue,
            name,
            headers,
            deadline: Instant::now() + time,
        })
    }

    /// `None` where the caller has hung up.
    async fn body(&self, body: RequestBody, caller: &Caller) -> Option<Result<Bytes, Problem>> {
        let mut encodings = self.headers.get_all(CONTENT_ENCODING).iter();
        if encodings.any(|it| is_encoding(it.as_bytes())) {
            let why = "the body is compressed: send it plain, without Content-Encoding";
            return Some(Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why)));
        }
        match body.at_most(BODY_BYTES).whole().await {
            Ok(body) => Some(Ok(body)),
            Err(BodyError::Broken(_)) if caller.has_hung_up().await => None,
            Err(error) => Some(Err(Problem::of_body(&error))),
        }
    }

    async fn answer(&self, asked: Asked, body: Bytes) -> Result<Answered, Problem> {
        match asked {
            Asked::Post(wait) => self.post(wait, body).await,
            Asked::Change(id) => self.change(id).await,
            Asked::PostStates(id) => self.post_states(id).await,
            Asked::Failures { after, limit } => self.failures(after, limit).await,
            Asked::DeleteFailures => self.delete_failures(body).await,
            Asked::Purge(filter) => self.purge(filter).await,
            Asked::Pause => self.pause().await,
            Asked::Resume => self.resume().await,
        }
    }

    /// What the queue answers. One commit answers many posts.
    fn relayed<F>(&self, answer: F) -> Relayed<F> {
        Relayed::new(answer, &self.daemon.relay)
    }

    /// What the queue answers by the deadline.
    async fn of_queue<T>(
        &self,
        answer: impl Future<Output = Result<T, Refused>> + Unpin,
        late: fn() -> Problem,
    ) -> Result<T, Problem> {
        match timeout_at(self.deadline, self.relayed(answer)).await {
            Ok(answer) => answer.map_err(Problem::from),
            Err(_) => Err(late()),
        }
    }
}
