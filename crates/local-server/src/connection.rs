//! One connection: TLS where it is wanted, then HTTP, each phase within its time.
//!
//! hyper reads heads and writes answers. Its own limit of time for a head also counts while a kept connection is idle,
//! so the limits are held here, by the [phases](crate::progress).

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use crate::body::RequestBody;
use crate::caller::Caller;
use crate::guarded::Guarded;
use crate::limits::Limits;
use crate::progress::{Phase, Progress};
use crate::room::{Rank, Slots};
use crate::shared::{Orders, Shared, drained};
use crate::socket::{Peer, Socket};

/// How long what a caller still sends is thrown away after the answer: without that the system would tell it of a reset
/// before it has read the answer.
const LINGER: Duration = Duration::from_secs(2);

/// What TLS begins with, and no HTTP does.
const TLS_HANDSHAKE: [u8; 1] = [22];

/// Why a request gets no answer.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("the caller has hung up")]
    HungUp,
    #[error("{0}")]
    Failed(Box<dyn Error + Send + Sync>),
}

/// An accepted connection.
pub struct Connection {
    pub(crate) caller: Caller,
    pub(crate) shared: Arc<Shared>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) orders: tokio::sync::watch::Receiver<Orders>,
    pub(crate) progress: Arc<Progress>,
}

impl Connection {
    /// What bytes go over; HTTP is served on it, or on something above it.
    #[must_use]
    pub fn socket(&self) -> Socket {
        self.caller.socket.clone()
    }

