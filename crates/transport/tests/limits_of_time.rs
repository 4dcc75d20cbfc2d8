//! A call ends at its deadline, and at once when it is cancelled, whatever it is busy with.
//!
//! Each phase is made to hang in earnest, on real sockets. How far a call overshoots is printed, not judged
//! (`cargo test -p imtag-transport --test limits_of_time -- --nocapture`); what is held is that none ends early, and
//! that none hangs.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::Fault;
use imtag_transport::{
    AddTags, CallOptions, CancelToken, Client, ClientBuilder, Effect, Error, Limits, Operation,
    Phase,
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

fn once(endpoint: &str) -> ClientBuilder {
    let builder = builder(endpoint).retry(ONE_ATTEMPT);
    builder.connect_timeout(HANGS)
}

/// A socket that listens, with a receive buffer of so many bytes, for so many connections.
fn listen(buffer: Option<usize>, backlog: i32) -> (TcpListener, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    socket.bind(&any.into()).unwrap();
    socket.listen(backlog).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// The endpoint of a listener whose queue of connections is full: the system answers no further one.
fn full_listener() -> (String, Vec<TcpStream>) {
    let (listener, address) = listen(None, 0);
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
    (format!("http://{address}"), held)
}

/// The address of a server that takes connections and never says a word.
fn silent_server(buffer: Option<usize>) -> SocketAddr {
    let (listener, address) = listen(buffer, 16);
    thread::spawn(move || {
        let connections: Vec<_> = listener.incoming().collect();
        drop(connections);
    });
    address
}

/// A server that sends its answer a byte at a time, without an end.
fn dripping_server() -> String {
    answering(|_, stream| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
        for byte in head.iter().chain(std::iter::repeat(&b' ')) {
            if stream.write_all(&[*byte]).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(7));
        }
        false
    })
}

fn hangs() -> Vec<Hang> {
    let hang = |phase, effect, builder: ClientBuilder| Hang {
        phase,
        effect,
        client: builder.build().unwrap(),
        tag_bytes: 1,
        _held: Vec::new(),
    };
    let silent = format!("http://{}", silent_server(None));
    let silent_tls = format!("https://{}", silent_server(None));
    let small = format!("http://{}", silent_server(Some(4096)));
    let (full, held) = full_listener();
    let mut connect = hang(Phase::Connect, Effect::NotApplied, once(&full));
    connect._held = held;
    let mut big = Limits::DOCUMENTED;
    big.tag_bytes = usize::MAX;
    let possibly = Effect::PossiblyApplied;
    let mut write = hang(Phase::Write, possibly, once(&small).limits(big));
    write.tag_bytes = 8 << 20; // more than the system's buffers take
    // one call in 100 s: the next has no turn while a test runs, however busy the machine is
    let quota = once(&silent).calls_per_second(0.01).fresh_start(true);
    let quota = hang(Phase::Quota, Effect::NotApplied, quota);
    let call = within(Duration::from_millis(10));
    // takes the turn, once it comes as far as to be sent in its time
    while quota.client.call(&add(), &call).unwrap_err().sent() == 0 {}
    vec![
        quota,
        connect,
        hang(Phase::Handshake, Effect::NotApplied, once(&silent_tls)),
        write,
        hang(Phase::Read, possibly, once(&silent)),
        hang(Phase::Read, possibly, once(&dripping_server())),
    ]
}

fn call(hang: &Hang, options: &CallOptions) -> Error {
    let tag = "t".repeat(hang.tag_bytes);
    let request = AddTags::with_rules(hang.client.rules(), [("u", [tag.as_str()])]).unwrap();
    hang.client.call(&request, options).unwrap_err()
}

/// The call ended as `how` in the phase that hangs, and knows its effect.
#[track_caller]
fn assert_ended(hang: &Hang, error: &Error, how: &str) {
    assert_eq!(cause(error), format!("{how} {}", hang.phase.when()));
    assert_eq!(error.effect(), hang.effect, "{:?}", hang.phase);
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
        let options = within(DEADLINE);
        let began = Instant::now();
        let error = call(&hang, &options);
        let took = began.elapsed();
        println!(
            "deadline {:?}: {:?} over",
            hang.phase,
            took.saturating_sub(DEADLINE)
        );
        assert_ended(&hang, &error, "timeout");
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
        let options = within(HANGS * 2).cancel(&token);
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
        assert_ended(&hang, &error, "cancelled");
        assert!(took < FAR_OVER, "{:?}: {took:?}", hang.phase);
    }
}

#[test]
fn an_interrupt_is_asked_on_the_calling_thread_and_ends_the_call_in_every_phase() {
    for hang in hangs() {
        let caller = thread::current().id();
        let asked = Arc::new(AtomicU32::new(0));
        let asked_by_call = Arc::clone(&asked);
        let options = within(HANGS * 2).interrupt(move || {
            assert_eq!(thread::current().id(), caller);
            asked_by_call.fetch_add(1, Ordering::Relaxed) == 2
        });
        let began = Instant::now();
        let error = call(&hang, &options);
        assert_ended(&hang, &error, "cancelled");
        assert_eq!(asked.load(Ordering::Relaxed), 3, "{:?}", hang.phase);
        let took = began.elapsed();
        assert!(took >= TIMEOUT && took < FAR_OVER, "{took:?}");
    }
}

#[test]
fn a_call_made_by_the_interrupt_of_another_disturbs_neither() {
    let emulator = emulator();
    let slow = Fault::delay(TIMEOUT);
    emulator.fault(Operation::Add, slow);
    let client = client(&emulator);
    let inner = client.clone();
    let options = CallOptions::new().interrupt(move || inner.get_tag(&get()).is_err());
    let outcome = client.call(&add(), &options).unwrap();
    assert_eq!((outcome.accounts, outcome.attempts), (2, 1));
    assert!(emulator.stats().arrivals() > 1);
}

#[test]
fn a_drained_call_finishes_an_attempt_under_way_and_begins_none() {
    let drain = CancelToken::new();
    let options = CallOptions::new().drain(&drain);
    let emulator = emulator();
    let delay = Fault::delay(Duration::from_millis(200));
    emulator.fault(Operation::Add, delay);
    let client = client(&emulator);
    let under_way = thread::scope(|scope| {
        let call = scope.spawn(|| client.call(&add(), &options));
        until(|| emulator.stats().arrivals() == 1);
        drain.cancel();
        call.join().unwrap()
    });
    assert!(under_way.is_ok());

    let waiting = client.call(&add(), &options).unwrap_err();
    assert_eq!(cause(&waiting), "cancelled before it began");
    assert_eq!((waiting.sent(), emulator.stats().arrivals()), (0, 1));
}

#[test]
fn connecting_has_a_limit_of_its_own() {
    let (full, _held) = full_listener();
    let client = builder(&full)
        .connect_timeout(Duration::from_millis(50))
        .retry(ONE_ATTEMPT)
        .build()
        .unwrap();
    let error = client.add_tag(&add()).unwrap_err();
    assert_eq!(cause(&error), "timeout while connecting");
    assert_eq!((error.effect(), error.attempts()), (Effect::NotApplied, 1));
}
