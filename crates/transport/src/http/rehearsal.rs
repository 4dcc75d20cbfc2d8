//! A request that reaches nobody, made with each client's connections and before any call: ureq makes something once
//! for a process, behind a lock, on its first request. A fork in that moment would leave the child a lock that nobody
//! releases.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout};

use super::socket::Socket;

/// Makes the request. Says whether it came as far as a connection, which there is none of.
pub(super) fn rehearse() -> bool {
    let stage = Stage::default();
    let agent = Agent::with_parts(Config::default(), stage.clone(), stage.clone());
    // it fails, as it should
    drop(agent.post("http://127.0.0.1").send(&[][..]));
    stage.reached.load(Ordering::Relaxed)
}

#[derive(Debug, Clone, Default)]
struct Stage {
    reached: Arc<AtomicBool>,
}

impl Resolver for Stage {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 80)));
        Ok(addresses)
    }
}

impl Connector for Stage {
    type Out = Socket;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Socket>, ureq::Error> {
        self.reached.store(true, Ordering::Relaxed);
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_rehearsal_comes_as_far_as_a_connection_and_no_further() {
        assert!(super::rehearse());
    }
}
