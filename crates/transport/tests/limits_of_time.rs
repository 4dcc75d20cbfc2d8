//! A call ends at its deadline, and at once when it is cancelled, whatever it is busy with.
//!
//! Each phase is made to hang in earnest, on real sockets. How far a call overshoots is printed, not judged
//! (`cargo test -p imtag-transport --test limits_of_time -- --nocapture`); what is held is that none ends early, and
//! that none hangs.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use imtag_core::retry::RetryPolicy;
use imtag_transport::{
    AddTags, CallOptions, CancelToken, Cause, Client, ClientBuilder, Effect, Error, Limits, Phase,
};
use socket2::{Domain, Socket, Type};
use support::*;

const TIMEOUT: Duration = Duration::from_millis(300);

/// Enough for a busy machine to come to the phase that hangs.
const DEADLINE: Duration = Duration::from_millis(1_500);

/// Far more than any call may go over, on the busiest of machines.
const FAR_OVER: Duration = Duration::from_secs(15);

/// As good as for ever.
const HANGS: Duration = Duration::from_secs(20);

/// A phase that hangs: a client and a request for it, and what keeps it hanging.
struct Hang {
    phase: Phase,
    effect: Effect,
    client: Client,
    /// How long the one tag of the request is.
    tag_bytes: usize,
    _held: Vec<TcpStream>,
}

fn once(builder: ClientBuilder) -> Client {
    let one_attempt = RetryPolicy {
        max_attempts: 1,
        ..RetryPolicy::default()
    };
    let builder = builder.retry(one_attempt).connect_timeout(HANGS);
    builder.build().unwrap()
}

/// A listener whose queue of connections is full: the system answers no further one.
fn full_listener() -> (SocketAddr, Vec<TcpStream>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    // one fills it; on another system more may
    let first = TcpStream::connect_timeout(&address, HANGS).unwrap();
    let mut held = vec![first];
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        held.push(stream);
    }
    thread::spawn(move || {
        let _listener = listener;
        thread::sleep(HANGS);
    });
    (address, held)
}

/// A server that takes connections and never says a word; with `small`, one that has room for little.
fn silent_server(small: bool) -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    if small {
        socket.set_recv_buffer_size(4096).unwrap();
    }
    socket.bind(&any.into()).unwrap();
    socket.listen(16).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let connections: Vec<_> = listener.incoming().collect();
        drop(connections);
    });
    address
}

/// A server that sends its answer a byte at a time, without an end.
fn dripping_server() -> SocketAddr {
    server(|mut stream| {
        thread::spawn(move || {
            drop(stream.read(&mut [0; 4096]));
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
            for byte in head.iter().chain(std::iter::repeat(&b' ')) {
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(7));
            }
        });
    })
}

fn hangs() -> Vec<Hang> {
    let hang = |phase, effect, client| Hang {
        phase,
        effect,
        client,
        tag_bytes: 1,
        _held: Vec::new(),
    };
    let (full, held) = full_listener();
    let mut big = Limits::DOCUMENTED;
    big.tag_bytes = usize::MAX;
    let small = format!("http://{}", silent_server(true));
    let mut hangs = vec![
        Hang {
            _held: held,
            ..hang(
                Phase::Connect,
                Effect::NotApplied,
                once(builder(&format!("http://{full}"))),
            )
        },
        hang(
            Phase::Handshake,
            Effect::NotApplied,
            once(builder(&format!("https://{}", silent_server(false)))),
        ),
        Hang {
            tag_bytes: 8 << 20, // more than the system's buffers take
            ..hang(
                Phase::Write,
                Effect::PossiblyApplied,
                once(builder(&small).limits(big)),
            )
        },
        hang(
            Phase::Read,
            Effect::PossiblyApplied,
            once(builder(&format!("http://{}", silent_server(false)))),
        ),
        hang(
            Phase::Read,
            Effect::PossiblyApplied,
            once(builder(&format!("http://{}", dripping_server()))),
        ),
    ];
    // made last and met first, as its turn is held for three seconds only
    hangs.insert(
        0,
        hang(Phase::Quota, Effect::NotApplied, {
            let endpoint = format!("http://{}", silent_server(false));
            let client = once(builder(&endpoint).calls_per_second(1));
            let call = CallOptions::new().timeout(Duration::from_millis(10));
            client.add_tag_with(&add(), &call).unwrap_err(); // holds the turn
            client
        }),
    );
    hangs
}

