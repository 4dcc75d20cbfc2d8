//! What the connections of a daemon share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use imtag_core::SdkAppId;
use imtag_local_server::{Authority, Names};
use imtag_transport::Client;
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::access::Access;
use crate::call::Sender;
use crate::counts::Counts;

/// Of a call: the SDKs in the field give up after 10 seconds.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(8);
/// Of an attempt, so that a call has time for two.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

pub(crate) struct Shared {
    pub(crate) sender: RwLock<Arc<Sender>>,
    pub(crate) access: RwLock<Arc<Access>>,
    pub(crate) app: SdkAppId,
    pub(crate) names: Names,
    pub(crate) tls: Option<Authority>,
    pub(crate) counts: Counts,
    pub(crate) state: watch::Sender<State>,
    /// Of this start, so that ids are told apart over restarts.
    pub(crate) start: String,
    pub(crate) requests: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Starting,
    Ready,
    Draining,
}

/// What sends by a client.
pub(crate) fn sender(client: Client, after_crash: bool) -> Sender {
    let batcher = client
        .batcher()
        .timeout(CALL_TIMEOUT)
        .attempt_timeout(ATTEMPT_TIMEOUT)
        .after_crash(after_crash)
        .start();
    Sender { client, batcher }
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

    pub(crate) fn metrics(&self) -> String {
        self.counts.text(&self.sender())
    }

    /// A number for an answer, that a caller may name.
    pub(crate) fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Relaxed) + 1;
        format!("imtag-{}-{number}", self.start)
    }
}
