//! What the client's tests share: a client for an emulator, and servers that misbehave in ways of their own.
#![allow(dead_code)] // each test file uses a part

pub(crate) mod network;

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::Emulator;
use imtag_transport::{AddTags, Client, ClientBuilder, GetTags, RetryPolicy, SecretKey};
use tempfile::NamedTempFile;

pub(crate) const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

/// A key that is the emulator's and the client's.
pub(crate) fn key() -> SecretKey {
    SecretKey::new(KEY).unwrap()
}

/// An emulator with a quota that no test reaches by accident, and that holds the client to all that the pages ask for.
pub(crate) fn emulator() -> Emulator {
    let builder = Emulator::builder().secret_key(key());
    builder
        .calls_per_second(1_000)
        .strict_random(true)
        .start()
        .unwrap()
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

pub(crate) fn client(emulator: &Emulator) -> Client {
    builder(&emulator.endpoint()).build().unwrap()
}

/// A client whose calls make one attempt: what fails is told at once.
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

/// A server that does `serve` with each connection, on a thread that ends with the test's process.
pub(crate) fn server(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap());
        }
    });
    address
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

/// How many requests arrived that name this account.
pub(crate) fn requests_with(emulator: &Emulator, account: &str) -> usize {
    let name = format!("\"{account}\"");
    let requests = emulator.requests();
    requests.iter().filter(|it| it.body.contains(&name)).count()
}

/// The strings of a set.
pub(crate) fn tags(emulator: &Emulator, account: &str) -> Vec<String> {
    emulator.user(account).into_iter().collect()
}