fn call(hang: &Hang, options: &CallOptions) -> Error {
    let tag = "t".repeat(hang.tag_bytes);
    let request = AddTags::with_rules(hang.client.rules(), [("u", [tag.as_str()])]).unwrap();
    hang.client.add_tag_with(&request, options).unwrap_err()
}

/// Returns once the thread `task`, a folder of `/proc`, has slept for a while: it then waits for what hangs.
fn until_it_waits(task: &Path) {
    let mut asleep = 0;
    while asleep < 10 {
        let stat = fs::read_to_string(task.join("stat")).unwrap();
        let state = stat.rsplit(") ").next().unwrap();
        asleep = if state.starts_with('S') {
            asleep + 1
        } else {
            0
        };
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_call_ends_at_its_deadline_in_every_phase() {
    for hang in hangs() {
        let options = CallOptions::new().timeout(DEADLINE);
        let began = Instant::now();
        let error = call(&hang, &options);
        let took = began.elapsed();
        println!(
            "deadline {:?}: {:?} over",
            hang.phase,
            took.saturating_sub(DEADLINE)
        );
        assert!(
            matches!(error.cause(), Cause::Timeout { phase } if *phase == hang.phase),
            "{:?}: {error:?}",
            hang.phase
        );
        assert_eq!(error.effect(), hang.effect, "{:?}", hang.phase);
        assert!(
            took >= DEADLINE && took < DEADLINE + FAR_OVER,
            "{:?}: {took:?}",
            hang.phase
        );
    }
}

#[test]
fn a_call_ends_at_once_when_it_is_cancelled_in_every_phase() {
    for hang in hangs() {
        let token = CancelToken::new();
        let options = CallOptions::new().timeout(HANGS * 2).cancel(&token);
        let (error, took) = thread::scope(|scope| {
            let this = Path::new("/proc").join(fs::read_link("/proc/thread-self").unwrap());
            let token = &token;
            let canceller = scope.spawn(move || {
                until_it_waits(&this);
                token.cancel();
                Instant::now()
            });
            let error = call(&hang, &options);
            let ended = Instant::now();
            (
                error,
                ended.saturating_duration_since(canceller.join().unwrap()),
            )
        });
        println!("cancel {:?}: {took:?} after", hang.phase);
        assert!(
            matches!(error.cause(), Cause::Cancelled { phase } if *phase == hang.phase),
            "{:?}: {error:?}",
            hang.phase
        );
        assert_eq!(error.effect(), hang.effect, "{:?}", hang.phase);
        assert!(took < FAR_OVER, "{:?}: {took:?}", hang.phase);
    }
}

#[test]
fn a_call_asks_on_its_own_thread_whether_to_go_on_and_ends_when_told_in_every_phase() {
    for hang in hangs() {
        let caller = thread::current().id();
        let asked = Arc::new(AtomicU32::new(0));
        let asked_by_call = Arc::clone(&asked);
        let options = CallOptions::new().timeout(HANGS * 2).interrupt(move || {
            assert_eq!(thread::current().id(), caller);
            asked_by_call.fetch_add(1, Ordering::Relaxed) == 2
        });
        let began = Instant::now();
        let error = call(&hang, &options);
        assert!(
            matches!(error.cause(), Cause::Cancelled { phase } if *phase == hang.phase),
            "{:?}: {error:?}",
            hang.phase
        );
        assert_eq!(error.effect(), hang.effect, "{:?}", hang.phase);
        assert_eq!(asked.load(Ordering::Relaxed), 3, "{:?}", hang.phase);
        let took = began.elapsed();
        assert!(took >= TIMEOUT && took < FAR_OVER, "{took:?}");
    }
}

#[test]
fn a_call_in_the_middle_of_another_is_one_by_itself() {
    let emulator = emulator();
    let slow = imtag_emulator::Fault::delay(TIMEOUT);
    emulator.fault(imtag_transport::Operation::Add, slow);
    let client = client(&emulator);
    let inner = client.clone();
    let options = CallOptions::new().interrupt(move || inner.get_tag(&get()).is_err());
    let outcome = client.add_tag_with(&add(), &options).unwrap();
    assert_eq!((outcome.accounts, outcome.attempts), (2, 1));
    assert!(emulator.stats().arrivals() > 1);
}

#[test]
fn a_call_that_is_told_to_go_on_ends_as_any_other() {
    let emulator = emulator();
    let slow = imtag_emulator::Fault::delay(TIMEOUT);
    emulator.fault(imtag_transport::Operation::Add, slow);
    let options = CallOptions::new().interrupt(|| false);
    let outcome = client(&emulator).add_tag_with(&add(), &options).unwrap();
    assert_eq!((outcome.accounts, outcome.attempts), (2, 1));
}

#[test]
fn a_cancelled_token_ends_a_call_before_it_begins() {
    let emulator = emulator();
    let token = CancelToken::new();
    token.cancel();
    let options = CallOptions::new().cancel(&token);
    let error = client(&emulator)
        .add_tag_with(&add(), &options)
        .unwrap_err();
    assert!(
        matches!(error.cause(), Cause::Cancelled { .. }),
        "{error:?}"
    );
    assert_eq!(
        (error.effect(), emulator.stats().arrivals()),
        (Effect::NotApplied, 0)
    );
}

#[test]
fn a_drained_call_ends_where_it_waits_and_sees_an_attempt_through() {
    let drain = CancelToken::new();
    let options = CallOptions::new().drain(&drain);
    let emulator = emulator();
    let delay = imtag_emulator::Fault::delay(Duration::from_millis(200));
    emulator.fault(imtag_transport::Operation::Add, delay);
    let client = client(&emulator);
    let under_way = thread::scope(|scope| {
        let call = scope.spawn(|| client.add_tag_with(&add(), &options));
        while emulator.stats().arrivals() == 0 {
            thread::yield_now();
        }
        drain.cancel();
        call.join().unwrap()
    });
    assert!(under_way.is_ok());

    let waiting = client.add_tag_with(&add(), &options).unwrap_err();
    assert!(
        matches!(waiting.cause(), Cause::Cancelled { .. }),
        "{waiting:?}"
    );
    assert_eq!((waiting.sent(), emulator.stats().arrivals()), (0, 1));
}

#[test]
fn an_attempt_that_takes_too_long_is_made_again_within_the_call() {
    let emulator = emulator();
    let slow = imtag_emulator::Fault::delay(Duration::from_secs(60));
    emulator.fault(imtag_transport::Operation::Add, slow);
    let options = CallOptions::new().attempt_timeout(Duration::from_millis(50));
    let outcome = client(&emulator).add_tag_with(&add(), &options).unwrap();
    assert!(outcome.attempts >= 2, "{outcome:?}");
}

#[test]
fn connecting_has_a_limit_of_its_own() {
    let (full, _held) = full_listener();
    let client = builder(&format!("http://{full}"))
        .connect_timeout(Duration::from_millis(50))
        .retry(ONE_ATTEMPT)
        .build()
        .unwrap();
    let error = client.add_tag(&add()).unwrap_err();
    assert!(
        matches!(
            error.cause(),
            Cause::Timeout {
                phase: Phase::Connect
            }
        ),
        "{error:?}"
    );
    assert_eq!((error.effect(), error.attempts()), (Effect::NotApplied, 1));
}