    /// Who is on the other side.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.caller.peer
    }

    fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// True where the other side of a TCP connection begins with TLS. Nothing of it is taken.
    ///
    /// # Errors
    /// Where nothing comes within the time for a head.
    pub async fn begins_tls(&self) -> io::Result<bool> {
        let stream = self.caller.socket.as_tcp();
        let stream = stream.ok_or(io::ErrorKind::Unsupported)?;
        let mut first = [0];
        self.in_time(Rank::Silent, stream.peek(&mut first)).await?;
        Ok(first == TLS_HANDSHAKE)
    }

    /// Shakes hands as the server of a configuration, within the time for a head.
    ///
    /// # Errors
    /// Where the other side does not, or not in time.
    pub async fn tls<S>(&self, config: Arc<ServerConfig>, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let accepted = TlsAcceptor::from(config).accept(stream);
        self.in_time(Rank::Unfinished, accepted).await
    }

    /// What comes before HTTP, within the time for a head, and while the connection may stay.
    async fn in_time<T>(
        &self,
        rank: Rank,
        what: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        tokio::select! {
            biased;
            done = timeout(self.limits().head, what) => done?,
            () = self.unwanted(rank) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Returns once a connection that has no request is to end: it makes room, or the server drains.
    async fn unwanted(&self, rank: Rank) {
        let patience = || async move {
            if let Some(time) = rank.patience() {
                sleep(time).await;
            }
        };
        let asked = async {
            patience().await;
            self.slots.asked(rank).await;
        };
        let drained = async {
            drained(self.orders.clone()).await;
            patience().await;
        };
        tokio::select! {
            () = asked => {}
            () = drained => {}
        }
    }

    /// Serves HTTP until the connection ends, or is upgraded. Each request has its [`Caller`] in its extensions. A
    /// handler that fails closes the connection without an answer.
    ///
    /// # Errors
    /// `InvalidData` where a head could be none, so that hyper has refused it by a status without a text; and another kind where
    /// the connection ends in another way than in order.
    pub async fn http<S, H, B>(&self, stream: S, handler: H) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        H: Service<Request<RequestBody>, Response = Response<B>>,
        H::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let limits = self.limits();
        self.progress.enter(Phase::Waiting);
        let stream = TokioIo::new(Guarded {
            stream,
            progress: Arc::clone(&self.progress),
            limit: limits.write,
            until: None,
        });
        let service = service_fn(|request: Request<Incoming>| {
            self.progress.enter(Phase::Handling);
            let mut request = request.map(|body| {
                let progress = Arc::clone(&self.progress);
                RequestBody::new(body, progress, Arc::clone(&self.shared))
            });
            request.extensions_mut().insert(self.caller.clone());
            // On the heap, as hyper makes room for it with the connection, and moves it twice.
            self.while_heard(Box::pin(handler.call(request)))
        });
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(limits.head_bytes)
            // the last read may go beyond that
            .max_header_size(limits.head_bytes)
            // else it reads to see the end of a caller that waits, which takes memory, and what the socket has left
            .half_close(Socket::TELLS_OF_END)
            .serve_connection(stream, service)
            .with_upgrades();
        self.drive(pin!(connection)).await
    }

    /// What a handler comes to, unless the caller hangs up once its whole request has come.
    async fn while_heard<T, E: Into<Box<dyn Error + Send + Sync>>>(
        &self,
        mut handled: Pin<Box<impl Future<Output = Result<T, E>>>>,
    ) -> Result<T, Unanswered> {
        let mut closed = pin!(self.caller.socket.closed());
        let handled = poll_fn(|cx| {
            if let Poll::Ready(handled) = handled.as_mut().poll(cx) {
                return Poll::Ready(handled.map_err(|error| Unanswered::Failed(error.into())));
            }
            if self.progress.body_ended.load(Relaxed) && closed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Unanswered::HungUp));
            }
            Poll::Pending
        })
        .await;
        self.progress.enter(Phase::Writing);
        handled
    }

    async fn drive<C: Drive>(&self, mut connection: Pin<&mut C>) -> io::Result<()> {
        let limits = self.limits();
        let mut draining = pin!(drained(self.orders.clone()));
        let mut is_draining = false;
        let mut until = pin!(sleep(limits.head));
        let mut seen = self.progress.turn();
        let mut unwanted = pin!(waits(seen.1).map(|rank| self.unwanted(rank)));
        let mut is_closing = false;
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(served) = connection.as_mut().poll(cx) {
                    return Poll::Ready(served.map_err(|error| {
                        let is_bad_head = error.is_parse();
                        let kind = if is_bad_head {
                            io::ErrorKind::InvalidData
                        } else {
                            io::ErrorKind::Other
                        };
                        io::Error::new(kind, error)
                    }));
                }
                let turn = self.progress.turn();
                if turn != seen {
                    seen = turn;
                    let limit = match turn.1 {
                        Phase::Waiting | Phase::Head => Some(limits.head),
                        Phase::Idle => Some(limits.idle),
                        // a first head has its time since the connection was accepted
                        Phase::FirstHead | Phase::Handling | Phase::Writing => None,
                    };
                    if let Some(limit) = limit {
                        until.as_mut().reset(Instant::now() + limit);
                    }
                    unwanted.set(waits(turn.1).map(|rank| self.unwanted(rank)));
                }
                let rank = waits(turn.1);
                if rank.is_some() && until.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                if is_closing {
                    return Poll::Pending;
                }
                let leaves = unwanted.as_mut().as_pin_mut();
                if leaves.is_some_and(|it| it.poll(cx).is_ready()) {
                    if rank != Some(Rank::Idle) {
                        return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                    }
                } else {
                    is_draining = is_draining || draining.as_mut().poll(cx).is_ready();
                    // a head that has begun is read to its end: told to close, hyper would drop it
                    if !is_draining || rank.is_some_and(|rank| rank != Rank::Idle) {
                        return Poll::Pending;
                    }
                }
                is_closing = true;
                connection.as_mut().close();
            }
        })
        .await
    }

    /// After the end of HTTP: what a caller still sends is thrown away for a while, where it has not sent all that its
    /// answer was about.
    pub(crate) async fn linger(socket: Socket, progress: &Progress) {
        if progress.body_left.load(Relaxed) && progress.closed.load(Relaxed) {
            let _ = timeout(LINGER, socket.discard()).await;
        }
    }
}

/// As what a connection waits for its caller; `None` where the caller waits for it.
fn waits(phase: Phase) -> Option<Rank> {
    match phase {
        Phase::Waiting => Some(Rank::Silent),
        Phase::Idle => Some(Rank::Idle),
        Phase::FirstHead | Phase::Head => Some(Rank::Unfinished),
        Phase::Handling | Phase::Writing => None,
    }
}

/// What [`Connection::drive`] needs of hyper's connection, whose type names the handler's future.
trait Drive: Future<Output = hyper::Result<()>> {
    /// Takes no further request.
    fn close(self: Pin<&mut Self>);
}

impl<S, H, B> Drive for http1::UpgradeableConnection<TokioIo<Guarded<S>>, H>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: hyper::service::HttpService<Incoming, ResBody = B>,
    H::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
