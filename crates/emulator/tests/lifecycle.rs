//! Starting and stopping: what is refused, and that nothing is left behind.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use std::error::Error;
use std::io::Read;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use caller::{ADD, Caller, GET, accounts, socket, tag_a};
use imtag_emulator::{Emulator, Fault, StartError};

const LONG: Duration = Duration::from_secs(600);

#[test]
fn a_stop_closes_all_connections_and_frees_the_port() {
    let emulator = Emulator::builder().start().unwrap();
    let address = emulator.address();
    let mut idle = socket(&emulator);
    let mut used = Caller::new(&emulator);
    assert_eq!(used.code(GET, accounts(&["a"])), 0);
    drop(emulator);
    // Closed or reset, but not open.
    assert!(matches!(idle.read(&mut [0]), Ok(0) | Err(_)));
    assert!(used.call(GET, accounts(&["a"])).is_err());
    TcpListener::bind(address).unwrap();
}

#[test]
fn a_stop_does_not_wait_for_a_request_that_is_held() {
    let emulator = Emulator::builder().start().unwrap();
    emulator.fault(ADD, Fault::delay(LONG));
    emulator.fault(GET, Fault::drip(LONG));
    let started = Instant::now();
    std::thread::scope(|scope| {
        let held = scope.spawn(|| Caller::new(&emulator).call(ADD, tag_a()));
        let dripped = scope.spawn(|| Caller::new(&emulator).call(GET, accounts(&["a"])));
        while emulator.stats().arrivals() < 2 {
            std::thread::yield_now();
        }
        assert!(!emulator.settle(Duration::from_millis(10)));
        emulator.stop();
        assert!(held.join().unwrap().is_err());
        assert!(dripped.join().unwrap().is_err());
    });
    assert!(started.elapsed() < LONG);
    assert!(emulator.settle(Duration::ZERO));
    assert!(emulator.users().is_empty());
}

#[test]
fn what_was_stopped_can_be_read_and_stopped_again() {
    let emulator = Emulator::builder().start().unwrap();
    assert_eq!(Caller::new(&emulator).code(ADD, tag_a()), 0);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| emulator.wait());
        emulator.stop();
        waiting.join().unwrap();
    });
    emulator.stop();
    emulator.wait();
    assert_eq!(emulator.user("a").len(), 1);
    assert_eq!(emulator.requests().len(), 1);
}

#[test]
fn a_disconnect_closes_what_is_open_and_takes_new_connections() {
    let emulator = Emulator::builder().start().unwrap();
    let mut caller = Caller::new(&emulator);
    assert_eq!(caller.code(GET, accounts(&["a"])), 0);
    emulator.disconnect();
    assert_eq!(caller.stream().read(&mut [0]).unwrap(), 0);
    assert_eq!(Caller::new(&emulator).code(GET, accounts(&["a"])), 0);
}

#[test]
fn two_emulators_know_nothing_of_each_other() {
    let one = Emulator::builder().start().unwrap();
    let other = Emulator::builder().start().unwrap();
    assert_eq!(Caller::new(&one).code(ADD, tag_a()), 0);
    assert!(other.users().is_empty());
    assert_eq!(other.stats().connections, 0);
    // Each has a key of its own.
    let stray = Caller::over(socket(&other), &one).code(GET, accounts(&["a"]));
    assert_eq!(stray, 70009);
}

#[test]
fn plain_http_is_for_loopback_only() {
    let error = Emulator::builder()
        .address("0.0.0.0:0")
        .start()
        .unwrap_err();
    assert!(matches!(error, StartError::NotLoopback { .. }));
    assert_eq!(
        error.to_string(),
        "0.0.0.0:0 is not a loopback address, and plain HTTP would show UserSigs to the network: \
         listen on 127.0.0.1 or [::1], or turn TLS on"
    );
    let emulator = Emulator::builder().address("0.0.0.0:0").tls(true).start();
    let emulator = emulator.unwrap();
    let port = emulator.address().port();
    assert_eq!(emulator.endpoint(), format!("https://127.0.0.1:{port}"));
}

#[test]
fn what_cannot_be_started_is_refused_with_a_reason() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let builder = Emulator::builder;
    for (builder, expected) in [
        (
            builder().address(&address),
            &*format!("cannot listen on {address}: use another port, or 0 for a free one"),
        ),
        (
            builder().address("nowhere"),
            "\"nowhere\" is no address to listen on: give one such as 127.0.0.1:8443",
        ),
        (
            builder().identifier(""),
            "the emulator's identifier cannot be used",
        ),
    ] {
        let error = builder.start().unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(error.source().is_some());
    }
    let error = builder().name("https://emulator:8443").start().unwrap_err();
    assert!(matches!(error, StartError::Name(_)));
    let expected = "\"https://emulator:8443\" is no name of a host: give the host alone";
    assert!(error.to_string().starts_with(expected), "{error}");
}

#[test]
fn a_timeout_of_any_length_is_taken() {
    let builder = Emulator::builder().read_timeout(Duration::MAX);
    let emulator = builder.start().unwrap();
    let mut caller = Caller::new(&emulator);
    assert_eq!(caller.code(ADD, tag_a()), 0);
    assert_eq!(caller.code(GET, accounts(&["a"])), 0);
}
