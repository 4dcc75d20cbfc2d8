//! What a call costs in system calls, counted by `strace`: on a connection that is already there one `sendmsg`, at most
//! two reads, one poll and one look at the process' number, or none where that is kept; no name is looked up, no thread is
//! started, and the system is asked for no random number. It is the same where someone listens to warnings.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::atomic::AtomicU32;

use imtag_emulator::Emulator;
use imtag_transport::{CallOptions, CancelToken};
use support::events::Quiet;
use support::*;

/// Set for the process that is watched: the endpoint, the CA file (or nothing), and whether it keeps its number.
const WATCHED: &str = "IMTAG_TEST_WATCHED";

/// A file that nobody has: the attempt to open it marks a place in the trace.
const MARK: &str = "/imtag-test-mark";

/// Calls between the two marks.
const CALLS: i64 = 20;

/// Not a test of its own: what the watched process runs.
#[test]
fn watched_calls() {
    let Ok(watched) = std::env::var(WATCHED) else {
        return;
    };
    let [endpoint, ca, keeps_number] = watched.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{watched}");
    };
    let mut options = CallOptions::new();
    if keeps_number == "true" {
        static KEPT: AtomicU32 = AtomicU32::new(0);
        imtag_transport::keep_process_id(&KEPT);
        options = options.cancel(&CancelToken::new()); // to watch it takes more looks
    }
    let mut builder = builder(endpoint);
    if !ca.is_empty() {
        builder = builder.ca_file(ca);
    }
    let client = builder.build().unwrap();
    if keeps_number == "true" {
        tracing::subscriber::set_global_default(Quiet).unwrap();
    }
    client.add_tag(&add()).unwrap(); // opens the connection
    assert!(fs::File::open(MARK).is_err());
    for _ in 0..CALLS {
        client.call(&add(), &options).unwrap();
    }
    assert!(fs::File::open(MARK).is_err());
}

/// System calls by name of all threads between the marks.
fn watch(emulator: &Emulator, ca: &str, keeps_number: bool) -> BTreeMap<String, i64> {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let watched = Command::new("strace")
        .args(["-f", "-qq", "-o"])
        .arg(trace.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "watched_calls"])
        .env(
            WATCHED,
            format!("{} {ca} {keeps_number}", emulator.endpoint()),
        )
        .output()
        .unwrap();
    assert!(watched.status.success(), "{watched:?}");
    let trace = fs::read_to_string(trace.path()).unwrap();
    let between = trace
        .lines()
        .skip_while(|line| !line.contains(MARK))
        .skip(1);
    let mut counts = BTreeMap::new();
    for line in between.take_while(|line| !line.contains(MARK)) {
        // a call that another thread interrupts stands in two lines, of which the second has no name before "("
        let call = line.split_whitespace().nth(1).unwrap_or_default();
        if let Some((name, _)) = call.split_once('(') {
            *counts.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    counts
}

#[test]
fn a_call_is_one_sendmsg_at_most_two_reads_one_poll_and_one_look_at_the_process() {
    if Command::new("strace").arg("-V").output().is_err() {
        assert!(
            std::env::var_os("CI").is_none(),
            "strace is missing: cargo xtask test installs it"
        );
        println!("skipped: strace is missing: cargo xtask test installs it");
        return;
    }
    for (tls, keeps_number) in [(false, false), (true, false), (false, true)] {
        let emulator = service().tls(tls).start().unwrap();
        let ca = tls.then(|| ca_file(&emulator));
        let path = ca.as_ref().map_or("", |ca| ca.path().to_str().unwrap());
        let counts = watch(&emulator, path, keeps_number);
        println!("tls {tls}, number kept {keeps_number}, {CALLS} calls: {counts:?}");
        let looks = if keeps_number { 0 } else { CALLS };
        for (kind, expected) in [
            ("sendmsg", CALLS),
            ("write writev sendto", 0),
            ("read readv recvfrom recvmsg", 2 * CALLS),
            ("poll ppoll select epoll_wait", CALLS),
            ("getpid", looks),
            ("getrandom", 0),
            ("clone clone3 socket connect openat", 0),
        ] {
            let of_kind = kind.split(' ').filter_map(|name| counts.get(name));
            assert_eq!(of_kind.sum::<i64>(), expected, "{kind}: {counts:?}");
        }
    }
}
