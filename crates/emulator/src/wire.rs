//! What goes over the wire: responses, right and broken, and a connection as faults need it. It can be cut at any
//! moment, and can let its answer out a byte at a time, head and all. It lies above TLS, so that both look the same
//! with TLS and without.

use std::convert::Infallible;
use std::future::{self, Future};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::stream;
use hyper::StatusCode;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use imtag_local_server::Peer;
use parking_lot::{Mutex, MutexGuard};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Sleep;

use crate::fault::has_body;

const JSON: &str = "application/json";
const HTML: &str = "text/html";

/// What the handler of a request can do to its connection.
pub(crate) struct Line {
    peer: Peer,
    /// Notified when the connection is to be cut.
    pub(crate) cut: Notify,
    drip: Mutex<Option<Duration>>,
}

impl Line {
    pub(crate) fn new(peer: Peer) -> Arc<Line> {
        Arc::new(Line {
            peer,
            cut: Notify::new(),
            drip: Mutex::default(),
        })
    }

    /// Whether the caller is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.peer.is_local()
    }

    /// Cuts the connection. It never comes back: what awaits it is dropped with the connection.
    pub(crate) async fn cut<T>(&self) -> T {
        self.cut.notify_one();
        match future::pending::<Infallible>().await {}
    }

    /// The time between two bytes that go out; none if all go out at once.
    pub(crate) fn drip(&self) -> MutexGuard<'_, Option<Duration>> {
        self.drip.lock()
    }
}

/// The stream below HTTP.
pub(crate) struct Wire<S> {
    pub(crate) stream: S,
    pub(crate) line: Arc<Line>,
    /// Until the next byte may go out, where the answer drips.
    pub(crate) pause: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(interval) = *self.line.drip() else {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        };
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let one = &bytes[..bytes.len().min(1)];
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, one));
        self.pause = Some(Box::pin(tokio::time::sleep(interval)));
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Status 200 with this JSON.
pub(crate) fn ok(json: impl Into<Body>) -> Response {
    response(StatusCode::OK, JSON, json.into())
}

/// A status that says so, and `{"error": "…"}`: what no caller of the service gets.
pub(crate) fn error(status: StatusCode, text: &str) -> Response {
    response(status, JSON, json!({"error": text}).to_string().into())
}

/// A page of HTML, as a gateway or a captive portal sends it.
pub(crate) fn page(status: u16, body: Option<String>, location: Option<&str>) -> Response {
    // A fault of the builder's side may have any number; 502 is what a status stands for.
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let body = body.unwrap_or_else(|| {
        format!(
            "<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\r\n"
        )
    });
    let mut response = response(status, HTML, body.into());
    if !has_body(status.as_u16()) {
        // Neither a length nor a type: a caller would wait for what they announce.
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(CONTENT_TYPE);
    }
    if let Some(Ok(location)) = location.map(HeaderValue::from_str) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// The first half of an answer, announced at its whole length; then the connection is closed.
pub(crate) fn truncated(json: Vec<u8>) -> Response {
    let announced = json.len();
    let half = Bytes::from(json).slice(..announced / 2);
    let broken = stream::unfold(Some(half), |half| async {
        if half.is_none() {
            // So that the start is on the wire before the break is seen.
            tokio::task::yield_now().await;
        }
        let part: io::Result<Bytes> = half.ok_or(io::ErrorKind::BrokenPipe.into());
        Some((part, None))
    });
    let mut response = ok(Body::from_stream(broken));
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, announced.into());
    response
}

fn response(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
