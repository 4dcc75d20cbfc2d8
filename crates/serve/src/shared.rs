//! What the connections of a daemon share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use imtag_core::SdkAppId;
use imtag_local_server::{Authority, Names};
use imtag_queue::{Pause, Queue};
use imtag_transport::Client;
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::access::Access;
use crate::call::Sender;
use crate::counts::Counts;
use crate::hold::Hold;
use crate::relay::Relay;

/// How long what a daemon does may take.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// A call; default: 8 s, as the SDKs in the field give up after 10.
    pub call: Duration,
    /// An attempt; default: 4 s, so that a call has time for two.
    pub attempt: Duration,
    /// How long after it was abandoned an attempt may still arrive; default: 10 s. An account's next change of another kind
    /// waits until then, and fails where its call has less time, not applied.
    ///
    /// It is longer than a call, as it has nothing to do with how long a caller waits. TCP repeats what was lost 0.2, 0.6,
    /// 1.4, 3, 6.2 and 12.6 s after it was first sent: the last two are up to 8.6 s behind the end of an attempt of 4 s. Then
    /// there is the queue of a service that was slow already, of which no page states a limit. Where it is too short, a change
    /// is undone in silence; where it is too long, a caller comes again, and is told when. The quota counts an abandoned
    /// attempt for 3 s only: one that arrives later costs a rejection there, and no tag.
    pub late_window: Duration,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            call: Duration::from_secs(8),
            attempt: Duration::from_secs(4),
            late_window: Duration::from_secs(10),
        }
    }
}

pub(crate) struct Shared {
    pub(crate) sender: RwLock<Arc<Sender>>,
    /// Held for reading while a call is handed over, and for writing while the batcher is replaced: the changes of an account
    /// keep their order, and no call is handed to what is closed.
    pub(crate) handing_over: tokio::sync::RwLock<()>,
    pub(crate) times: Times,
    pub(crate) access: RwLock<Arc<Access>>,
    pub(crate) app: SdkAppId,
    pub(crate) names: Names,
    pub(crate) demo: bool,
    pub(crate) tls: RwLock<Option<Arc<Authority>>>,
    /// Changes that last, where there is a folder for them.
    pub(crate) queue: Option<Queue>,
    pub(crate) counts: Counts,
    pub(crate) relay: Arc<Relay>,
    pub(crate) state: watch::Sender<State>,
    pub(crate) hold: Hold,
    /// Of this start, so that ids are told apart over restarts.
    pub(crate) start: String,
    pub(crate) requests: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Starting,
    Ready,
    Draining,
    /// The time of grace is nearly up: what is under way is answered as it is.
    Ending,
}

impl State {
    /// True if the daemon is about to end.
    pub(crate) fn is_last(self) -> bool {
        matches!(self, State::Draining | State::Ending)
    }
}

/// What sends by a client.
pub(crate) fn sender(client: Client, times: Times, relay: &Arc<Relay>) -> Sender {
    let batcher = client
        .batcher()
        .timeout(times.call)
        .attempt_timeout(times.attempt)
        .late_window(times.late_window)
        .start();
    Sender {
        client,
        batcher: Arc::new(batcher),
        relay: Arc::clone(relay),
    }
}

impl Shared {
    pub(crate) fn state(&self) -> State {
        *self.state.borrow()
    }

    pub(crate) fn sender(&self) -> Arc<Sender> {
        Arc::clone(&self.sender.read())
    }

    pub(crate) fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access.read())
    }

    pub(crate) fn app(&self) -> SdkAppId {
        self.app
    }

    /// Why the queue hands nothing out.
    pub(crate) fn pauses(&self) -> Vec<Pause> {
        let status = self.queue.as_ref().map(Queue::status);
        status.map(|it| it.pauses).unwrap_or_default()
    }

    pub(crate) fn metrics(&self) -> String {
        let status = self.queue.as_ref().map(Queue::status);
        self.counts.text(&self.sender(), status.as_ref())
    }

    /// A number for an answer, that a caller may name.
    pub(crate) fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Relaxed) + 1;
        format!("imtag-{}-{number}", self.start)
    }
}
