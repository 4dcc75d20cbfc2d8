//! What an exchange did, step by step, for one who asks why the service is not reached.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::endpoint::Endpoint;
use crate::error::{Cause, Phase};
use crate::proxy::Proxy;

/// A step on the way to the service.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Step {
    /// Which. The look-up of a proxy, the connection to it and TLS with it are one; so are the request and its answer.
    pub phase: Phase,
    /// The host, or the proxy, as `host:port`.
    pub host: String,
    /// Of a look-up those that were found, of a connection that which answered.
    pub addresses: Vec<SocketAddr>,
    /// How long it took.
    pub time: Duration,
    /// The proxy on the way to this host, without user and password.
    pub proxy: Option<Arc<str>>,
    /// Why the connection was not made. Another step may have followed, to the spare host.
    pub failure: Option<String>,
    began: Instant,
}

/// Who wants to know of each step as it begins: it is the last one of these.
pub type StepWatcher = Arc<dyn Fn(&[Step]) + Send + Sync>;

/// The steps so far.
pub(super) struct Trace {
    steps: Vec<Step>,
    /// The proxy on the way to the present host.
    proxy: Option<Arc<str>>,
    watcher: StepWatcher,
}

impl Trace {
    pub(super) fn new(watcher: &StepWatcher) -> Trace {
        Trace {
            steps: Vec::new(),
            proxy: None,
            watcher: Arc::clone(watcher),
        }
    }

    /// The steps from here on lead to a host through this proxy.
    pub(super) fn through(&mut self, proxy: Option<&Proxy>) {
        self.proxy = proxy.map(|proxy| proxy.to_string().into());
    }

    pub(super) fn enter(&mut self, phase: Phase, endpoint: &Endpoint) {
        let host = endpoint.host_and_port();
        let last = self.steps.last_mut();
        if last.is_some_and(|last| last.phase == phase && last.host == host) {
            return;
        }
        self.stop_clock();
        self.steps.push(Step {
            phase,
            host,
            addresses: Vec::new(),
            time: Duration::ZERO,
            proxy: self.proxy.clone(),
            failure: None,
            began: Instant::now(),
        });
        (self.watcher)(&self.steps);
    }

    /// What the present step found.
    pub(super) fn addresses(&mut self, found: impl IntoIterator<Item = SocketAddr>) {
        if let Some(last) = self.steps.last_mut() {
            last.addresses = found.into_iter().collect();
        }
    }

    /// The present step failed.
    pub(super) fn failed(&mut self, cause: &Cause) {
        self.stop_clock();
        if let Some(last) = self.steps.last_mut() {
            let time_is_up = || "time is up".to_owned();
            last.failure = Some(cause.full_detail().unwrap_or_else(time_is_up));
        }
    }

    pub(super) fn end(mut self) -> Vec<Step> {
        self.stop_clock();
        self.steps
    }

    /// The first to stop it counts: time before another host is tried is no step's.
    fn stop_clock(&mut self) {
        if let Some(last) = self.steps.last_mut().filter(|last| last.time.is_zero()) {
            last.time = last.began.elapsed();
        }
    }
}
