//! A machine with few open files: calls, batchers and bulk runs go on with as many connections as they can open.
//! Each test runs the other half of it in a process of its own, under `ulimit`; the service is here.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::process::Command;
use std::thread;
use std::time::Duration;

use imtag_core::Effect;
use imtag_emulator::Emulator;
use imtag_transport::{
    AddTags, BulkOptions, CancelToken, Cause, ChangeError, Client, Error, Outcome,
};
use support::*;

/// Names the service to the process that is started.
const ENDPOINT: &str = "IMTAG_TEST_ENDPOINT";

/// Names what the process does.
const HALF: &str = "IMTAG_TEST_HALF";

/// Its name, and what it does.
type Half = (&'static str, fn(&Client));

const HALVES: [Half; 7] = [
    ("calls", calls_of_many_threads),
    ("batcher", a_batcher_of_many_callers),
    ("run", a_bulk_run),
    ("short requests", a_bulk_run_whose_requests_have_little_time),
    ("stopped run", a_bulk_run_that_is_stopped),
    ("cancelled run", a_bulk_run_that_is_cancelled),
    ("no file", a_call_without_a_free_file),
];

#[test]
#[ignore = "the other half of the tests below, in a process of its own"]
fn other_half() {
    let (Ok(endpoint), Ok(half)) = (std::env::var(ENDPOINT), std::env::var(HALF)) else {
        return; // somebody runs ignored tests
    };
    let client = Client::builder(1_400_000_000, "administrator", key());
    let client = client.endpoint(endpoint).timeout(Duration::from_secs(60));
    let (_, run) = HALVES.iter().find(|(name, _)| *name == half).unwrap();
    run(&client.build().unwrap());
}

/// Runs the other half in a process that may have so many files open; the service that it called.
#[track_caller]
fn in_a_process_with(files: u32, half: &str) -> Emulator {
    against(slow_service(200), files, half)
}

#[track_caller]
fn against(service: Emulator, files: u32, half: &str) -> Emulator {
    let limited = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
    let output = Command::new("/bin/sh")
        .args(["-c", &limited])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--nocapture", "--test-threads=1"])
        .env(ENDPOINT, service.endpoint())
        .env(HALF, half)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
    assert!(said.contains("1 passed"), "{said}");
    service
}

fn call(client: &Client, user: usize) -> Result<Outcome, Error> {
    client.add_tag(&AddTags::new([(format!("u{user}").as_str(), ["a"])]).unwrap())
}

fn calls_of_many_threads(client: &Client) {
    thread::scope(|scope| {
        for user in 0..100 {
            scope.spawn(move || {
                let outcome = call(client, user).unwrap();
                assert_eq!(outcome.attempts, 1, "a refusal is no attempt");
            });
        }
    });
}

fn a_batcher_of_many_callers(client: &Client) {
    // each change goes alone, so that as many connections are wanted as requests may be under way
    let batcher = client.batcher().linger(Duration::ZERO).start();
    thread::scope(|scope| {
        for user in 0..200 {
            let batcher = &batcher;
            scope.spawn(move || batcher.add_tag(format!("u{user}"), ["a"]).unwrap());
        }
    });
}

fn a_bulk_run(client: &Client) {
    let changes = users(0..3_000);
    let mut run = client.bulk().run(changes);
    for completion in run.by_ref() {
        completion.result.unwrap();
    }
    assert_eq!(run.progress().retries(), 0);
}

fn a_bulk_run_whose_requests_have_little_time(client: &Client) {
    let changes = users(0..20_000);
    let options = client.bulk().timeout(Duration::from_secs(3));
    let summary = options.run(changes).finish();
    assert!(summary.all_done(), "{summary}");
}

fn a_bulk_run_that_is_stopped(client: &Client) {
    let drain = CancelToken::new();
    for error in failures_of_a_run(client.bulk().drain(&drain), &drain) {
        assert!(is_not_sent(&error), "{error}");
    }
}

fn a_bulk_run_that_is_cancelled(client: &Client) {
    let cancel = CancelToken::new();
    for error in failures_of_a_run(client.bulk().cancel(&cancel), &cancel) {
        // also before a byte of its request was written: it had its connection by then
        let is_cancelled = matches!(error.cause(), Cause::Cancelled { .. });
        assert!(is_cancelled || is_not_sent(&error), "{error}");
        let sent = (error.error().sent(), error.effect());
        let either = [(0, Effect::NotApplied), (1, Effect::PossiblyApplied)];
        assert!(either.contains(&sent), "{sent:?}: {error}");
    }
}

fn is_not_sent(error: &ChangeError) -> bool {
    matches!(error.cause(), Cause::Ended(_))
        && error.effect() == Effect::NotApplied
        && error.error().sent() == 0
}

/// Of a run of requests of 100 users each, which is ended when 500 are done, while others wait for a connection.
fn failures_of_a_run(options: BulkOptions, end: &CancelToken) -> Vec<ChangeError> {
    let mut run = options.run(users(0..20_000));
    let (mut done, mut failed) = (0, Vec::new());
    for completion in run.by_ref() {
        match completion.result {
            Ok(()) => done += 1,
            Err(error) => failed.push(error),
        }
        if done == 500 {
            end.cancel();
        }
    }
    assert!(done >= 500);
    assert_eq!(done + failed.len() + run.into_rest().count(), 20_000);
    let waited = failed
        .iter()
        .filter(|it| is_not_sent(it) && it.error().attempts() == 1);
    let waited = waited.count();
    assert!(waited >= 100 && waited % 100 == 0, "{waited}");
    failed
}

fn a_call_without_a_free_file(client: &Client) {
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
    }
    let error = call(client, 0).unwrap_err();
    let text = error.to_string();
    assert!(error.is_local_failure(), "{text}");
    assert!(error.retryable() && error.effect() == Effect::NotApplied);
    assert_eq!(error.sent(), 0);
    assert!(
        text.contains("this machine refused a connection while connecting: Too many open files"),
        "{text}"
    );
    drop(files);
    call(client, 0).unwrap();
}

#[test]
fn calls_of_many_threads_wait_for_a_connection_of_one_another() {
    let service = in_a_process_with(24, "calls");
    assert_eq!(service.users().len(), 100);
}

#[test]
fn no_caller_of_a_batcher_fails_if_files_are_few() {
    let service = in_a_process_with(24, "batcher");
    assert_eq!(service.users().len(), 200);
}

#[test]
fn a_run_goes_on_with_as_many_connections_as_it_can_open() {
    let service = in_a_process_with(16, "run");
    assert_eq!(service.users().len(), 3_000);
    assert_eq!(service.stats().arrivals(), 30);
}

#[test]
fn the_wait_for_a_connection_does_not_count_as_the_time_of_a_runs_request() {
    let service = in_a_process_with(16, "short requests");
    assert_eq!(service.users().len(), 20_000);
}

#[test]
fn a_change_that_waits_for_a_connection_when_its_run_is_stopped_is_not_sent() {
    against(slow_service(1_000), 16, "stopped run");
}

#[test]
fn a_change_that_waits_for_a_connection_when_its_run_is_cancelled_is_not_applied() {
    against(slow_service(1_000), 16, "cancelled run");
}

#[test]
fn a_call_without_a_free_file_says_so_and_works_once_there_is_one() {
    let service = in_a_process_with(24, "no file");
    assert_eq!(service.stats().arrivals(), 1);
}
