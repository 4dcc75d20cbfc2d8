//! What goes back over the wire: an answer, or what a fault makes of it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::Frame;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use hyper::{HeaderMap, StatusCode};

use crate::fault::has_body;
use crate::wire::Line;

const JSON: &str = "application/json";
const HTML: &str = "text/html";

/// What is sent for one request.
pub(crate) enum Reply {
    /// An answer.
    Json(Vec<u8>),
    /// A page of HTML, as a gateway or a captive portal sends it.
    Page {
        status: u16,
        body: Option<String>,
        location: Option<String>,
    },
    /// Nothing: the connection is closed.
    Cut,
    /// The first half of an answer, announced at its whole length; then the connection is closed.
    Truncated(Vec<u8>),
    /// An answer, a byte at a time.
    Drip(Vec<u8>, Duration),
}

impl Reply {
    /// Makes the HTTP answer, or cuts the connection.
    pub(crate) async fn send(self, line: &Line) -> Response {
        match self {
            Reply::Json(json) => response(StatusCode::OK, JSON, json.into()),
            Reply::Page {
                status,
                body,
                location,
            } => page(status, body, location.as_deref()),
            Reply::Cut => line.cut().await,
            Reply::Truncated(json) => truncated(json),
            Reply::Drip(json, interval) => {
                line.drip(Some(interval));
                response(StatusCode::OK, JSON, json.into())
            }
        }
    }
}

/// A response of the given type.
pub(crate) fn json(status: StatusCode, json: Vec<u8>) -> Response {
    response(status, JSON, json.into())
}

/// JSON that is made while it is sent.
pub(crate) fn streamed(
    json: impl HttpBody<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
) -> Response {
    response(StatusCode::OK, JSON, Body::new(json))
}

fn response(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn page(status: u16, body: Option<String>, location: Option<&str>) -> Response {
    // Faults are checked when they are queued, those of the builder's side included; 502 is what they stand for.
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let body = body.unwrap_or_else(|| {
        format!(
            "<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\r\n"
        )
    });
    let mut response = if has_body(status.as_u16()) {
        response(status, HTML, body.into())
    } else {
        // Neither a length nor a type: a caller would wait for what they announce.
        let mut bare = Response::new(Body::empty());
        *bare.status_mut() = status;
        bare
    };
    if let Some(location) = location {
        insert(response.headers_mut(), LOCATION, location);
    }
    response
}

fn truncated(json: Vec<u8>) -> Response {
    let announced = json.len();
    let half = Bytes::from(json).slice(..announced / 2);
    let mut response = response(StatusCode::OK, JSON, Body::new(Half::Unsent(half)));
    insert(
        response.headers_mut(),
        CONTENT_LENGTH,
        &announced.to_string(),
    );
    response
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A body that breaks off. It pauses in between, so that its start is on the wire before the break is seen.
enum Half {
    Unsent(Bytes),
    Sent,
    Paused,
}

impl HttpBody for Half {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match std::mem::replace(&mut *self, Half::Paused) {
            Half::Unsent(half) => {
                *self = Half::Sent;
                Poll::Ready(Some(Ok(Frame::data(half))))
            }
            Half::Sent => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Half::Paused => Poll::Ready(Some(Err(std::io::ErrorKind::BrokenPipe.into()))),
        }
    }
}
