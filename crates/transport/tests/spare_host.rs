//! The spare host: a call whose host cannot be reached goes on at the spare one in its own time, the next ones go there
//! straight away. What is written to one never goes to the other: see `bound_calls`. That calls come back is tested where the time is virtual, in `http::hosts`.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::{Emulator, Fault};
use imtag_transport::{CancelToken, Client, ClientBuilder, Effect, Operation, Region};
use support::network::{Death, Network};
use support::proxy::{Behaviour, EgressProxy, Kind};
use support::*;

const FIRST: &str = "adminapisgp.im.qcloud.com";
const SPARE: &str = "adminapisgp.my-imcloud.com";

/// How often each name was looked up.
#[derive(Default)]
struct LookUps {
    first: AtomicUsize,
    spare: AtomicUsize,
}

/// A client of a region whose names lead to these addresses, or nowhere.
fn client(
    first: Option<SocketAddr>,
    spare: Option<SocketAddr>,
    ca: &tempfile::NamedTempFile,
) -> (ClientBuilder, Arc<LookUps>) {
    let look_ups = Arc::new(LookUps::default());
    let counted = Arc::clone(&look_ups);
    let look_up = move |host: &str, port: u16| {
        assert_eq!(port, 443);
        let (count, address) = match host {
            FIRST => (&counted.first, first),
            SPARE => (&counted.spare, spare),
            other => panic!("{other} is looked up"),
        };
        count.fetch_add(1, Ordering::SeqCst);
        let nowhere = || io::Error::other("no such host");
        address.map(|address| vec![address]).ok_or_else(nowhere)
    };
    let builder = Client::builder(1_400_000_000, "administrator", key())
        .region(Region::Singapore)
        .calls_per_second(1_000)
        .retry(ONE_ATTEMPT)
        .timeout(LONG)
        .proxy("direct")
        .ca_file(ca.path())
        .resolver(look_up);
    (builder, look_ups)
}

/// The address in an endpoint of plain HTTP.
fn address(endpoint: &str) -> SocketAddr {
    endpoint.strip_prefix("http://").unwrap().parse().unwrap()
}

/// A server that takes connections and says nothing.
fn silent() -> SocketAddr {
    counted_silent().0
}

/// The same, and how many it has taken.
fn counted_silent() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    thread::spawn(move || {
        let count = |_: &_| {
            counted.fetch_add(1, Ordering::SeqCst);
        };
        listener.incoming().inspect(count).collect::<Vec<_>>()
    });
    (address, taken)
}

#[test]
fn a_call_goes_on_at_the_spare_host_and_the_next_ones_go_there_straight_away() {
    let other = tls_emulator(); // its certificate is another authority's
    let closing = Network::to(other.address());
    closing.lose_all(Death::Close);
    for (what, first) in [
        ("no look-up", None),
        ("refused", Some(address(&nobody()))),
        ("another certificate", Some(other.address())),
        (
            "closed in the handshake",
            Some(address(&closing.endpoint("http"))),
        ),
    ] {
        let emulator = tls_emulator();
        let ca = ca_file(&emulator);
        let (builder, look_ups) = client(first, Some(emulator.address()), &ca);
        let client = builder.build().unwrap();
        for _ in 0..3 {
            let outcome = client.add_tag(&add()).unwrap();
            assert_eq!((outcome.accounts, outcome.attempts), (2, 1), "{what}");
        }
        assert_eq!(look_ups.first.load(Ordering::SeqCst), 1, "{what}");
        assert_eq!(emulator.stats().arrivals(), 3, "{what}");
        let summary = client.bulk().run(users(0..500)).finish();
        assert!(summary.all_done(), "{what}: {summary}");
        assert_eq!(look_ups.first.load(Ordering::SeqCst), 1, "{what}");
    }
    assert_eq!(other.stats().arrivals(), 0);
}

#[test]
fn a_first_host_that_hangs_leaves_half_of_the_time_to_the_spare() {
    let emulator = tls_emulator();
    let ca = ca_file(&emulator);
    let (builder, _) = client(Some(silent()), Some(emulator.address()), &ca);
    let connect = Duration::from_secs(4);
    let client = builder.connect_timeout(connect).build().unwrap();
    let began = Instant::now();
    assert_eq!(client.add_tag(&add()).unwrap().attempts, 1);
    assert!(began.elapsed() >= connect / 2);
    // a call with less time than that
    let (builder, _) = self::client(Some(silent()), Some(silent()), &ca);
    let client = builder.build().unwrap();
    let short = Duration::from_secs(2);
    let error = client.call(&add(), &within(short)).unwrap_err();
    assert_eq!(cause(&error), "timeout while in the TLS handshake");
    let token = CancelToken::new();
    let error = thread::scope(|scope| {
        let options = within(LONG).cancel(&token);
        let call = scope.spawn(move || client.call(&add(), &options).unwrap_err());
        thread::sleep(Duration::from_millis(50));
        token.cancel();
        call.join().unwrap()
    });
    assert!(cause(&error).starts_with("cancelled while"), "{error}");
    assert_eq!((error.effect(), error.sent()), (Effect::NotApplied, 0));
}

