//! A queue that can do nothing sleeps. In a process of its own, as threads of other tests would be counted, too.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::fs;
use std::thread;
use std::time::Duration;

use imtag_core::SecretKey;
use imtag_queue::PauseReason;
use support::{Home, client, client_with, many, service, until};

/// How often the queue's threads have slept and were woken.
fn wakeups() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let of_task = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let value = |name| status.lines().find_map(|line| line.strip_prefix(name));
        let is_its = value("Name:").is_some_and(|name| name.trim().starts_with("imtag-"));
        let count = value("voluntary_ctxt_switches:").filter(|_| is_its);
        count.map_or(0, |count| count.trim().parse::<u64>().unwrap())
    };
    tasks.map(|task| of_task(task.unwrap())).sum()
}

/// So many in three seconds, of which the first is left out.
fn in_three_seconds() -> u64 {
    thread::sleep(Duration::from_secs(1));
    let before = wakeups();
    assert!(before > 0);
    thread::sleep(Duration::from_secs(3));
    wakeups() - before
}

#[test]
fn nothing_wakes_in_a_pause_before_it_is_tried_again_nor_where_all_is_done() {
    let (emulator, home) = (service().start().unwrap(), Home::new());
    let open = home.open();
    let wrong = SecretKey::new("0".repeat(64)).unwrap();
    open.send_by(client_with(&emulator, wrong));
    open.post(many(250)).wait().unwrap();
    until("it pauses", || !open.status().pauses.is_empty());
    assert_eq!(open.status().pauses[0].reason, PauseReason::App);
    assert_eq!(in_three_seconds(), 0, "it is tried again after a minute");
    open.pause().wait().unwrap();
    open.send_by(client(&emulator));
    assert_eq!(in_three_seconds(), 0, "an operator has paused it");
    open.resume().wait().unwrap();
    open.until_empty();
    assert_eq!(in_three_seconds(), 0, "it is empty");
}
