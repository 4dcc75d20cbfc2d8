//! A request's body, within its limits of size and time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::progress::Progress;

/// Why a body does not come whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// It is larger than it may be. Nothing of it is read where its length is announced.
    #[error("the body is above {limit} bytes")]
    TooLarge {
        /// How large it may be.
        limit: u64,
    },
    /// It did not come in time.
    #[error("the body did not come within {limit:?}")]
    TooSlow {
        /// How long it may take.
        limit: Duration,
    },
    /// The caller hung up, or broke off its chunks.
    #[error("the body broke off")]
    Broken(#[source] hyper::Error),
}

/// A request's body. After a failure it is over, and the connection is closed with the answer unless all of the body
/// has come meanwhile.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Incoming,
    progress: Arc<Progress>,
    limit: u64,
    /// Of its limit, what has not come yet.
    left: u64,
    time: Duration,
    /// From when it was first read.
    until: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    pub(crate) fn new(
        incoming: Incoming,
        progress: Arc<Progress>,
        bytes: u64,
        time: Duration,
    ) -> RequestBody {
        RequestBody {
            incoming,
            progress,
            limit: bytes,
            left: bytes,
            time,
            until: None,
        }
    }

    /// With another limit than the server's, before it is read.
    #[must_use]
    pub fn at_most(mut self, bytes: u64) -> RequestBody {
        (self.limit, self.left) = (bytes, bytes);
        self
    }

    fn too_large(&self) -> BodyError {
        BodyError::TooLarge { limit: self.limit }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.incoming.size_hint().lower() > self.left {
            return Poll::Ready(Some(Err(self.too_large())));
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let came = frame.data_ref().map_or(0, |data| data.len() as u64);
                let Some(left) = self.left.checked_sub(came) else {
                    return Poll::Ready(Some(Err(self.too_large())));
                };
                self.left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyError::Broken(error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let limit = self.time;
                let until = self.until.get_or_insert_with(|| Box::pin(sleep(limit)));
                let is_late = until.as_mut().poll(cx).is_ready();
                if is_late {
                    return Poll::Ready(Some(Err(BodyError::TooSlow { limit })));
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let left = !self.incoming.is_end_stream();
        self.progress.body_left.store(left, Relaxed);
    }
}

/// A body in memory of its own, piece by piece: a piece takes more than its bytes, and keeps a connection's buffer.
///
/// # Errors
/// Where the body has one.
pub async fn read_whole<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Result<Bytes, B::Error> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame?.into_data() {
            whole.extend_from_slice(&piece);
        }
    }
    Ok(whole.into_boxed_slice().into())
}
