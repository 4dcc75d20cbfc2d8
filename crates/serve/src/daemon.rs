//! The daemon: what its connections share, from its start to the end of its drain.
//!
//! ```text
//! Starting ──► Ready ──► Draining: no new connection, calls under way are answered, the batcher sends what it has
//!                │  ▲
//!                └──┘ another client sends, another key or token lets in, another certificate is shown
//! ```

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use hyper::Request;
use hyper::service::service_fn;
use imtag_local_server::{Authority, Connection, Limits, Listener, Names, RequestBody, Server};
use imtag_queue::Queue;
use imtag_transport::{CallOptions, Client};
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::access::Access;
use crate::call::Sender;
use crate::counts::Counts;
use crate::handler::{handle, plain_beside_tls};
use crate::hold::Hold;
use crate::shared::{Shared, State, Times, sender};

/// In so much of the time of grace those are answered that have waited for it.
const LAST_ANSWERS: Duration = Duration::from_millis(250);

/// The daemon. Its clones are the same one.
#[derive(Clone)]
pub struct Daemon {
    shared: Arc<Shared>,
    server: Server,
}

/// What the daemon is made of, beside the client.
pub struct Settings {
    /// Who may call.
    pub access: Access,
    /// The names by which TCP callers reach it.
    pub names: Names,
    /// For TLS over TCP.
    pub tls: Option<Authority>,
    /// What one caller may take.
    pub limits: Limits,
    /// True where what it sends goes to no service that keeps it: `/readyz` says so.
    pub demo: bool,
    /// For changes that last; without one they are not taken.
    pub queue: Option<Queue>,
}

impl Daemon {
    /// A daemon that sends by this client.
    #[must_use]
    pub fn new(client: Client, settings: Settings) -> Daemon {
        Daemon::with_times(client, settings, Times::default())
    }

    /// A daemon whose calls may take other times.
    #[must_use]
    pub fn with_times(client: Client, settings: Settings, times: Times) -> Daemon {
        let app = client.sdkappid();
        if let Some(queue) = &settings.queue {
            queue.send_by(client.clone());
        }
        let since = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default();
        let relay = Arc::default();
        let shared = Shared {
            sender: RwLock::new(Arc::new(sender(client, times, &relay))),
            relay,
            handing_over: tokio::sync::RwLock::default(),
            times,
            access: RwLock::new(Arc::new(settings.access)),
            app,
            names: settings.names,
            demo: settings.demo,
            tls: RwLock::new(settings.tls.map(Arc::new)),
            queue: settings.queue,
            counts: Counts::default(),
            state: watch::Sender::new(State::Starting),
            hold: Hold::default(),
            start: format!("{:x}", since.as_millis()),
            requests: AtomicU64::new(0),
        };
        Daemon {
            shared: Arc::new(shared),
            server: Server::new(settings.limits),
        }
    }

    /// Takes the calls that come in by a listener, until the drain.
    pub async fn accept(&self, listener: Listener) {
        let is_tcp = listener.address().is_some();
        let serve = |connection| serve(Arc::clone(&self.shared), connection, is_tcp);
        tokio::select! {
            biased;
            () = self.shared.relay.run() => {}
            () = self.server.accept(listener, serve) => {}
        }
    }

    /// From now on calls are taken.
    pub fn ready(&self) {
        self.shared.state.send_replace(State::Ready);
    }

    /// Lets in by other secrets from the next call on.
    pub fn admit(&self, access: Access) {
        *self.shared.access.write() = Arc::new(access);
    }

    /// Sends by another client of the same app. Requests under way go on by the one before, and no call waits for them. Only a
    /// client of another generation takes over when calls under way are answered: those that come meanwhile wait.
    ///
    /// # Panics
    /// Within a runtime.
    pub fn send_by(&self, client: Client) {
        let before = self.shared.sender();
        // before the queue, which then sends by the same plan
        let goes_on = before.batcher.send_by(&client);
        if let Some(queue) = &self.shared.queue {
            queue.send_by(client.clone());
        }
        if goes_on {
            let after = Sender {
                client,
                batcher: Arc::clone(&before.batcher),
                relay: Arc::clone(&self.shared.relay),
            };
            *self.shared.sender.write() = Arc::new(after);
            return;
        }
        let _handing_over = self.shared.handing_over.blocking_write();
        // each call ends within that time
        let time = CallOptions::new().timeout(self.shared.times.call);
        let _ = before.batcher.close(&time);
        // another batcher does not know for which accounts requests may still arrive
        self.hold_changes(self.may_arrive_for());
        let after = sender(client, self.shared.times, &self.shared.relay);
        *self.shared.sender.write() = Arc::new(after);
    }

