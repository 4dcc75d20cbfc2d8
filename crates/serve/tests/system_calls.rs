//! What a call over the socket costs the daemon's thread in system calls, counted by `strace`: its connection is accepted,
//! looked at, registered, read, written, taken, given up and closed, each once; what many calls that are answered together
//! cost it in wakes, and so posts that one commit settles; and that a caller is woken by its answer alone.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::process::Command;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use imtag_emulator::{Fault, Generation, Operation};
use serde_json::json;
use support::{ADD, Scene, Setup, http};

/// Set for the process that is watched.
const WATCHED: &str = "IMTAG_TEST_WATCHED";

/// A file that nobody has: the attempt to open it marks a place in the trace.
const MARK: &str = "/imtag-test-mark";

/// One after the other, between the first two marks.
const CALLS: usize = 20;
/// At once, between the last two.
const TOGETHER: usize = 40;

/// Not a test of its own: what the watched process runs.
#[test]
fn watched_calls() {
    if std::env::var_os(WATCHED).is_none() {
        return;
    }
    static KEPT: AtomicU32 = AtomicU32::new(0);
    imtag_transport::keep_process_id(&KEPT);
    let scene = Scene::new(Generation::AllMemberPush);
    let user = |number: usize| json!([{"To_Account": format!("u{number}"), "Tags": ["t"]}]);
    let call = |number| {
        let answer = scene.post(ADD, json!({"UserTags": user(number)}));
        assert_eq!(answer.code(), 0);
    };
    let mark = || assert!(fs::File::open(MARK).is_err());
    call(0);
    mark();
    (0..CALLS).for_each(call);
    mark();
    drop(scene);
    let scene = Scene::with_quota(Generation::AllMemberPush, 1);
    let begin = |number| scene.begin(ADD, "", &json!({"UserTags": user(number)}));
    let answered = |mut stream: support::Stream| assert_eq!(stream.answer().unwrap().code(), 0);
    answered(begin(0));
    // a request of the first of them waits for its turn in the quota, and the others for one behind it
    let streams: Vec<_> = (0..TOGETHER).map(begin).collect();
    std::thread::sleep(Duration::from_millis(300)); // until all of them are asleep
    mark();
    streams.into_iter().for_each(answered);
    mark();
    assert_eq!(scene.arrivals(), 3);
    drop(scene);
    let scene = Scene::start(Setup {
        calls_per_second: 1,
        ..Setup::durable()
    });
    let begin = |number| {
        let row = user(number)[0].to_string();
        let mut stream = scene.connect();
        stream.say(http::request("POST", "/v1/changes?wait=outcome", "", row));
        stream
    };
    let applied = |mut stream: support::Stream| {
        assert!(stream.answer().unwrap().text.contains("\"done\""));
    };
    applied(begin(0));
    let streams: Vec<_> = (0..TOGETHER).map(begin).collect();
    std::thread::sleep(Duration::from_millis(300)); // until all of them are stored
    mark();
    streams.into_iter().for_each(applied);
    mark();
}

/// How often this thread has gone to sleep so far.
fn sleeps() -> u64 {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let mut lines = status.lines();
    let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.unwrap().trim().parse().unwrap()
}

#[test]
fn a_caller_that_waits_is_not_woken_before_its_answer() {
    let scene = Scene::new(Generation::AllMemberPush);
    let slept = (0..20).map(|number| {
        let delay = Fault::delay(Duration::from_millis(20));
        scene.emulator.fault(Operation::Add, delay);
        let user = json!([{"To_Account": format!("u{number}"), "Tags": ["t"]}]);
        let mut stream = scene.begin(ADD, "", &json!({"UserTags": user}));
        let before = sleeps();
        stream.read_exact(&mut [0]).unwrap();
        sleeps() - before
    });
    let slept: Vec<u64> = slept.collect();
    // a page that is not there may be one more
    let once = slept.iter().filter(|times| **times == 1).count();
    assert!(once >= 15, "{slept:?}");
}

/// System calls by thread and name: `serve write`.
type Counts = BTreeMap<String, usize>;

/// What is between the marks.
fn watch() -> Vec<Counts> {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let watched = Command::new("strace")
        .args(["-f", "-qq", "--decode-pids=comm", "-o"])
        .arg(trace.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "watched_calls"])
        .env(WATCHED, "")
        .output()
        .unwrap();
    assert!(watched.status.success(), "{watched:?}");
    let trace = fs::read_to_string(trace.path()).unwrap();
    let lines: Vec<&str> = trace.lines().collect();
    let parts = lines.split(|line| line.contains(MARK));
    let count = |lines: &[&str]| {
        let mut counts = Counts::new();
        for line in lines {
            // `7<serve> close(9)`; the second line of one that another thread interrupts has no name before "("
            let Some((thread, call)) = line.split_once("> ") else {
                continue;
            };
            let thread = thread.split_once('<').map_or("", |(_, name)| name);
            let call = call.trim_start();
            if let Some((name, _)) = call.split_once('(').filter(|_| !call.starts_with('<')) {
                *counts.entry(format!("{thread} {name}")).or_default() += 1;
            }
        }
        counts
    };
    parts.skip(1).step_by(2).map(count).collect()
}

#[test]
fn a_call_takes_each_system_call_once_and_calls_that_are_answered_together_one_wake() {
    if Command::new("strace").arg("-V").output().is_err() {
        assert!(
            std::env::var_os("CI").is_none(),
            "strace is missing: cargo xtask test installs it"
        );
        println!("skipped: strace is missing: cargo xtask test installs it");
        return;
    }
    let counts = watch();
    let [calls, together, posts] = &counts[..] else {
        panic!("{counts:?}");
    };
    println!(
        "{CALLS} calls: {calls:?}\n{TOGETHER} at once: {together:?}\n{TOGETHER} posts: {posts:?}"
    );
    for (name, times) in [
        ("getsockopt", 1), // who calls
        ("epoll_ctl", 2),
        ("ioctl", 0),
        ("writev", 1),
        ("close", 1),
        ("shutdown", 0),
        ("getpid", 0),
    ] {
        let count = calls.get(&format!("serve {name}")).copied();
        assert_eq!(count.unwrap_or(0), times * CALLS, "{name}: {calls:?}");
    }
    // one that leaves the request with the system, and one that takes it; a few come before their request
    let reads = calls.get("serve recvfrom").copied().unwrap_or(0);
    let most = 2 * CALLS + CALLS / 2;
    assert!((2 * CALLS..=most).contains(&reads), "{calls:?}");
    for (counts, by) in [(together, "imtag-batcher"), (posts, "imtag-queue")] {
        let wakes = counts.get(&format!("{by} write")).copied().unwrap_or(0);
        assert!(wakes <= TOGETHER / 4, "{wakes} wakes: {counts:?}");
    }
}
