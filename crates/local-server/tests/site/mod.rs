//! A server with handlers that tests ask for by path, and callers of it.

#![allow(dead_code, clippy::unwrap_used)] // each test file uses a part of it, and all of it is test code

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use imtag_local_server::{BodyError, Caller, Limits, Listener, RequestBody, Server};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

/// Longer than any wait of a test that passes.
pub(crate) const LONG: Duration = Duration::from_secs(60);
pub(crate) const SHORT: Duration = Duration::from_millis(100);

pub(crate) fn limits() -> Limits {
    Limits {
        connections: 8,
        head_bytes: 8 * 1024,
        head: LONG,
        body_bytes: 1000,
        body: LONG,
        bodies_bytes: 64 * 1024,
        room: SHORT,
        idle: LONG,
        write: LONG,
    }
}

/// What a handler says of the request that it has, and until when it holds its answer.
pub(crate) struct Site {
    pub(crate) server: Server,
    /// Paths as they begin to be handled; `gone …` where the handler was dropped, `told …` where it was told of the end.
    pub(crate) seen: mpsc::UnboundedReceiver<String>,
    pub(crate) release: Arc<Notify>,
}

/// Says that a handler was dropped before its end.
struct Dropped(mpsc::UnboundedSender<String>, Option<String>);

impl Drop for Dropped {
    fn drop(&mut self) {
        if let Some(path) = self.1.take() {
            let _ = self.0.send(format!("gone {path}"));
        }
    }
}

/// `/held` waits to be released or told of the end, `/waits` for ever, `/large` has an answer that fills the system's buffers, `/peer` says who asks, and each
/// other one answers its path and body.
async fn answer(
    request: Request<RequestBody>,
    say: mpsc::UnboundedSender<String>,
    release: Arc<Notify>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let caller = request.extensions().get::<Caller>().unwrap().clone();
    let _ = say.send(path.clone());
    let mut dropped = Dropped(say.clone(), Some(path.clone()));
    let body = request.into_body().whole().await;
    // it takes its room until the answer
    let _held = body.as_ref().ok().cloned();
    let (status, text) = match body {
        Ok(body) => (
            StatusCode::OK,
            format!("{path} {}", String::from_utf8_lossy(&body)),
        ),
        Err(error @ BodyError::TooLarge { .. }) => {
            (StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
        }
        Err(error @ BodyError::NoRoom) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        Err(error @ BodyError::TooSlow { .. }) => (StatusCode::REQUEST_TIMEOUT, error.to_string()),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
    };
    let text = match &*path {
        "/held" => {
            tokio::select! {
                () = release.notified() => {}
                () = caller.hung_up() => { let _ = say.send(format!("told {path}")); }
            }
            text
        }
        "/waits" => std::future::pending().await,
        "/large" => "x".repeat(64 * 1024 * 1024),
        "/peer" => format!("{:?}", caller.peer()),
        _ => text,
    };
    dropped.1 = None;
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    Ok(response)
}

pub(crate) fn serve(limits: Limits, listener: Listener) -> Site {
    serve_all(limits, [listener])
}

pub(crate) fn serve_all(limits: Limits, listeners: impl IntoIterator<Item = Listener>) -> Site {
    let server = Server::new(limits);
    let (say, seen) = mpsc::unbounded_channel();
    let release = Arc::new(Notify::new());
    for listener in listeners {
        let (accepting, released, say) = (server.clone(), Arc::clone(&release), say.clone());
        tokio::spawn(async move {
            let serve = |connection: imtag_local_server::Connection| {
                let (say, release) = (say.clone(), Arc::clone(&released));
                async move {
                    let handler =
                        service_fn(|request| answer(request, say.clone(), Arc::clone(&release)));
                    connection.http(connection.socket(), handler).await
                }
            };
            accepting.accept(listener, serve).await;
        });
    }
    Site {
        server,
        seen,
        release,
    }
}

pub(crate) fn start(limits: Limits) -> (Site, std::net::SocketAddr) {
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.address().unwrap();
    (serve(limits, listener), address)
}

impl Site {
    pub(crate) async fn sees(&mut self, expected: &str) {
        let seen = timeout(LONG, self.seen.recv()).await.unwrap().unwrap();
        assert_eq!(seen, expected);
    }
}

/// What comes back until the server closes; a reset counts as a close.
pub(crate) async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut all)).await;
    let _ = read.expect("the connection was not closed");
    String::from_utf8_lossy(&all).into_owned()
}

/// One answer, whose end is the end of its body.
pub(crate) async fn one(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let read = async {
        loop {
            let text = String::from_utf8_lossy(&all).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|it| it.strip_prefix("content-length: "));
                if body.len() == length.unwrap().parse::<usize>().unwrap() {
                    return text;
                }
            }
            all.push(stream.read_u8().await.unwrap());
        }
    };
    timeout(LONG, read).await.expect("no answer")
}

pub(crate) async fn send(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

pub(crate) async fn answered(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    send(&mut stream, request).await;
    rest(&mut stream).await
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}