    /// Holds changes back for so long from now on, as requests of a daemon before this one may still arrive, and could undo
    /// them. Their calls wait, and are told to come again if their time is up. Gets go on. The next call of this takes the
    /// place of the last one.
    pub fn hold_changes(&self, time: Duration) {
        self.shared.hold.hold(time);
    }

    /// For how long from now on requests may still arrive at the service that nobody waits for any more: changes of another
    /// daemon must wait for so long. Zero where all was answered.
    #[must_use]
    pub fn may_arrive_for(&self) -> Duration {
        let left = self.shared.hold.left(self.shared.times.late_window);
        self.shared.sender().batcher.may_arrive_for().max(left)
    }

    /// Vouches by another certificate of the authority from the next connection on, as one is valid for a year.
    pub fn renew_certificate(&self, authority: Authority) {
        *self.shared.tls.write() = Some(Arc::new(authority));
    }

    /// True once it takes no more calls.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.state() == State::Draining
    }

    /// Stores no more changes, and closes the queue once what is under way of it has an outcome, at the latest then, or after
    /// the time of an attempt: another daemon may open its folder. What waits is sent by that one. Returns how many changes
    /// these are. It blocks.
    pub fn drain_queue(&self, by: Instant) -> u64 {
        self.shared.state.send_replace(State::Draining);
        let by = by.min(Instant::now() + self.shared.times.attempt);
        let drained = self.shared.queue.as_ref().map(|queue| queue.drain(by));
        drained.map_or(0, |it| it.unsettled)
    }

    /// Takes no more calls, answers those under way, and ends. Returns how many connections were cut off after `grace`; in the
    /// last of it calls are answered by what is known of them.
    pub async fn drain(&self, grace: Duration) -> usize {
        let deadline = Instant::now() + grace;
        self.shared.state.send_replace(State::Draining);
        let mut drained = pin!(self.server.drain(grace));
        let cut = match timeout(grace.saturating_sub(LAST_ANSWERS), &mut drained).await {
            Ok(cut) => cut,
            Err(_) => {
                self.shared.state.send_replace(State::Ending);
                drained.await
            }
        };
        let sender = self.shared.sender();
        // callers that have hung up leave requests that are under way
        let left = deadline.saturating_duration_since(Instant::now());
        let close = move || {
            sender
                .batcher
                .close(&CallOptions::new().timeout(left))
                .is_ok()
        };
        let _ = tokio::task::spawn_blocking(close).await;
        cut
    }
}

async fn serve(shared: Arc<Shared>, connection: Connection, is_tcp: bool) -> io::Result<()> {
    let socket = connection.socket();
    let for_requests = Arc::clone(&shared);
    let service =
        service_fn(move |request: Request<RequestBody>| handle(Arc::clone(&for_requests), request));
    let tls = shared.tls.read().clone();
    let served = match (tls, socket.here()) {
        (Some(tls), Some(here)) if is_tcp => {
            let served = async {
                if !connection.begins_tls().await? {
                    let plain = |_| async { Ok::<_, Infallible>(plain_beside_tls(&shared)) };
                    return connection.http(socket, service_fn(plain)).await;
                }
                let config = tls.config(here).map_err(io::Error::other)?;
                let stream = connection.tls(config, socket).await?;
                connection.http(stream, service).await
            };
            // on the heap, as it is larger than all that a connection without TLS needs
            Box::pin(served).await
        }
        _ => connection.http(socket, service).await,
    };
    // what could be no head has come to no handler
    let is_bad_head = |error: &io::Error| error.kind() == io::ErrorKind::InvalidData;
    if served.as_ref().is_err_and(is_bad_head) {
        shared.counts.refused();
    }
    served
}