#[test]
fn a_call_whose_own_time_is_short_goes_on_at_the_spare_and_takes_no_other_call_with_it() {
    let emulator = tls_emulator();
    let ca = ca_file(&emulator);
    let (first, taken) = counted_silent();
    let (builder, _) = client(Some(first), Some(emulator.address()), &ca);
    let client = builder.build().unwrap();
    let short = within(Duration::from_millis(1_900));
    for calls in 1..=2 {
        client.call(&add(), &short).unwrap();
        assert_eq!(taken.load(Ordering::SeqCst), calls); // the next one tries the first again
    }
    // one that gives the first a fair time does
    client.add_tag(&add()).unwrap();
    assert_eq!(taken.load(Ordering::SeqCst), 3);
    client.call(&add(), &short).unwrap();
    assert_eq!(taken.load(Ordering::SeqCst), 3);
    assert_eq!(emulator.stats().arrivals(), 4);
}

#[test]
fn a_call_of_one_attempt_that_was_written_to_the_first_host_looks_no_other_up() {
    let (first, spare) = (tls_emulator(), tls_emulator());
    let mut ca = ca_file(&first);
    io::Write::write_all(&mut ca, spare.ca_pem().unwrap().as_bytes()).unwrap();
    for fault in [Fault::cut_before(), Fault::cut_after(), Fault::status(502)] {
        let (builder, look_ups) = client(Some(first.address()), Some(spare.address()), &ca);
        let client = builder.build().unwrap();
        first.fault(Operation::Add, fault);
        let error = client.add_tag(&add()).unwrap_err();
        assert_eq!((error.effect(), error.sent()), (Effect::PossiblyApplied, 1));
        assert_eq!(look_ups.spare.load(Ordering::SeqCst), 0);
    }
    assert_eq!(spare.stats().arrivals(), 0);
}

#[test]
fn if_neither_host_can_be_reached_the_error_is_of_the_first() {
    let emulator = tls_emulator();
    let ca = ca_file(&emulator);
    let (builder, look_ups) = client(None, Some(address(&nobody())), &ca);
    let client = builder.build().unwrap();
    for failures in 1..=2 {
        assert_eq!(
            client.add_tag(&add()).unwrap_err().to_string(),
            "add: the network failed while looking up the host: adminapisgp.im.qcloud.com: no such host \
             (not applied; check the endpoint's name and the DNS)"
        );
        assert_eq!(look_ups.first.load(Ordering::SeqCst), failures);
    }
}

#[test]
fn a_spare_host_is_a_regions_own_or_as_set_or_none() {
    let emulator = tls_emulator();
    let ca = ca_file(&emulator);
    let (builder, look_ups) = client(None, Some(emulator.address()), &ca);
    let without = builder.clone().spare_endpoint("none").build().unwrap();
    without.add_tag(&add()).unwrap_err();
    assert_eq!(look_ups.spare.load(Ordering::SeqCst), 0);
    let set = builder
        .clone()
        .spare_endpoint(format!(" {} ", emulator.endpoint()));
    set.build().unwrap().add_tag(&add()).unwrap();
    assert_eq!(look_ups.spare.load(Ordering::SeqCst), 0);
    builder.build().unwrap().add_tag(&add()).unwrap();
    assert_eq!(look_ups.spare.load(Ordering::SeqCst), 1);

    // an endpoint has the one that is set, also over plain HTTP
    let plain = support::emulator();
    let endpoint = support::builder(&nobody()).retry(ONE_ATTEMPT);
    endpoint
        .clone()
        .build()
        .unwrap()
        .add_tag(&add())
        .unwrap_err();
    let endpoint = endpoint.spare_endpoint(plain.endpoint()).build().unwrap();
    endpoint.add_tag(&add()).unwrap();
    let refused = support::builder(&nobody()).spare_endpoint("http://example.com");
    assert_eq!(
        refused.build().unwrap_err().to_string(),
        "spare: the endpoint \"http://example.com\" is plain HTTP to another machine, which would show the UserSig to the \
         network: use https://, or http:// with 127.0.0.1, [::1] or localhost; none turns it off"
    );
}

/// A proxy that leads to a spare host alone, and a client behind it.
fn behind(kind: Kind) -> (Emulator, EgressProxy, Client) {
    let emulator = tls_emulator();
    let ca = ca_file(&emulator);
    let proxy = EgressProxy::start(kind, None);
    proxy.leads(&format!("{SPARE}:443"), emulator.address());
    let (builder, _) = client(None, None, &ca);
    let client = builder.proxy(&proxy.url("")).build().unwrap();
    (emulator, proxy, client)
}

