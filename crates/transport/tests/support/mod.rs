//! What the client's tests share: a client for an emulator, requests and changes, how a call ended, servers that answer
//! as a test says.
#![allow(dead_code)] // each test file uses a part

pub(crate) mod behind;
pub(crate) mod events;
pub(crate) mod network;
pub(crate) mod proxy;
pub(crate) mod random;

use std::fmt::Display;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::Emulator;
use imtag_transport::{
    AddTags, Batcher, BatcherCompletion, CallOptions, Cause, ChangeRequest, Client, ClientBuilder,
    Completion, Credentials, Error, GetTags, RetryPolicy, SecretKey, SuppliedUserSig, UserSig,
};
use tempfile::NamedTempFile;

/// Longer than any test takes.
pub(crate) const LONG: Duration = Duration::from_secs(200);

pub(crate) const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

/// A key that is the emulator's and the client's.
pub(crate) fn key() -> SecretKey {
    SecretKey::new(KEY).unwrap()
}

/// An emulator, not started yet, with a quota that no test reaches by accident.
pub(crate) fn service() -> imtag_emulator::Builder {
    let builder = Emulator::builder().secret_key(key());
    builder.calls_per_second(1_000)
}

/// One that holds the client to all that the pages ask for.
pub(crate) fn emulator() -> Emulator {
    service().strict_random(true).start().unwrap()
}

/// A builder for any endpoint, with waits so short that retries cost a test nothing.
pub(crate) fn builder(endpoint: &str) -> ClientBuilder {
    Client::builder(1_400_000_000, "administrator", key())
        .endpoint(endpoint)
        .calls_per_second(1_000)
        .retry(RetryPolicy {
            first_backoff: Duration::from_millis(1),
            ..RetryPolicy::default()
        })
}

/// A client whose host panics when it is asked for a UserSig the `panics_in`th time.
pub(crate) fn client_whose_usersigs_panic(emulator: &Emulator, panics_in: usize) -> Client {
    let calls = AtomicUsize::new(0);
    let credentials = Credentials::callback(move || {
        let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
        assert_ne!(call, panics_in, "the host's");
        let usersig = UserSig::new("s").unwrap();
        let valid_for = None;
        Ok(SuppliedUserSig { usersig, valid_for })
    });
    let client = Client::builder(1_400_000_000, "administrator", credentials);
    client.endpoint(emulator.endpoint()).build().unwrap()
}

/// An emulator that speaks TLS, with a certificate of its own CA.
pub(crate) fn tls_emulator() -> Emulator {
    service().tls(true).start().unwrap()
}

/// One that is as far away as that.
pub(crate) fn slow_service(milliseconds: u64) -> Emulator {
    let latency = Duration::from_millis(milliseconds);
    service().latency(latency).start().unwrap()
}

/// One that knows all accounts except these.
pub(crate) fn emulator_without<const N: usize>(accounts: [&'static str; N]) -> Emulator {
    service().unknown_accounts(accounts).start().unwrap()
}

pub(crate) fn client(emulator: &Emulator) -> Client {
    builder(&emulator.endpoint()).build().unwrap()
}

/// A client whose calls make one attempt: what fails is known at once.
pub(crate) fn client_of_one_attempt(emulator: &Emulator) -> Client {
    let builder = builder(&emulator.endpoint());
    builder.retry(ONE_ATTEMPT).build().unwrap()
}

pub(crate) const ONE_ATTEMPT: RetryPolicy = RetryPolicy {
    max_attempts: 1,
    first_backoff: Duration::ZERO,
    longest_backoff: Duration::ZERO,
};

/// The emulator's CA in a file that lives as long as the returned value.
pub(crate) fn ca_file(emulator: &Emulator) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    let pem = emulator.ca_pem().expect("an emulator with TLS");
    file.write_all(pem.as_bytes()).unwrap();
    file
}

/// Adds tag `t` to `u` and `v`.
pub(crate) fn add() -> AddTags<'static> {
    AddTags::new([("u", ["t"]), ("v", ["t"])]).unwrap()
}

pub(crate) fn get() -> GetTags<'static> {
    GetTags::new(["u", "v"]).unwrap()
}

/// Adds tag `a` to a user.
pub(crate) fn user(number: impl Display) -> ChangeRequest {
    ChangeRequest::add(format!("u{number}"), ["a"])
}

/// Adds tag `a` to users.
pub(crate) fn users(numbers: Range<usize>) -> impl Iterator<Item = ChangeRequest> {
    numbers.map(user)
}

/// The outcomes of a batcher to which only changes were submitted.
pub(crate) fn changes_of(polled: Vec<BatcherCompletion>) -> Vec<Completion> {
    let change = |it| match it {
        BatcherCompletion::Change(change) => change,
        BatcherCompletion::Get(get) => panic!("{get:?}"),
    };
    polled.into_iter().map(change).collect()
}

/// A batcher whose changes linger for longer than any test takes.
pub(crate) fn lingering(client: &Client) -> Batcher {
    client.batcher().linger(LONG).timeout(LONG).start()
}

pub(crate) fn within(timeout: Duration) -> CallOptions {
    CallOptions::new().timeout(timeout)
}

/// Why a call failed, and in which phase: `network while connecting`.
pub(crate) fn cause(error: &Error) -> String {
    match error.cause() {
        Cause::Network { phase, .. } => format!("network {}", phase.when()),
        Cause::Timeout { phase } => format!("timeout {}", phase.when()),
        Cause::Cancelled { phase } => format!("cancelled {}", phase.when()),
        Cause::HttpStatus { status, .. } => format!("status {status}"),
        Cause::Tls(_) => "TLS".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The service's answer to a change that is done.
pub(crate) const DONE: &str = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;

/// An answer with a body. Lines may stand behind the status.
pub(crate) fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Writes to a client that may have heard enough.
pub(crate) fn say(stream: &mut TcpStream, text: impl AsRef<[u8]>) {
    drop(stream.write_all(text.as_ref()));
}

/// The endpoint of a server that does `answer` with each request, until it returns false, which closes the connection.
/// Each connection has a thread, which ends with the test's process.
pub(crate) fn answering(
    answer: impl Fn(&str, &mut TcpStream) -> bool + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), Arc::clone(&answer));
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || {
                while read_request(&mut stream).is_some_and(|it| answer(&it, &mut stream)) {}
            });
        }
    });
    format!("http://{address}")
}

/// A whole request; none where the client has closed.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"]}") {
        let mut piece = [0; 4096];
        match stream.read(&mut piece) {
            Ok(read) if read > 0 => request.extend_from_slice(&piece[..read]),
            _ => return None,
        }
    }
    Some(String::from_utf8(request).unwrap())
}

/// An endpoint at which nobody listens.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Waits until something holds that is sure to come.
#[track_caller]
pub(crate) fn until(mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "it never came");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The strings of a set.
pub(crate) fn tags(emulator: &Emulator, account: &str) -> Vec<String> {
    emulator.user(account).into_iter().collect()
}
