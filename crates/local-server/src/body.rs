//! A request's body, within its limits of size and time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};

use crate::progress::Progress;
use crate::shared::{Shared, drained};

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
    /// The bodies of other requests have taken all the room that there is.
    #[error("there is no room for the body, as those of other requests take all of it")]
    NoRoom,
    /// The caller hung up, or broke off its chunks.
    #[error("the body broke off")]
    Broken(#[source] hyper::Error),
}

/// How long a drain waits for what is left of a body: the daemon's next callers wait for its end.
const REST: Duration = Duration::from_secs(2);

/// A request's body. After a failure it is over, and the connection is closed with the answer unless all of the body
/// has come meanwhile.
pub struct RequestBody {
    incoming: Incoming,
    progress: Arc<Progress>,
    shared: Arc<Shared>,
    limit: u64,
    /// Of its limit, what has not come yet.
    left: u64,
    /// From when it was first read; how long it was.
    until: Option<Pin<Box<dyn Future<Output = Duration> + Send>>>,
    /// Of the room for all bodies, what it has.
    share: Option<OwnedSemaphorePermit>,
    /// A part that has come, and waits for room.
    waits: Option<(Frame<Bytes>, Room)>,
}

type Room = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

impl RequestBody {
    pub(crate) fn new(
        incoming: Incoming,
        progress: Arc<Progress>,
        shared: Arc<Shared>,
    ) -> RequestBody {
        let limit = shared.limits.body_bytes;
        progress.body_ended.store(incoming.is_end_stream(), Relaxed);
        RequestBody {
            incoming,
            progress,
            shared,
            limit,
            left: limit,
            until: None,
            share: None,
            waits: None,
        }
    }

    /// With another limit than the server's, before it is read.
    #[must_use]
    pub fn at_most(mut self, bytes: u64) -> RequestBody {
        (self.limit, self.left) = (bytes, bytes);
        self
    }

    /// All of it, which takes its share of the room for all bodies until the last clone is dropped.
    ///
    /// # Errors
    /// Where it does not come whole.
    pub async fn whole(mut self) -> Result<Bytes, BodyError> {
        let bytes = read_whole(&mut self).await?;
        let share = self.share.take();
        Ok(Bytes::from_owner(Whole {
            bytes,
            _share: share,
        }))
    }

    fn too_large(&self) -> BodyError {
        BodyError::TooLarge { limit: self.limit }
    }

    /// Returns when its time is up, and how much that was.
    fn time(&self) -> Pin<Box<dyn Future<Output = Duration> + Send>> {
        let limit = self.shared.limits.body;
        let orders = self.shared.orders.subscribe();
        Box::pin(async move {
            let rest = async {
                drained(orders).await;
                sleep(REST).await;
            };
            tokio::select! {
                () = sleep(limit) => limit,
                () = rest => REST,
            }
        })
    }

    /// Takes room for a part that has come, or waits for it.
    fn hold(&mut self, frame: Frame<Bytes>, bytes: usize) -> Option<Frame<Bytes>> {
        let bytes = u32::try_from(bytes).expect("a part is no longer than what is read at once");
        let bodies = Arc::clone(&self.shared.bodies);
        match Arc::clone(&bodies).try_acquire_many_owned(bytes) {
            Ok(room) => {
                self.add(room);
                Some(frame)
            }
            Err(_) => {
                let limit = self.shared.limits.room;
                let room = async move {
                    let room = timeout(limit, bodies.acquire_many_owned(bytes)).await;
                    room.ok()?.ok()
                };
                self.waits = Some((frame, Box::pin(room)));
                None
            }
        }
    }

    fn add(&mut self, room: OwnedSemaphorePermit) {
        match &mut self.share {
            Some(share) => share.merge(room),
            None => self.share = Some(room),
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody")
            .field("limit", &self.limit)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// A body, and its share of the room for all.
struct Whole {
    bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some((_, room)) = &mut self.waits {
            let room = ready!(room.as_mut().poll(cx));
            let waited = self.waits.take();
            let (Some(room), Some((frame, _))) = (room, waited) else {
                return Poll::Ready(Some(Err(BodyError::NoRoom)));
            };
            self.add(room);
            return Poll::Ready(Some(Ok(frame)));
        }
        if self.incoming.size_hint().lower() > self.left {
            return Poll::Ready(Some(Err(self.too_large())));
        }
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || self.incoming.is_end_stream() {
            self.progress.body_ended.store(true, Relaxed);
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                let came = frame.data_ref().map_or(0, Bytes::len);
                let Some(left) = self.left.checked_sub(came as u64) else {
                    return Poll::Ready(Some(Err(self.too_large())));
                };
                self.left = left;
                match self.hold(frame, came) {
                    Some(frame) => Poll::Ready(Some(Ok(frame))),
                    None => self.poll_frame(cx),
                }
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyError::Broken(error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                if self.until.is_none() {
                    self.until = Some(self.time());
                }
                let until = self.until.as_mut().expect("it was made just now");
                let limit = ready!(until.as_mut().poll(cx));
                Poll::Ready(Some(Err(BodyError::TooSlow { limit })))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.waits.is_none() && self.incoming.is_end_stream()
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
