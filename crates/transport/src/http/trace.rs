//! What an exchange did, step by step, for one who asks why the service is not reached.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::endpoint::Endpoint;
use crate::error::Phase;

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
    /// The connection was not made. Another step may have followed, to the spare host.
    pub failed: bool,
    began: Instant,
}

/// The steps so far.
#[derive(Default)]
pub(super) struct Trace(Vec<Step>);

impl Trace {
    pub(super) fn enter(&mut self, phase: Phase, endpoint: &Endpoint) {
        let host = endpoint.host_and_port();
        let last = self.0.last_mut();
        if last.is_some_and(|last| last.phase == phase && last.host == host) {
            return;
        }
        self.stop_clock();
        self.0.push(Step {
            phase,
            host,
            addresses: Vec::new(),
            time: Duration::ZERO,
            failed: false,
            began: Instant::now(),
        });
    }

    /// What the present step found.
    pub(super) fn addresses(&mut self, found: impl IntoIterator<Item = SocketAddr>) {
        if let Some(last) = self.0.last_mut() {
            last.addresses = found.into_iter().collect();
        }
    }

    /// The present step failed.
    pub(super) fn failed(&mut self) {
        self.stop_clock();
        if let Some(last) = self.0.last_mut() {
            last.failed = true;
        }
    }

    pub(super) fn end(mut self) -> Vec<Step> {
        self.stop_clock();
        self.0
    }

    /// The first to stop it counts: time before another host is tried is no step's.
    fn stop_clock(&mut self) {
        if let Some(last) = self.0.last_mut().filter(|last| last.time.is_zero()) {
            last.time = last.began.elapsed();
        }
    }
}
