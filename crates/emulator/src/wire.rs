//! A connection as faults need it: one that can be cut at any moment, and that can let its answer out a byte at a
//! time, head and all. It lies above TLS, so that both look the same with TLS and without.

use std::convert::Infallible;
use std::future::{self, Future};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Sleep;

/// What the handler of a request can do to its connection.
pub(crate) struct Line {
    peer: SocketAddr,
    cut: Notify,
    drip: Mutex<Option<Duration>>,
}

impl Line {
    pub(crate) fn new(peer: SocketAddr) -> Arc<Line> {
        Arc::new(Line {
            peer,
            cut: Notify::new(),
            drip: Mutex::default(),
        })
    }

    /// Whether the caller is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.peer.ip().to_canonical().is_loopback()
    }

    /// Cuts the connection. It never comes back: what awaits it is dropped with the connection.
    pub(crate) async fn cut<T>(&self) -> T {
        self.cut.notify_one();
        match future::pending::<Infallible>().await {}
    }

    /// Ends when the connection is to be cut.
    pub(crate) async fn until_cut(&self) {
        self.cut.notified().await;
    }

    /// From now on one byte goes out, then nothing for so long, and so on; `None` ends that.
    pub(crate) fn drip(&self, interval: Option<Duration>) {
        *self.drip.lock().unwrap_or_else(PoisonError::into_inner) = interval;
    }

    fn interval(&self) -> Option<Duration> {
        *self.drip.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stream below HTTP.
pub(crate) struct Wire<S> {
    stream: S,
    line: Arc<Line>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<S> Wire<S> {
    pub(crate) fn new(stream: S, line: Arc<Line>) -> Wire<S> {
        Wire {
            stream,
            line,
            pause: None,
        }
    }
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
        let Some(interval) = self.line.interval() else {
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