#[test]
fn a_host_that_the_proxy_does_not_reach_hands_over_and_a_proxy_that_refuses_does_not() {
    let both = [format!("{FIRST}:443"), format!("{SPARE}:443")];
    for kind in [Kind::Http, Kind::Socks5] {
        let (_emulator, proxy, client) = behind(kind);
        client.add_tag(&add()).unwrap();
        client.add_tag(&add()).unwrap();
        assert_eq!(proxy.asked(), both);
        let (_emulator, proxy, client) = behind(kind);
        let refusal: &[u8] = if kind == Kind::Http {
            b"HTTP/1.1 403 Forbidden\r\n\r\n"
        } else {
            &[5, 255]
        };
        proxy.behaves(Behaviour::Says(refusal.to_vec()));
        client.add_tag(&add()).unwrap_err();
        assert_eq!(proxy.connections(), 1);
    }
    // one that does not answer at all is the proxy of both, and has all of the time
    let (_emulator, proxy, client) = behind(Kind::Https);
    proxy.behaves(Behaviour::IsSilent);
    let error = client.call(&add(), &within(Duration::from_secs(2)));
    let error = error.unwrap_err();
    assert_eq!(cause(&error), "timeout while connecting to the proxy");
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn the_time_to_reach_a_proxy_is_not_shared_with_the_spare_host() {
    for kind in [Kind::Https, Kind::Socks5] {
        let emulator = tls_emulator();
        let proxy = EgressProxy::start(kind, None);
        proxy.leads(&format!("{FIRST}:443"), emulator.address());
        let mut ca = ca_file(&emulator);
        io::Write::write_all(&mut ca, proxy.ca_pem.as_bytes()).unwrap();
        let (builder, _) = client(None, None, &ca);
        // its TLS, or its answer to who calls, takes more than half of the time for connecting
        let connect = Duration::from_secs(5);
        proxy.greets_after(connect * 6 / 10);
        let client = builder.proxy(&proxy.url("")).connect_timeout(connect);
        let began = Instant::now();
        client.build().unwrap().add_tag(&add()).unwrap();
        assert!(began.elapsed() > connect / 2);
        assert_eq!(proxy.asked(), [format!("{FIRST}:443")]);
        assert_eq!(proxy.connections(), 1);
    }
}

#[test]
fn a_proxy_that_needs_more_than_half_of_the_time_for_a_tunnel_has_all_of_it_in_the_next_attempt() {
    let emulator = tls_emulator();
    let ca = ca_file(&emulator);
    let proxy = EgressProxy::start(Kind::Http, None);
    for host in [FIRST, SPARE] {
        proxy.leads(&format!("{host}:443"), emulator.address());
    }
    let (builder, _) = client(None, None, &ca);
    let connect = Duration::from_secs(5);
    proxy.greets_after(connect * 6 / 10);
    let client = builder.proxy(&proxy.url("")).connect_timeout(connect);
    let client = client.build().unwrap();
    let error = client.add_tag(&add()).unwrap_err();
    assert_eq!(
        cause(&error),
        "timeout while the proxy connects to the service"
    );
    client.add_tag(&add()).unwrap();
    assert_eq!(emulator.stats().arrivals(), 1);
}

#[test]
fn behind_a_slow_proxy_the_spare_host_has_all_of_the_time_after_the_first_had_it() {
    let hangs = silent();
    thread::scope(|scope| {
        // the first host is nowhere, or takes a tunnel and says nothing
        for first in [None, Some(hangs)] {
            scope.spawn(move || {
                let emulator = tls_emulator();
                let ca = ca_file(&emulator);
                let proxy = EgressProxy::start(Kind::Http, None);
                for (host, server) in [(FIRST, first), (SPARE, Some(emulator.address()))] {
                    let server = server.iter();
                    server.for_each(|server| proxy.leads(&format!("{host}:443"), *server));
                }
                let (builder, _) = client(None, None, &ca);
                let connect = Duration::from_secs(4);
                proxy.greets_after(connect * 6 / 10);
                let client = builder.proxy(&proxy.url("")).connect_timeout(connect);
                let client = client.build().unwrap();
                client.add_tag(&add()).unwrap_err();
                client.add_tag(&add()).unwrap_err();
                client.add_tag(&add()).unwrap();
                // the next ones go there straight away
                client.add_tag(&add()).unwrap();
                let summary = client.bulk().run(users(0..500)).finish();
                assert!(summary.all_done(), "{first:?}: {summary}");
                let asked = proxy.asked();
                assert_eq!(asked.last().unwrap(), &format!("{SPARE}:443"));
                assert_eq!(emulator.users().len(), 502);
            });
        }
    });
}
