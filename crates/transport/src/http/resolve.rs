//! The addresses of the endpoint's host. The system's look-up cannot be interrupted, so it runs on a thread of its own:
//! once when the first call needs the addresses, and again in the background when they are old. Only the first call
//! waits for it.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use crate::endpoint::Endpoint;
use crate::error::{Cause, is_local_failure};
use crate::process::spawn_without_signals;
use crate::wait::{Lock, Polled, Waiters};

use super::context::Context;

/// How long addresses are used before they are looked up again.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// How many addresses of a host are tried.
const ADDRESSES: usize = 16;

/// Clones share one state.
#[derive(Clone)]
pub(super) struct Addresses {
    lookup: Arc<Lookup>,
}

struct Lookup {
    host: String,
    port: u16,
    known: Lock<Known>,
}

#[derive(Default)]
struct Known {
    addresses: Vec<SocketAddr>,
    looked_up: Option<Instant>,
    /// No connection to any of them succeeded: the host may have moved.
    failed: bool,
    looking: bool,
    /// How many look-ups failed, and why the last one did.
    failures: u64,
    failure: String,
    /// The last look-up failed because this machine refused a file or memory.
    refused: bool,
    waiting: Waiters,
}

/// Why there is no address.
#[derive(Debug)]
struct NoAddress {
    /// This machine refused a thread, a file or memory for the look-up.
    refused: bool,
    error: io::Error,
}

impl Addresses {
    pub(super) fn new(endpoint: &Endpoint) -> Addresses {
        let mut known = Known::default();
        if let Ok(ip) = endpoint.host().parse::<IpAddr>() {
            known.addresses = vec![SocketAddr::new(ip, endpoint.port())];
        }
        Addresses {
            lookup: Arc::new(Lookup {
                host: endpoint.host().to_owned(),
                port: endpoint.port(),
                known: Lock::new(known),
            }),
        }
    }

    pub(super) fn current(&self, context: &mut Context) -> Result<Vec<SocketAddr>, Cause> {
        let failures_before = self.lookup.known().failures;
        let found = context
            .wait_scope()
            .wait_until(|| self.look(failures_before));
        let found = found.map_err(|end| Cause::from_wait_end(end, context.phase))?;
        found.map_err(|NoAddress { refused, error }| {
            context.refused = refused;
            context.network(error)
        })
    }

    /// The addresses, however old, if there are any; else why there are none, once a look-up has failed since
    /// `failures_before`.
    fn look(&self, failures_before: u64) -> Polled<Result<Vec<SocketAddr>, NoAddress>> {
        let mut known = self.lookup.known();
        if known.addresses.is_empty() {
            if failures_before != known.failures {
                return Polled::Ready(Err(NoAddress {
                    refused: known.refused,
                    error: io::Error::other(format!("{}: {}", self.lookup.host, known.failure)),
                }));
            }
            if let Err(error) = self.start_look_up(&mut known) {
                return Polled::Ready(Err(NoAddress {
                    refused: true,
                    error,
                }));
            }
            known.waiting.register();
            return Polled::Pending;
        }
        let looked_up = known.looked_up;
        if looked_up.is_some_and(|at| known.failed || at.elapsed() >= FRESH_FOR) {
            // the old addresses serve until there are new ones, even if no thread can be started
            drop(self.start_look_up(&mut known));
        }
        Polled::Ready(Ok(known.addresses.clone()))
    }

    /// No connection to any address succeeded: the next call starts a new look-up.
    pub(super) fn failed(&self) {
        self.lookup.known().failed = true;
    }

    /// Starts a look-up unless one is under way.
    fn start_look_up(&self, known: &mut Known) -> io::Result<()> {
        if known.looking {
            return Ok(());
        }
        let lookup = Arc::clone(&self.lookup);
        spawn_without_signals("imtag-lookup", move || lookup.run())?;
        known.looking = true;
        Ok(())
    }
}

