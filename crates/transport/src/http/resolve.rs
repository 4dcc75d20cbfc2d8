//! The addresses of the endpoint's host. The system's look-up cannot be interrupted, so it runs on a thread of its own:
//! once when the first call needs the addresses, and again in the background when they are old. Only the first call
//! waits for it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::endpoint::Endpoint;
use crate::error::{Cause, is_local_failure};
use crate::event::{event, millis};
use crate::process::spawn_without_signals;
use crate::wait::{Lock, Polled, WaitPlace, Waiters};

use super::context::Context;

/// How long addresses are used before they are looked up again.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// How many addresses of a host are tried.
const ADDRESSES: usize = 16;

/// Looks a host and port up: the system's look-up, or a test's own.
type LookUp = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

#[derive(Clone)]
pub(crate) struct Resolver(Arc<LookUp>);

impl Resolver {
    pub(crate) fn new(
        look_up: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Resolver {
        Resolver(Arc::new(look_up))
    }
}

impl Default for Resolver {
    fn default() -> Resolver {
        Resolver::new(|host, port| Ok((host, port).to_socket_addrs()?.take(ADDRESSES).collect()))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

pub(super) struct Addresses {
    host: String,
    port: u16,
    resolver: Resolver,
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

/// Why there is no address, and whether this machine refused a thread, a file or memory for the look-up.
type NoAddress = (io::Error, bool);

impl Addresses {
    pub(super) fn new(endpoint: &Endpoint, resolver: &Resolver) -> Arc<Addresses> {
        let ip = endpoint.host().parse::<IpAddr>();
        let numeric = ip.map(|ip| SocketAddr::new(ip, endpoint.port()));
        Arc::new(Addresses {
            host: endpoint.host().to_owned(),
            port: endpoint.port(),
            resolver: resolver.clone(),
            known: Lock::new(Known {
                addresses: numeric.into_iter().collect(),
                ..Known::default()
            }),
        })
    }

    pub(super) fn current(
        self: &Arc<Self>,
        context: &mut Context,
    ) -> Result<Vec<SocketAddr>, Cause> {
        let failures_before = self.known.lock().failures;
        let wait_scope = context.wait_scope();
        let mut place = WaitPlace::new(&self.known, |known| &mut known.waiting);
        let found = wait_scope.wait_until(|| self.look(&mut place, failures_before));
        let found = found.map_err(|end| Cause::from_wait_end(end, context.phase))?;
        found.map_err(|(error, refused)| {
            context.refused = refused;
            context.network(error)
        })
    }

    /// The addresses, however old, if there are any; else why there are none, once a look-up has failed since
    /// `failures_before`.
    fn look(
        self: &Arc<Self>,
        place: &mut WaitPlace<'_, Known>,
        failures_before: u64,
    ) -> Polled<Result<Vec<SocketAddr>, NoAddress>> {
        let mut known = self.known.lock();
        if !known.addresses.is_empty() {
            let looked_up = known.looked_up;
            if looked_up.is_some_and(|at| known.failed || at.elapsed() >= FRESH_FOR) {
                // the old addresses serve until there are new ones, even if no thread can be started
                drop(self.start_look_up(&mut known));
            }
            return Polled::Ready(Ok(known.addresses.clone()));
        }
        if failures_before != known.failures {
            let failure = io::Error::other(format!("{}: {}", self.host, known.failure));
            return Polled::Ready(Err((failure, known.refused)));
        }
        if let Err(error) = self.start_look_up(&mut known) {
            return Polled::Ready(Err((error, true)));
        }
        place.register(&mut known);
        Polled::Pending
    }

    /// No connection to any address succeeded: the next call starts a new look-up.
    pub(super) fn failed(&self) {
        self.known.lock().failed = true;
    }

    /// Calls go to another host for a while: the next one to this host waits for a new look-up, as the addresses may be
    /// what is wrong.
    pub(super) fn forget(&self) {
        let mut known = self.known.lock();
        if known.looked_up.is_some() {
            known.addresses.clear();
        }
    }

    /// Starts a look-up unless one is under way.
    fn start_look_up(self: &Arc<Self>, known: &mut Known) -> io::Result<()> {
        if !known.looking {
            let addresses = Arc::clone(self);
            spawn_without_signals("imtag-lookup", move || addresses.look_up())?;
            known.looking = true;
        }
        Ok(())
    }

    fn look_up(&self) {
        let began = Instant::now();
        let found = (self.resolver.0)(&self.host, self.port);
        let duration_ms = millis(began.elapsed());
        let ended = found.as_ref().map(Vec::len).map_err(ToString::to_string);
        let mut known = self.known.lock();
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
        drop(known);
        // only now: what listens may take its time, or make a call that needs the addresses
        match ended {
            Ok(addresses) => {
                event!(
                    debug,
                    host = self.host,
                    addresses,
                    duration_ms,
                    "host looked up"
                );
            }
            Err(detail) => {
                event!(
                    debug,
                    host = self.host,
                    detail,
                    duration_ms,
                    "look-up failed"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Phase;
    use crate::wait::{CancelToken, WaitScope, deadline_after};
    use std::sync::atomic::{AtomicU8, Ordering};
    use std::thread;

    fn addresses(endpoint: &str) -> Arc<Addresses> {
        Addresses::new(&Endpoint::parse(endpoint).unwrap(), &Resolver::default())
    }

    fn current(
        addresses: &Arc<Addresses>,
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
    fn hanging() -> Arc<Addresses> {
        let addresses = addresses("https://example.invalid");
        addresses.known.lock().looking = true;
        addresses
    }

    #[test]
    fn a_look_up_that_hangs_ends_with_the_deadline_of_the_call() {
        let began = Instant::now();
        let timeout = Duration::from_millis(50);
        let addresses = hanging();
        let ended = current(&addresses, timeout, None);
        let over = began.elapsed().checked_sub(timeout);
        println!("deadline Resolve: {over:?} over");
        let phase = Phase::Resolve;
        assert!(matches!(ended, Err(Cause::Timeout { phase: its }) if its == phase));
        assert!(over.is_some());
        assert_eq!(addresses.known.lock().waiting.len(), 0);
    }

    #[test]
    fn a_look_up_that_hangs_ends_when_the_call_is_cancelled() {
        let token = CancelToken::new();
        let addresses = hanging();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| current(&addresses, Duration::MAX, Some(token.clone())));
            while addresses.known.lock().waiting.len() == 0 {
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
        assert!(addresses.known.lock().looked_up.is_none());
    }

    #[test]
    fn a_name_is_looked_up_once_and_the_old_addresses_serve_while_it_is_renewed() {
        let addresses = addresses("http://localhost:8080");
        let found = current(&addresses, Duration::MAX, None).unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback()));
        let first = addresses.known.lock().looked_up;
        current(&addresses, Duration::MAX, None).unwrap();
        assert_eq!(addresses.known.lock().looked_up, first);

        let old: SocketAddr = "127.0.0.9:8080".parse().unwrap();
        {
            let mut known = addresses.known.lock();
            known.addresses = vec![old];
            known.looked_up = first.and_then(|at| at.checked_sub(FRESH_FOR));
        }
        assert_eq!(current(&addresses, Duration::MAX, None).unwrap(), [old]);
        while addresses.known.lock().looking {
            thread::yield_now();
        }
        assert_eq!(current(&addresses, Duration::MAX, None).unwrap(), found);
    }

    #[test]
    fn addresses_that_are_forgotten_are_waited_for_and_numbers_stay() {
        let looked_up = Arc::new(AtomicU8::new(0));
        let counted = Arc::clone(&looked_up);
        let resolver = Resolver::new(move |host, port| {
            assert_eq!((host, port), ("a.test", 443));
            let last = 1 + counted.fetch_add(1, Ordering::SeqCst);
            Ok(vec![([127, 0, 0, last], port).into()])
        });
        let addresses = Addresses::new(&Endpoint::parse("https://a.test").unwrap(), &resolver);
        for last in [1, 2] {
            for _ in 0..2 {
                let found = current(&addresses, Duration::MAX, None).unwrap();
                assert_eq!(found, [([127, 0, 0, last], 443).into()]);
            }
            addresses.forget();
        }
        let numeric = self::addresses("https://127.0.0.9:1");
        numeric.forget();
        assert_eq!(current(&numeric, Duration::MAX, None).unwrap().len(), 1);
    }

    #[test]
    fn addresses_that_cannot_be_connected_to_are_looked_up_again() {
        let addresses = addresses("http://localhost:8080");
        current(&addresses, Duration::MAX, None).unwrap();
        let first = addresses.known.lock().looked_up;
        addresses.failed();
        current(&addresses, Duration::MAX, None).unwrap();
        while addresses.known.lock().looking {
            thread::yield_now();
        }
        assert_ne!(addresses.known.lock().looked_up, first);
    }

    /// Looks at what calls see while it hears of a look-up, and makes one.
    struct Caller(Arc<Addresses>, Arc<Lock<Vec<usize>>>);

    impl tracing::Subscriber for Caller {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn event(&self, _: &tracing::Event<'_>) {
            let found = current(&self.0, Duration::from_secs(1), None);
            self.1.lock().push(found.map_or(0, |found| found.len()));
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn what_listens_to_a_look_up_may_make_a_call_that_needs_its_addresses() {
        let resolver = Resolver::new(|_, port| Ok(vec![([127, 0, 0, 1], port).into()]));
        let addresses = Addresses::new(&Endpoint::parse("https://a.test").unwrap(), &resolver);
        let seen = Arc::new(Lock::new(Vec::new()));
        let caller = Caller(Arc::clone(&addresses), Arc::clone(&seen));
        addresses.known.lock().looking = true; // by this thread
        tracing::subscriber::with_default(caller, || addresses.look_up());
        assert_eq!(*seen.lock(), [1]);
    }
}
