//! A request that is never sent, made when a client is built. On its first request ureq initialises a global value behind
//! a lock. A fork at that moment would leave the child a lock that is never released, so it happens here, before any call.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout};

use super::socket::Socket;

/// Makes the request. Returns whether it got as far as connecting, where it always fails.
pub(super) fn warm_up() -> bool {
    let dry_run = DryRun::default();
    let agent = Agent::with_parts(Config::default(), dry_run.clone(), dry_run.clone());
    // it always fails: there is no connection
    drop(agent.post("http://127.0.0.1").send(&[][..]));
    dry_run.reached.load(Ordering::Relaxed)
}

#[derive(Debug, Clone, Default)]
struct DryRun {
    reached: Arc<AtomicBool>,
}

impl Resolver for DryRun {
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

impl Connector for DryRun {
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
    fn a_warm_up_comes_as_far_as_a_connection_and_no_further() {
        assert!(super::warm_up());
    }
}