impl Lookup {
    fn run(&self) {
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let found = found.map(|found| found.take(ADDRESSES).collect::<Vec<_>>());
        let mut known = self.known();
        known.looking = false;
        known.looked_up = Some(Instant::now());
        known.failed = false;
        match found {
            Ok(found) if !found.is_empty() => known.addresses = found,
            other => {
                known.failures += 1;
                known.refused = other.as_ref().is_err_and(is_local_failure);
                known.failure = match other {
                    Err(error) => error.to_string(),
                    Ok(_) => "the host has no address".to_owned(),
                };
            }
        }
        known.waiting.release_all();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Phase;
    use crate::wait::{CancelToken, WaitScope, deadline_after};
    use std::thread;

    fn addresses(endpoint: &str) -> Addresses {
        Addresses::new(&Endpoint::parse(endpoint).unwrap())
    }

    fn current(
        addresses: &Addresses,
        timeout: Duration,
        cancel: Option<CancelToken>,
    ) -> Result<Vec<SocketAddr>, Cause> {
        let deadline = deadline_after(timeout);
        let wait_scope = WaitScope {
            deadline,
            cancel,
            drain: None,
            host_poll: None,
        };
        let _watch = wait_scope.watch();
        addresses.current(&mut Context::new(wait_scope, deadline))
    }

    /// A look-up that never ends, as far as the waiting calls can tell.
    fn hanging() -> Addresses {
        let addresses = addresses("https://example.invalid");
        addresses.lookup.known().looking = true;
        addresses
    }

    #[test]
    fn a_look_up_that_hangs_ends_with_the_deadline_of_the_call() {
        let began = Instant::now();
        let timeout = Duration::from_millis(50);
        let ended = current(&hanging(), timeout, None);
        let over = began.elapsed().checked_sub(timeout);
        println!("deadline Resolve: {over:?} over");
        let phase = Phase::Resolve;
        assert!(matches!(ended, Err(Cause::Timeout { phase: its }) if its == phase));
        assert!(over.is_some());
    }

    #[test]
    fn a_look_up_that_hangs_ends_when_the_call_is_cancelled() {
        let token = CancelToken::new();
        let addresses = hanging();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| current(&addresses, Duration::MAX, Some(token.clone())));
            while addresses.lookup.known().waiting.len() == 0 {
                thread::yield_now();
            }
            token.cancel();
            let ended = waiting.join().unwrap();
            let phase = Phase::Resolve;
            assert!(matches!(ended, Err(Cause::Cancelled { phase: its }) if its == phase));
        });
    }

    #[test]
    fn an_address_in_numbers_is_never_looked_up() {
        let addresses = addresses("https://[::1]:8443");
        let found = current(&addresses, Duration::MAX, None).unwrap();
        assert_eq!(found, ["[::1]:8443".parse().unwrap()]);
        assert!(addresses.lookup.known().looked_up.is_none());
    }

    #[test]
    fn a_name_is_looked_up_once_and_the_old_addresses_serve_while_it_is_renewed() {
        let addresses = addresses("http://localhost:8080");
        let found = current(&addresses, Duration::MAX, None).unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback()));
        let first = addresses.lookup.known().looked_up;
        current(&addresses, Duration::MAX, None).unwrap();
        assert_eq!(addresses.lookup.known().looked_up, first);

        let old: SocketAddr = "127.0.0.9:8080".parse().unwrap();
        {
            let mut known = addresses.lookup.known();
            known.addresses = vec![old];
            known.looked_up = first.and_then(|at| at.checked_sub(FRESH_FOR));
        }
        assert_eq!(current(&addresses, Duration::MAX, None).unwrap(), [old]);
        while addresses.lookup.known().looking {
            thread::yield_now();
        }
        assert_eq!(current(&addresses, Duration::MAX, None).unwrap(), found);
    }

    #[test]
    fn addresses_that_cannot_be_connected_to_are_looked_up_again() {
        let addresses = addresses("http://localhost:8080");
        current(&addresses, Duration::MAX, None).unwrap();
        let first = addresses.lookup.known().looked_up;
        addresses.failed();
        current(&addresses, Duration::MAX, None).unwrap();
        while addresses.lookup.known().looking {
            thread::yield_now();
        }
        assert_ne!(addresses.lookup.known().looked_up, first);
    }
}
